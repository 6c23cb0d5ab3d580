// `configure`: settings change while all threads go on, and the pool grows up to `memoryMax`.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openCache, type LiveOptions } from 'dcache'
import { assertSound, inThread, refusalNow, until, withCache } from '../support/open.js'
import { memoryFor } from '../support/memory-size.js'
import { writeBlocks } from '../support/open.js'
import { tempFolder } from '../support/temp.js'

const live = suite('settings')

const change = (byte: number) => new Uint8Array(512).fill(byte)

live('a larger dirty limit lets a change go on that waits, and a smaller one holds up the next', () =>
  withCache(
    { cached: 40, dirtyLimit: 0.1, flushDelayMs: 1e9, partitions: { data: {} } },
    async ({ cache, data }) => {
      // A held block is dirty until its round, which cannot end: so the limit stays reached.
      const held = await data.acquire(0, 'modify')
      held.markDirty()
      for (let block = 1; block < 4; block++) await data.write(change(1), block * 512)
      cache.configure({ dirtyLimit: 1 })
      for (let block = 4; block < 40; block++) await data.write(change(2), block * 512)
      assert.ok(cache.stats().dirty > 4, `${cache.stats().dirty} dirty`)
      held.release()
      await cache.flush()
      cache.configure({ dirtyLimit: 0.1 })
      for (let block = 0; block < 40; block++) await data.write(change(3), block * 512)
      assert.ok(cache.stats().dirty <= 4, `${cache.stats().dirty} dirty`)
      assertSound(cache)
    },
  ),
)

live('blocks that are dirty already follow a new flush delay', () =>
  withCache({ cached: 40, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await data.write(change(7), 0)
    await until('the release', () => cache.stats().dirty === 1)
    cache.configure({ flushDelayMs: 1 })
    await until('the round', () => cache.stats().dirty === 0)
    assert.is(onDisk(0)[0], 7)
  }),
)

live('background writing follows its mark, and its limit can be lifted', () =>
  withCache(
    { cached: 100, flushDelayMs: 1e9, writeBytesPerSecond: 1, dirtyBackground: 1 },
    async ({ cache, data }) => {
      for (let block = 0; block < 40; block++) await data.write(change(7), block * 512)
      await until('the releases', () => cache.stats().dirty === 40)
      cache.configure({ dirtyBackground: 0.01 })
      await until('the first part', () => cache.stats().rounds > 0 || cache.stats().dirty < 40)
      const { dirty } = cache.stats()
      assert.ok(dirty > 1, `${dirty} blocks of 512 bytes are left at 1 byte per second`)
      cache.configure({ writeBytesPerSecond: Infinity })
      await until('the rest', () => cache.stats().dirty <= 1)
      assertSound(cache)
    },
  ),
)

live('read-ahead is turned on and off, in threads that have read before', () =>
  withCache({ cached: 800, readAheadBytes: 0, partitions: { data: { blocks: 600 } } }, async ({ cache }) => {
    const scan = (first: number) =>
      inThread(cache.handle, first, ({ client, args }) => {
        const data = client.partition('data')
        for (let block = args; block < args + 200; block++) data.acquireSync(block, 'read').release()
      })
    await scan(0)
    assert.is(cache.stats().prefetch.loaded, 0)
    cache.configure({ readAheadBytes: '1MiB' })
    await scan(200)
    assert.ok(cache.stats().prefetch.loaded > 0)
    const { loaded } = cache.stats().prefetch
    cache.configure({ readAheadBytes: 0 })
    await scan(400)
    assert.ok(cache.stats().prefetch.loaded - loaded <= 20, 'windows that were asked for before')
  }),
)

live('a bad value is refused, and nothing is changed', () =>
  withCache({ cached: 40, dirtyLimit: 1, flushDelayMs: 1e9 }, async ({ cache, data }) => {
    const bad: [LiveOptions, string][] = [
      [{ dirtyLimit: 0 }, 'dirtyLimit is 0'],
      [{ dirtyLimit: 0.5, flushDelayMs: -1 }, 'flushDelayMs is -1'],
      [{ writeBytesPerSecond: 0 }, 'Infinity is no limit'],
      [{ readAheadBytes: 'much' }, "'much'"],
      [{ dirtyLimit: 0.1, threads: 5 } as LiveOptions, 'threads cannot be changed'],
      [5 as LiveOptions, 'the settings are 5'],
      [{ memory: '1TiB' }, 'memoryMax'],
      [{ memory: 512 }, 'cannot become less'],
    ]
    for (const [settings, text] of bad)
      refusalNow('ERR_DCACHE_BAD_OPTION', () => cache.configure(settings), text)
    for (let block = 0; block < 30; block++) await data.write(change(1), block * 512)
    await until('the releases', () => cache.stats().dirty === 30)
    cache.configure({})
    cache.configure({ dirtyLimit: undefined } as unknown as LiveOptions)
    assert.is(cache.stats().dirty, 30)
  }),
)

live('what it keeps are the options at the time of the call of openCache', async () => {
  using folder = tempFolder()
  const path = `${folder.path}/data`
  writeBlocks(path, 64)
  const options = { memory: 2 ** 16, memoryMax: 2 ** 20, partitions: { data: { path, blockSize: 512 } } }
  const opening = openCache(options)
  options.memory *= 4
  const cache = await opening
  const { size } = cache.stats()
  cache.configure({ readAheadBytes: 0 })
  assert.is(cache.stats().size, size)
  await cache.close()
})

live.run()

const memory = suite('memory')

for (const policy of ['lru2', 'adaptive'] as const) {
  memory(`${policy}: the pool grows while threads use it`, () =>
    withCache(
      {
        policy,
        memory: memoryFor(100, [{ blockSize: 512 }]),
        memoryMax: memoryFor(100, [{ blockSize: 512 }]) + 300 * 512,
        partitions: { data: { blocks: 400 }, part: { share: 0.5 } },
        flushDelayMs: 1,
      },
      async ({ cache }) => {
        const work = [1, 2].map((seed) =>
          inThread(cache.handle, seed, ({ client, args }) => {
            const data = client.partition('data')
            for (let i = 0; i < 20_000; i++) {
              const block = (i * (7 + args) + args * 13) % 400
              const guard = data.acquireSync(block, i % 5 === 0 ? 'modify' : 'read')
              const number = new DataView(
                guard.bytes.buffer,
                guard.bytes.byteOffset + guard.offset,
              ).getUint32(0)
              if (number !== block) throw new Error(`block ${block} has the contents of ${number}`)
              if (i % 5 === 0) guard.markDirty()
              guard.release()
            }
          }),
        )
        for (const frames of [101, 180, 400]) {
          cache.configure({ memory: memoryFor(100, [{ blockSize: 512 }]) + (frames - 100) * 512 })
          assert.is(cache.stats().size, frames)
          assert.equal(cache.check(), [])
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
        await Promise.all(work)
        await cache.flush()
        const part = cache.partition('part')
        // With `adaptive` new blocks get a few frames at first, and more when they come back.
        for (let pass = 0; pass < 4; pass++)
          for (let block = 0; block < 64; block++) (await part.acquire(block, 'read')).release()
        assert.is(cache.stats().partitions['part']!.cached, 64, 'half of 400 frames')
        const before = cache.stats().misses
        // All fits by now.
        for (let i = 0; i < 3; i++)
          for (let block = 0; block < 300; block++)
            (await cache.partition('data').acquire(block, 'read')).release()
        assert.ok(cache.stats().misses - before < 400)
        assertSound(cache)
      },
    ),
  )
}

memory('what memoryMax reserves takes no memory until it is used', async () => {
  using folder = tempFolder()
  const path = `${folder.path}/data`
  writeBlocks(path, 64, 512, 0)
  const before = process.memoryUsage.rss()
  const cache = await openCache({
    memory: '1MiB',
    memoryMax: '1GiB',
    partitions: { data: { path, blockSize: 8192 } },
  })
  const taken = process.memoryUsage.rss() - before
  assert.ok(taken < 2 ** 28, `${Math.round(taken / 2 ** 20)} MiB`)
  assert.ok(cache.stats().size < 128)
  cache.configure({ memory: '512MiB' })
  assert.ok(cache.stats().size > 60_000)
  assert.equal(cache.check(), [])
  await cache.close()
})

memory.run()
