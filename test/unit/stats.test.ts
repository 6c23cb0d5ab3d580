// `stats`: the counters that the ancestor has, by dcache's names. Each counts what its name says, summed over all threads.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { BlockCache, CacheStats } from 'dcache'
import { inThread, until, withCache } from '../support/open.js'
import { tempFolder } from '../support/temp.js'

const counters = suite('counters')

/** The ancestor's name of each counter, and dcache's. */
const NAMES = {
  lookup: 'lookups',
  hit: 'hits',
  miss: 'misses',
  read: 'reads',
  write: 'writes',
  size: 'size',
  dirty: 'dirty',
  flush: 'flushes',
  stall: 'stalls',
  'lookup time': 'lookupTimeMs',
  'block stall': 'blockStalls',
  'partition reads': 'diskReads',
  'partition read bytes': 'diskReadBytes',
  'partition writes': 'diskWrites',
  'partition write bytes': 'diskWriteBytes',
} as const satisfies Record<string, keyof CacheStats>

counters('all exist and begin at 0', () =>
  withCache({ cached: 10 }, ({ cache }) => {
    const stats = cache.stats()
    for (const name of Object.values(NAMES)) assert.is(stats[name], name === 'size' ? 10 : 0, name)
  }),
)

counters('each counts what its name says', () =>
  withCache({ cached: 4, flushDelayMs: 1e9, dirtyLimit: 1 }, async ({ cache, data }) => {
    for (let block = 0; block < 3; block++) (await data.acquire(block, 'read')).release()
    for (let i = 0; i < 5; i++) (await data.acquire(0, 'read')).release()
    await data.write(new Uint8Array(512), 0)
    await data.write(new Uint8Array(10), 512)
    // The owner leaves a release to the thread that holds the mutex, if there is one.
    await until('the releases', () => cache.stats().dirty === 2)
    const before = cache.stats()
    assert.equal(
      [before.lookups, before.hits, before.misses, before.diskReads, before.diskReadBytes],
      [10, 7, 3, 3, 1536],
    )
    // Reads are acquisitions that need the contents, writes those that may change them: a modify is both.
    assert.equal([before.reads, before.writes, before.dirty], [9, 2, 2])
    assert.ok(before.lookupTimeMs > 0)
    await cache.flush()
    const after = cache.stats()
    assert.equal([after.flushes, after.diskWrites, after.diskWriteBytes, after.dirty], [1, 2, 1024, 0])
    assert.equal([after.rounds, after.failedRounds], [1, 0])

    const holder = await data.acquire(0, 'modify')
    const late = data.acquire(0, 'read')
    await until('the wait', () => cache.holders().some(({ what }) => what === 'waits'))
    holder.release()
    ;(await late).release()
    assert.is(cache.stats().blockStalls, 1)
    assert.ok(cache.stats().waits.timeMs > 0)
    const guards = await Promise.all([0, 1, 2, 3].map((block) => data.acquire(block, 'read')))
    const stalled = data.acquire(9, 'read')
    await until('the stall', () => cache.stats().stalls === 1)
    for (const guard of guards) guard.release()
    ;(await stalled).release()
  }),
)

counters('they are sums over all threads, including those that have ended', () =>
  withCache({ cached: 10 }, async ({ cache, data }) => {
    for (let i = 0; i < 3; i++) {
      await inThread(cache.handle, 0, ({ client }) => {
        for (let i = 0; i < 100; i++)
          client
            .partition('data')
            .acquireSync(i % 5, 'read')
            .release()
      })
    }
    for (let i = 0; i < 100; i++) (await data.acquire(i % 5, 'read')).release()
    const { lookups, hits, misses, reads } = cache.stats()
    assert.equal([lookups, hits, misses, reads], [400, 395, 5, 400])
  }),
)

counters.run()

const ofPartitions = suite('counters of partitions')

ofPartitions('each partition has its own, and their sums are those of the cache', () =>
  withCache(
    { cached: 8, partitions: { a: {}, b: { blockSize: 1024 } }, flushDelayMs: 1e9, dirtyLimit: 1 },
    async ({ cache }) => {
      const [a, b] = [cache.partition('a'), cache.partition('b')]
      for (let block = 0; block < 3; block++) (await a.acquire(block, 'read')).release()
      await b.write(new Uint8Array(1024), 0)
      await until('the release', () => cache.stats().dirty === 1)
      ;(await b.acquire(0, 'read')).release()
      await b.read(new Uint8Array(10), 5)
      const { partitions } = cache.stats()
      assert.equal(
        Object.entries(partitions).map(([name, of]) => [name, of.hits, of.misses, of.reads, of.writes]),
        [
          ['a', 0, 3, 3, 0],
          ['b', 2, 1, 2, 1],
        ],
      )
      assert.equal(
        Object.values(partitions).map((of) => [of.cached, of.dirty, of.isFenced, of.blocks, of.blockSize]),
        [
          [3, 0, false, 64, 512],
          [1, 1, false, 64, 1024],
        ],
      )
      await cache.flush()
      const after = cache.stats()
      const { a: ofA, b: ofB } = after.partitions
      assert.equal([ofA!.diskReads, ofA!.diskReadBytes, ofA!.fsyncs], [3, 1536, 0])
      assert.equal([ofB!.dirty, ofB!.diskWrites, ofB!.diskWriteBytes, ofB!.fsyncs], [0, 1, 1024, 1])
      assert.is(ofB!.fsync.count, 1)
      assert.is(ofB!.fsync.buckets.length, 1)
      assert.ok(ofB!.fsync.buckets[0]!.upToMs === ofB!.fsync.maxMs)
      assert.ok(ofA!.read.count >= 3)
      for (const name of ['hits', 'misses', 'reads', 'writes', 'diskReads', 'diskWriteBytes'] as const)
        assert.is(ofA![name] + ofB![name], after[name], name)
    },
  ),
)

ofPartitions('a partition that gets the number of another begins at 0, and the cache keeps the sums', () =>
  withCache({ cached: 8, maxPartitions: 2, flushDelayMs: 1e9 }, async ({ cache, paths }) => {
    const path = `${paths['data']!}.next`
    for (let i = 0; i < 3; i++) {
      const next = await cache.addPartition('next', { path, blockSize: 512, size: 512 * 4 })
      await next.write(new Uint8Array(512), 0)
      ;(await next.acquire(1, 'read')).release()
      await cache.flush()
      const { next: own } = cache.stats().partitions
      assert.equal(
        [own!.hits, own!.misses, own!.writes, own!.diskReads, own!.diskWrites, own!.fsyncs],
        [0, 2, 1, 1, 1, 1],
      )
      await cache.dropPartition('next')
    }
    const { misses, writes, diskWrites, partitions } = cache.stats()
    assert.equal([misses, writes, diskWrites, Object.keys(partitions)], [6, 3, 3, ['data']])
  }),
)

ofPartitions('reads of partitions that alternate are measured for both', () =>
  withCache({ cached: 8, partitions: { a: { blocks: 400 }, b: { blocks: 400 } } }, async ({ cache }) => {
    await inThread(cache.handle, 0, ({ client }) => {
      for (let block = 0; block < 320; block++)
        for (const name of ['a', 'b'])
          client
            .partition(name)
            .acquireSync((block * 7) % 400, 'read')
            .release()
    })
    const { a, b } = cache.stats().partitions
    for (const of of [a!, b!])
      assert.ok(Math.abs(of.read.count - of.misses) <= 16, `${of.read.count} of ${of.misses}`)
  }),
)

ofPartitions.run()

const ofGroups = suite('counters of groups')

ofGroups('each group has its own, and their sums are those of the cache', () =>
  withCache(
    {
      cached: 16,
      partitions: { a: { group: 'one' }, b: { group: 'two' } },
      flushDelayMs: 1e9,
      dirtyLimit: 0.5,
    },
    async ({ cache }) => {
      for (const block of [0, 1]) await cache.partition('a').write(new Uint8Array(512), 512 * block)
      await cache.partition('b').write(new Uint8Array(512), 0)
      await until('the releases', () => cache.stats().dirty === 3)
      await cache.flush({ group: 'one' })
      const { groups, partitions, dirty, rounds, failedRounds, spares } = cache.stats()
      assert.equal(Object.keys(groups), ['one', 'two'])
      const [one, two] = [groups['one']!, groups['two']!]
      assert.equal([one.dirty, one.dirtyLimit, one.rounds, one.failedRounds], [0, 4, 1, 0])
      assert.equal([two.dirty, two.dirtyLimit, two.rounds, two.failedRounds], [1, 4, 0, 0])
      assert.equal([one.journal, two.journal], [undefined, undefined])
      assert.equal([dirty, rounds, failedRounds], [1, 1, 0])
      assert.is(one.spares.free + two.spares.free, spares.free)
      assert.is(one.spares.total + two.spares.total, spares.total)
      assert.equal([partitions['a']!.group, partitions['b']!.group], ['one', 'two'])
    },
  ),
)

ofGroups('a journal tells its newest record, and how full its half is', async () => {
  using folder = tempFolder()
  const journal = { path: folder.path + '/journal', size: '1MiB' }
  await withCache({ groups: { '': { journal } }, flushDelayMs: 1e9 }, async ({ cache, data }) => {
    const before = cache.stats().groups['']!.journal!
    assert.ok(before.halfBytes > 0 && before.halfBytes <= 2 ** 19, String(before.halfBytes))
    for (let i = 1; i <= 3; i++) {
      await data.write(new Uint8Array(512).fill(i), 0)
      await cache.flush()
      const after = cache.stats().groups['']!.journal!
      assert.is(after.records, before.records + i)
      assert.ok(after.usedBytes >= 512 * i && after.usedBytes <= after.halfBytes, String(after.usedBytes))
      assert.is(after.writtenBytes - before.writtenBytes, after.usedBytes - before.usedBytes)
      assert.is(after.fsync.count, i)
    }
  })
})

ofGroups.run()

const ofState = suite('the state')

ofState('is told while the cache is open, and after its end', async () => {
  let last: BlockCache | undefined
  await withCache({ memory: '1MiB', memoryMax: '2MiB' }, ({ cache }) => {
    last = cache
    const before = cache.stats()
    assert.is(before.state, 'open')
    assert.ok(before.memoryBytes > 2 ** 20)
    cache.configure({ memory: '2MiB' })
    assert.ok(cache.stats().memoryBytes - before.memoryBytes > 0.9 * 2 ** 20)
  })
  assert.is(last!.stats().state, 'closed')
})

ofState('waits of changes have a histogram', () =>
  withCache({ cached: 4 }, async ({ cache, data }) => {
    const holder = await data.acquire(0, 'read')
    const late = data.acquire(0, 'modify')
    await until('the wait', () => cache.holders().some(({ what }) => what === 'waits'))
    holder.release()
    ;(await late).release()
    const { count, buckets, maxMs } = cache.stats().writerStalls
    assert.is(count, 1)
    assert.equal(buckets, [{ upToMs: maxMs, count: 1 }])
  }),
)

ofState.run()
