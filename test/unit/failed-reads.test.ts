// A read of the disk that fails leaves nothing in the cache and is reported to all callers that waited for it. In the
// ancestor it left a block of size 0, which the next lookup counted as a hit.

import { truncateSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  assertSound,
  blockBytes,
  copyOf,
  inThread,
  refusal,
  withCache,
  writeBlocks,
} from '../support/open.js'

const failing = suite('a read that fails')

failing('leaves nothing cached: the next lookup is a miss, and succeeds when the file is repaired', () =>
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
    // Other blocks are still available, in all frames.
    const guards = await Promise.all([0, 1, 2, 3].map((block) => data.acquire(block, 'read')))
    for (const guard of guards) guard.release()
    writeBlocks(paths['data']!, 64)
    using guard = await data.acquire(5, 'read')
    assert.equal(copyOf(guard.data), blockBytes(5))
    assert.is(cache.stats().misses, 5)
  }),
)

failing('is reported to every caller that waited for it', () =>
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

failing('does not keep the block from being overwritten, which needs no read', () =>
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
