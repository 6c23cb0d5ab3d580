// Defects 12 and 13 of the ancestor: a failed read left a block of size 0 in the cache, and the next lookup counted a hit;
// unaligned, overlapping addresses were accepted, and not coherent.

import { truncateSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  assertSound,
  blockBytes,
  copyOf,
  inThread,
  refusal,
  refusalNow,
  withCache,
  writeBlocks,
} from '../support/open.js'

const failing = suite('defect 12: a read that fails leaves nothing cached')

failing('the next lookup is a miss, and works when the file is mended', () =>
  withCache({ cached: 4 }, async ({ cache, data, paths }) => {
    truncateSync(paths['data']!, 5 * 512 + 100)
    for (let i = 1; i <= 6; i++) {
      for (const mode of ['read', 'modify'] as const) {
        const error = await refusal('ERR_DCACHE_READ_FAILED', () => data.acquire(5, mode), 5, "'data'")
        assert.ok(error.cause instanceof Error)
        assert.is(data.tryAcquire(5, mode), undefined)
      }
      assertSound(cache)
    }
    assert.is(cache.stats().hits, 0)
    assert.is(cache.stats().diskReads, 0)
    assert.is(cache.stats().blocks.clean, 0)
    await refusal('ERR_DCACHE_READ_FAILED', () => data.read(new Uint8Array(10), 5 * 512))
    // Others go on, with all frames.
    const guards = await Promise.all([0, 1, 2, 3].map((block) => data.acquire(block, 'read')))
    for (const guard of guards) guard.release()
    writeBlocks(paths['data']!, 64)
    using guard = await data.acquire(5, 'read')
    assert.equal(copyOf(guard.data), blockBytes(5))
    assert.is(cache.stats().misses, 5)
  }),
)

failing('everybody who waited for it hears of it', () =>
  withCache({}, async ({ cache, data, paths }) => {
    truncateSync(paths['data']!, 0)
    const reads = Array.from({ length: 10 }, () =>
      refusal('ERR_DCACHE_READ_FAILED', () => data.acquire(5, 'read')),
    )
    const threads = [1, 2].map(() =>
      refusal('ERR_DCACHE_READ_FAILED', () =>
        inThread(cache.handle, 0, ({ client }) => {
          client.partition('data').acquireSync(5, 'read')
        }),
      ),
    )
    await Promise.all([...reads, ...threads])
    writeBlocks(paths['data']!, 64)
  }),
)

failing('overwrite needs no read', () =>
  withCache({}, async ({ cache, data, paths, onDisk }) => {
    truncateSync(paths['data']!, 0)
    await refusal('ERR_DCACHE_READ_FAILED', () => data.acquire(5, 'modify'))
    {
      using guard = await data.acquire(5, 'overwrite')
      assert.equal(copyOf(guard.data), new Uint8Array(512))
      guard.data.fill(6)
      guard.markDirty()
    }
    await cache.flush()
    assert.equal(onDisk(5), new Uint8Array(512).fill(6))
  }),
)

failing.run()

const addressing = suite('defect 13: blocks are addressed by number')

addressing('there is no way to name a block that overlaps another', () =>
  withCache({ partitions: { data: { blockSize: 1024, blocks: 8 } } }, async ({ data }) => {
    for (const block of [0.5, 1.25, 7.5, 8, 1024, -0.5]) {
      refusalNow('ERR_DCACHE_OUT_OF_RANGE', () => data.tryAcquire(block, 'read'), block)
      await refusal('ERR_DCACHE_OUT_OF_RANGE', () => data.acquire(block, 'modify'), block)
    }
  }),
)

addressing('byte ranges that overlap are coherent', () =>
  withCache({ partitions: { data: { blocks: 8 } } }, async ({ cache, data, onDisk }) => {
    const model = new Uint8Array(4096)
    await data.write(model, 0)
    for (let i = 0; i < 300; i++) {
      const position = (i * 977) % 4000
      const bytes = new Uint8Array(1 + ((i * 131) % 95)).fill(i)
      await data.write(bytes, position)
      model.set(bytes, position)
      const start = (i * 613) % 3000
      const seen = new Uint8Array(900)
      await data.read(seen, start)
      assert.equal(seen, model.slice(start, start + 900))
    }
    await cache.flush()
    for (let block = 0; block < 8; block++)
      assert.equal(onDisk(block), model.slice(block * 512, block * 512 + 512))
  }),
)

addressing('a device offset that is not aligned to blocks is refused', async () => {
  const { openCache } = await import('dcache')
  await refusal(
    'ERR_DCACHE_BAD_OPTION',
    () =>
      openCache({
        memory: '64KiB',
        partitions: { data: { path: '/dev/null', blockSize: 1024, offset: 512 } },
      }),
    512,
    1024,
  )
})

addressing.run()
