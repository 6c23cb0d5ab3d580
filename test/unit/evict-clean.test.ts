// Defects 6, 8, 10 and 14 of the ancestor: emptying during a flush, or twice, broke its free list; an idle clean cache ran
// rounds for ever; with all blocks held a get waited for ever; its checker passed in no state.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Partition } from 'dcache'
import { assertSound, blockBytes, copyOf, inThread, refusal, until, withCache } from '../support/open.js'

const fill = (partition: Partition, block: number, byte: number) =>
  partition.write(new Uint8Array(512).fill(byte), block * 512)

const emptying = suite('defect 6: emptying during a flush, and twice')

emptying('twice in a row', () =>
  withCache({ cached: 8 }, async ({ cache, data }) => {
    for (let block = 0; block < 8; block++) (await data.acquire(block, 'read')).release()
    assert.equal([cache.evictClean(), cache.evictClean(), cache.evictClean()], [8, 0, 0])
    assertSound(cache)
    assert.is(cache.stats().blocks.free, 8)
    // A cycle in the free list would give one frame to two blocks.
    const guards = await Promise.all(Array.from({ length: 8 }, (_, block) => data.acquire(block + 8, 'read')))
    guards.forEach((guard, i) => assert.equal(copyOf(guard.data), blockBytes(i + 8)))
    assert.is(new Set(guards.map(({ offset }) => offset)).size, 8)
    for (const guard of guards) guard.release()
  }),
)

emptying('at any moment of a flush', () =>
  withCache({ cached: 40, dirtyLimit: 1, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    let evicted = 0
    for (let round = 1; round <= 30; round++) {
      for (let block = 0; block < 30; block++) await fill(data, block, round)
      let isFlushed = false
      const flushed = cache.flush().then(() => (isFlushed = true))
      while (!isFlushed) {
        evicted += cache.evictClean()
        await new Promise(setImmediate)
      }
      await flushed
      evicted += cache.evictClean()
      assertSound(cache)
      assert.is(cache.stats().blocks.free, 40)
      for (let block = 0; block < 30; block++) assert.is(onDisk(block)[99], round)
    }
    assert.is(evicted, 900)
  }),
)

emptying('beside threads that read and write', () =>
  withCache({ cached: 20, flushDelayMs: 1 }, async ({ cache }) => {
    let isOver = false
    const load = Promise.all(
      [1, 2].map((seed) =>
        inThread(cache.handle, seed, ({ client, args }) => {
          const partition = client.partition('data')
          for (let i = 0; i < 4000; i++) {
            const block = (i * 7 + args * 13) % 40
            const guard = partition.acquireSync(block, i % 3 === 0 ? 'modify' : 'read')
            if (
              new DataView(guard.bytes.buffer, guard.bytes.byteOffset + guard.offset).getUint32(0) !== block
            )
              throw new Error(`block ${block} has another's contents`)
            if (i % 3 === 0) guard.markDirty()
            guard.release()
          }
        }),
      ),
    ).finally(() => (isOver = true))
    while (!isOver) {
      cache.evictClean()
      cache.evictClean()
      await new Promise(setImmediate)
    }
    await load
    await cache.flush()
    cache.evictClean()
    assert.is(cache.stats().blocks.free, 20)
  }),
)

emptying.run()

const idle = suite('defect 8: an idle clean cache runs no rounds')

idle('after its first dirty block was written', () =>
  withCache({ flushDelayMs: 10 }, async ({ cache, data }) => {
    for (let i = 0; i < 3; i++) {
      await fill(data, 0, i)
      // A block is clean before the round that wrote it is over.
      await until('its round', () => cache.stats().dirty === 0 && cache.stats().rounds > i)
      const { rounds } = cache.stats()
      await new Promise((resolve) => setTimeout(resolve, 200))
      assert.is(cache.stats().rounds, rounds, '20 delays later')
      assert.ok(rounds <= i + 1, `${rounds} rounds for ${i + 1} changes`)
    }
  }),
)

idle.run()

const held = suite('defect 10: all blocks held is an error, not a wait for ever')

held('it names what is missing, for the owner and for a thread', () =>
  withCache({ cached: 4 }, async ({ cache, data }) => {
    const guards = await Promise.all([0, 1, 2, 3].map((block) => data.acquire(block, 'read')))
    const error = await refusal('ERR_DCACHE_EXHAUSTED', () => data.acquire(9, 'read', { timeoutMs: 50 }))
    assert.match(error.message, /no frame became free: all 4 are held or dirty/)
    const late = await refusal('ERR_DCACHE_EXHAUSTED', () =>
      inThread(cache.handle, 0, ({ client }) => {
        client.partition('data').acquireSync(9, 'modify', { timeoutMs: 50 })
      }),
    )
    assert.match(late.message, /4 are held or dirty/)
    // One block too many is nobody's trouble but the caller's: those that are there can be had.
    ;(await data.acquire(2, 'read')).release()
    for (const guard of guards) guard.release()
  }),
)

held.run()

const checker = suite('defect 14: the checker passes in every sound state')

checker('empty, clean, dirty, held, after a flush, after emptying, after forgetting', () =>
  withCache(
    { cached: 12, flushDelayMs: 1e9, partitions: { data: {}, more: { blockSize: 1024 } } },
    async ({ cache, data }) => {
      const more = cache.partition('more')
      assert.equal(cache.check(), [], 'empty')
      for (let block = 0; block < 30; block++) (await data.acquire(block, 'read')).release()
      assert.equal(cache.check(), [], 'clean, after evictions')
      for (let block = 0; block < 6; block++) await fill(data, block, 1)
      assert.equal(cache.check(), [], 'dirty')
      // A search for victims takes dirty blocks out of the policy.
      for (let block = 0; block < 20; block++) (await more.acquire(block, 'read')).release()
      assert.equal(cache.check(), [], 'dirty, after evictions')
      {
        using guard = await data.acquire(0, 'modify')
        assert.equal(cache.check(), [], 'dirty, being changed')
        guard.markDirty('trailer')
      }
      assert.equal(cache.check(), [], 'dirty, of another class')
      await cache.flush()
      assert.equal(cache.check(), [], 'flushed')
      cache.evictClean()
      assert.equal(cache.check(), [], 'emptied')
      for (let block = 0; block < 6; block++) await fill(data, block, 2)
      data.forget(0, 64)
      assert.equal(cache.check(), [], 'forgotten while dirty')
      for (let block = 0; block < 20; block++) (await more.acquire(block, 'read')).release()
      data.forget(0, 64)
      more.forget(0, 64)
      assert.equal(cache.check(), [], 'forgotten while clean')
      cache.evictClean()
      assert.equal(cache.check(), [], 'emptied after that')
      assert.is(cache.stats().blocks.free, 12)
    },
  ),
)

checker.run()
