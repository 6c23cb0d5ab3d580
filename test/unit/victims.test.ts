// Which frame a miss takes: a free one first, then that of the best victim by LRU-2. The file follows the ancestor's
// `bumpdblock` and its heap.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accessPattern, AncestorLru2 } from '../support/ancestor-lru2.js'
import { settled, withCache } from '../support/open.js'
import { sample } from '../support/size.js'

const frames = suite('the frame of a miss: the free list first, then the best victim')

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

frames('freed frames are used before any block is evicted', () =>
  withCache({ policy: 'lru2', cached: 20 }, async ({ cache, data }) => {
    for (let block = 0; block < 20; block++) (await data.acquire(block, 'read')).release()
    assert.is(cache.evictClean(), 20)
    for (let block = 20; block < 40; block++) (await data.acquire(block, 'read')).release()
    assert.is(cache.stats().evictions, 0)
  }),
)

frames('the victim is the oldest block that is clean and not pinned', () =>
  withCache({ policy: 'lru2', cached: 4, dirtyLimit: 1, flushDelayMs: 1e9 }, async ({ cache, data }) => {
    await data.write(new Uint8Array(512).fill(3), 0)
    await settled(cache)
    const held = await data.acquire(1, 'read')
    for (const block of [2, 3, 3, 3, 3]) (await data.acquire(block, 'read')).release()
    // 0 and 1 are the oldest; 2 is the oldest that may be evicted.
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

const lru2 = suite('LRU-2: the second-to-last use decides')

const POOLS = [
  [4, 16],
  [30, 100],
  [200, 600],
] as const

for (const [cached, blocks] of sample(POOLS, 2)) {
  lru2(`hits are those of the ancestor with ${cached} of ${blocks} blocks cached`, () =>
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

lru2('a scan of new blocks does not evict blocks in steady use', () =>
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
