// `share` of a partition: it takes no more frames than that, whatever it does, and so leaves the others theirs.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Partition } from 'dcache'
import { assertSound, refusal, withCache } from '../support/open.js'

const shares = suite('share')

const touch = async (partition: Partition, block: number) =>
  (await partition.acquire(block, 'read')).release()

for (const policy of ['lru2', '2q'] as const) {
  const options = {
    policy,
    cached: 100,
    partitions: { scanned: { blocks: 400, share: 0.2 }, used: { blocks: 100 } },
  }

  shares(`${policy}: a scan of one partition evicts no block of another`, () =>
    withCache(options, async ({ cache }) => {
      const [scanned, used] = [cache.partition('scanned'), cache.partition('used')]
      for (let round = 0; round < 2; round++)
        for (let block = 0; block < 80; block++) await touch(used, block)
      const before = cache.stats().partitions['used']!
      for (let block = 0; block < 400; block++) await touch(scanned, block)
      await scanned.read(new Uint8Array(400 * 512), 0)
      for (let block = 0; block < 80; block++) await touch(used, block)
      const { partitions } = cache.stats()
      assert.is(partitions['used']!.misses, before.misses)
      assert.is(partitions['used']!.cached, 80)
      assert.is(partitions['scanned']!.cached, 20)
      assertSound(cache)
    }),
  )

  shares(`${policy}: blocks of it that are used again stay longer than those of a scan`, () =>
    withCache(options, async ({ cache }) => {
      const scanned = cache.partition('scanned')
      const misses = () => cache.stats().partitions['scanned']!.misses
      // 4 of its 20 frames are for blocks that come back before as many others as it has frames.
      for (let block = 10; block < 390; block++) {
        await touch(scanned, block)
        for (let hot = 0; hot < 4; hot++) if (block % 4 === hot) await touch(scanned, hot)
      }
      const before = misses()
      for (let hot = 0; hot < 4; hot++) await touch(scanned, hot)
      assert.ok(misses() - before <= 1, `${misses() - before} of 4 hot blocks were evicted`)
    }),
  )
}

shares('changes wait for write-back when all its frames are dirty, and then go on', () =>
  withCache(
    {
      cached: 100,
      dirtyLimit: 1,
      flushDelayMs: 1e9,
      partitions: { data: { blocks: 100, share: 0.08 }, other: {} },
    },
    async ({ cache, data, onDisk }) => {
      for (let block = 0; block < 60; block++)
        await data.write(new Uint8Array(512).fill(block + 1), block * 512)
      const { cached, dirty } = cache.stats().partitions['data']!
      assert.ok(cached <= 8 && dirty <= 8, `${cached} cached, ${dirty} dirty`)
      await cache.flush()
      for (let block = 0; block < 60; block++) assert.is(onDisk(block)[511], block + 1)
      assertSound(cache)
    },
  ),
)

shares('a call that needs one more than its share says so after its deadline', () =>
  withCache({ cached: 100, partitions: { data: { share: 0.1 }, other: {} } }, async ({ cache, data }) => {
    const guards = await Promise.all(Array.from({ length: 10 }, (_, block) => data.acquire(block, 'read')))
    await refusal(
      'ERR_DCACHE_EXHAUSTED',
      () => data.acquire(20, 'read', { timeoutMs: 20 }),
      "all 10 that 'data'",
    )
    await touch(cache.partition('other'), 0)
    for (const guard of guards) guard.release()
    await touch(data, 20)
    assertSound(cache)
  }),
)

shares('a number that goes to another partition leaves it none of the frames of the former', () =>
  withCache({ cached: 40, maxPartitions: 2 }, async ({ cache, paths }) => {
    for (let i = 0; i < 4; i++) {
      const path = `${paths['data']!}.${i}`
      const next = await cache.addPartition('next', { path, blockSize: 512, size: 512 * 100, share: 0.25 })
      await next.read(new Uint8Array(512 * 100), 0)
      assert.is(cache.stats().partitions['next']!.cached, 10)
      await cache.dropPartition('next')
      assertSound(cache)
    }
  }),
)

shares.run()
