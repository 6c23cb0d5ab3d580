// What the ancestor's bumpdblock, its heap and emptydcache do, and where dcache has it: the free list, the best victim,
// LRU-2, evictClean. Each suite is a row of the table.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accessPattern, AncestorLru2 } from '../support/ancestor-lru2.js'
import { blockBytes, copyOf, withCache } from '../support/open.js'

const frames = suite('bumpdblock: the free list first, then the best victim')

frames('nothing is evicted while frames are free', () =>
  withCache({ policy: 'lru2', cached: 20 }, async ({ cache, data }) => {
    for (let block = 0; block < 20; block++) {
      assert.is(cache.stats().blocks.free, 20 - block)
      ;(await data.acquire(block, 'read')).release()
    }
    assert.is(cache.stats().evictions, 0)
    ;(await data.acquire(20, 'read')).release()
    assert.is(cache.stats().evictions, 1)
  }),
)

frames('what was freed is used first', () =>
  withCache({ policy: 'lru2', cached: 20 }, async ({ cache, data }) => {
    for (let block = 0; block < 20; block++) (await data.acquire(block, 'read')).release()
    assert.is(cache.evictClean(), 20)
    for (let block = 20; block < 40; block++) (await data.acquire(block, 'read')).release()
    assert.is(cache.stats().evictions, 0)
  }),
)

frames('the victim is clean and not pinned, whatever its age', () =>
  withCache({ policy: 'lru2', cached: 4, dirtyLimit: 1, flushDelayMs: 1e9 }, async ({ cache, data }) => {
    await data.write(new Uint8Array(512).fill(3), 0)
    const held = await data.acquire(1, 'read')
    for (const block of [2, 3, 3, 3, 3]) (await data.acquire(block, 'read')).release()
    // 0 and 1 are the oldest; 2 is the oldest that may go.
    ;(await data.acquire(9, 'read')).release()
    const isCached = (block: number) => {
      const guard = data.tryAcquire(block, 'read')
      guard?.release()
      return guard !== undefined
    }
    assert.equal([0, 1, 2, 3, 9].filter(isCached), [0, 1, 3, 9])
    held.release()
    await cache.flush()
  }),
)

frames.run()

const lru2 = suite('heap by used2: LRU-2')

for (const [cached, blocks] of [
  [4, 16],
  [30, 100],
  [200, 600],
] as const) {
  lru2(`the same hits as the ancestor: ${cached} of ${blocks} blocks`, () =>
    withCache(
      { policy: 'lru2', readAheadBytes: 0, cached, partitions: { data: { blocks } } },
      async ({ cache, data }) => {
        const reference = new AncestorLru2(cached)
        for (const [i, block] of accessPattern(5000, blocks).entries()) {
          const before = cache.stats().hits
          using guard = await data.acquire(block, 'read')
          assert.is(guard.data[3], block & 255)
          const isHit = cache.stats().hits > before
          assert.is(isHit, reference.access(block), `access ${i}, block ${block}`)
        }
        assert.is(cache.stats().hits, reference.hits)
      },
    ),
  )
}

lru2('a scan of new blocks does not drive out what is used again and again', () =>
  withCache({ policy: 'lru2', cached: 20, partitions: { data: { blocks: 2000 } } }, async ({ data }) => {
    let hits = 0
    for (let round = 0; round < 20; round++) {
      for (let block = 0; block < 5; block++) {
        const guard = data.tryAcquire(block, 'read') ?? (hits--, await data.acquire(block, 'read'))
        hits++
        guard.release()
      }
      for (let i = 0; i < 15; i++) (await data.acquire(100 + round * 15 + i, 'read')).release()
    }
    assert.ok(hits >= 80, `${hits} of 100`)
  }),
)

lru2.run()

const empty = suite('emptydcache: evictClean')

empty('forgets all that is clean and not held, says how many, and leaves the rest', () =>
  withCache({ policy: 'lru2', cached: 16, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    const held = await data.acquire(0, 'read')
    const alone = await data.acquire(1, 'modify')
    await data.write(new Uint8Array(512).fill(66), 2 * 512)
    for (let block = 3; block < 10; block++) (await data.acquire(block, 'read')).release()
    assert.is(cache.evictClean(), 7)
    assert.equal(cache.check(), [])
    assert.is(cache.stats().blocks.free, 13)
    assert.equal(copyOf(held.data), blockBytes(0))
    assert.equal(copyOf(alone.data), blockBytes(1))
    held.release()
    alone.release()
    assert.is(cache.evictClean(), 2)
    const dirty = data.tryAcquire(2, 'read')!
    assert.is(dirty.data[0], 66)
    dirty.release()
    await cache.flush()
    assert.is(cache.evictClean(), 1)
    assert.is(cache.stats().blocks.free, 16)
    assert.is(onDisk(2)[0], 66)
  }),
)

empty('what was changed behind the cache is seen afterwards', () =>
  withCache({}, async ({ cache, data, paths }) => {
    ;(await data.acquire(3, 'read')).release()
    const { openSync, writeSync, closeSync } = await import('node:fs')
    const fd = openSync(paths['data']!, 'r+')
    writeSync(fd, new Uint8Array(512).fill(123), 0, 512, 3 * 512)
    closeSync(fd)
    {
      using guard = await data.acquire(3, 'read')
      assert.equal(copyOf(guard.data), blockBytes(3))
    }
    cache.evictClean()
    using guard = await data.acquire(3, 'read')
    assert.equal(copyOf(guard.data), new Uint8Array(512).fill(123))
  }),
)

empty.run()
