// `share` of a partition: it takes no more frames than that, whatever it does, and so leaves the others theirs.

import { InlineEngine } from '../support/inline-engine.js' // first: it must be loaded before the engine
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Partition } from 'dcache'
import { MemoryDevice } from '../support/memory-device.js'
import { assertSound, refusal, refusalNow, withCache } from '../support/open.js'

const shares = suite('share')

const touch = async (partition: Partition, block: number) =>
  (await partition.acquire(block, 'read')).release()

for (const policy of ['lru2', 'adaptive'] as const) {
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

shares(
  'a partition whose writes fail can still be read, and changed up to the dirty limit of its share',
  () => {
    const [device, other] = [new MemoryDevice(100 * 512), new MemoryDevice(100 * 512)]
    const engine = new InlineEngine({
      blocks: 100,
      dirtyLimit: 0.5,
      partitions: {
        a: { device, blockSize: 512, share: 0.2 },
        b: { device: other, blockSize: 512, group: 'b' },
      },
    })
    const [a, b] = [engine.client.partition('a'), engine.client.partition('b')]
    device.before = ({ kind }) => {
      if (kind === 'write') throw Object.assign(new Error('EFBIG'), { errno: -27, syscall: 'pwrite' })
    }
    refusalNow('ERR_DCACHE_FENCED', () => {
      for (let block = 0; block < 100; block++)
        a.writeSync(new Uint8Array(512).fill(1), block * 512, undefined, { timeoutMs: 5000 })
    })
    const { dirty } = engine.client.stats().partitions['a']!
    assert.is(dirty, 10, 'half of 20 frames')
    for (let block = 0; block < 100; block++) a.acquireSync(block, 'read', { timeoutMs: 1000 }).release()
    b.writeSync(new Uint8Array(512).fill(1), 0)
    engine.client.flushSync({ partition: 'b' })
  },
)

shares('a full partition starts no rounds of other groups, and none without dirty blocks', () => {
  const [device, other] = [new MemoryDevice(100 * 512), new MemoryDevice(100 * 512)]
  const engine = new InlineEngine({
    blocks: 100,
    partitions: {
      a: { device, blockSize: 512, share: 0.08 },
      b: { device: other, blockSize: 512, group: 'b' },
    },
  })
  const [a, b] = [engine.client.partition('a'), engine.client.partition('b')]
  b.writeSync(new Uint8Array(512).fill(1), 0)
  const guards = Array.from({ length: 8 }, (_, block) => a.acquireSync(block, 'read'))
  // The flusher has nothing to do for it.
  assert.throws(() => a.acquireSync(9, 'read'), /no worker makes progress/)
  engine.settle()
  for (const guard of guards) guard.release()
  const { rounds, dirty } = engine.client.stats()
  assert.equal([rounds, dirty], [0, 1])
  assert.equal(engine.checkQuiet(), [])
})

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
