// dcache top: the model of two samples. Rates, latencies of the interval, what is unknown, counters that begin again, warnings.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CacheStats } from 'dcache'
import type { MonitorSample as Sample } from '#dist/monitor/protocol.js'
import { latencyBetween } from '#dist/cli/top-latency.js'
import { sampleOf } from '#dist/monitor/sample.js'
import { modelOf } from '#dist/cli/top-model.js'
import type { TopModel } from '#dist/cli/top-report.js'
import { sorted, SORT_KEYS } from '#dist/cli/top-tables.js'
import { group, latency, madeUp, partition, thread } from '../support/fake-monitor.js'
import { withCache } from '../support/open.js'

const BEFORE = madeUp({
  stats: {
    lookups: 1000, hits: 900, misses: 100, diskReads: 100, diskReadBytes: 409_600, evictions: 4, rounds: 2, flushes: 7,
    partitions: { data: partition({ hits: 900, misses: 100, diskReads: 100, diskReadBytes: 409_600, fsyncs: 3, fsync: latency([1, 3]) }) },
  },
}) // prettier-ignore

const AFTER = madeUp({
  timeMs: BEFORE.timeMs + 2000,
  stats: {
    lookups: 3000, hits: 2700, misses: 300, diskReads: 300, diskReadBytes: 1_228_800, evictions: 24, rounds: 3, flushes: 7,
    partitions: { data: partition({ hits: 2700, misses: 300, cached: 25, diskReads: 300, diskReadBytes: 1_228_800, fsyncs: 5, fsync: latency([1, 3], [2, 1], [8, 1]) }) },
  },
}) // prettier-ignore

/** The sample with other statistics. */
const withStats = (sample: Sample, stats: Partial<CacheStats>): Sample => ({
  ...sample,
  stats: { ...sample.stats, ...stats },
})

/** Fails if a number anywhere in it is NaN or infinite. */
function assertFinite(value: unknown, path = 'model'): void {
  if (typeof value === 'number') assert.ok(Number.isFinite(value), path)
  if (typeof value !== 'object' || value === null) return
  for (const [name, each] of Object.entries(value)) assertFinite(each, `${path}.${name}`)
}

test('rates and ratios are those of the interval', () => {
  const model = modelOf(AFTER, BEFORE)
  assert.is(model.intervalSeconds, 2)
  assert.is(model.perSecond.lookups, 1000)
  assert.is(model.hitRatio, 0.9)
  assert.is(model.perSecond.diskReadBytes, 409_600)
  assert.is(model.perSecond.evictions, 10)
  assert.is(model.perSecond.flushes, 0)
  assert.is(model.totals.lookups, 3000)
  const [data] = model.partitions
  assert.is(data!.lookupsPerSecond, 1000)
  assert.is(data!.hitRatio, 0.9)
  assert.is(data!.poolShare, 0.25)
  assert.is(data!.perSecond.fsyncs, 1)
  assert.equal(data!.fsync, { count: 2, perSecond: 1, p50Ms: 2, p99Ms: 8, maxMs: 8 })
  assert.equal(model.latency.fsync, data!.fsync)
  assert.equal(model.latency.read, { count: 0, perSecond: 0, p50Ms: null, p99Ms: null, maxMs: null })
  assertFinite(model)
})

test('one sample has totals and states, and no rates', () => {
  const model = modelOf(AFTER)
  assert.is(model.intervalSeconds, null)
  assert.is(model.hitRatio, null)
  assert.ok(Object.values(model.perSecond).every((rate) => rate === null))
  assert.is(model.partitions[0]!.lookupsPerSecond, null)
  assert.is(model.partitions[0]!.fsync.count, null)
  assert.is(model.latency.writerStalls.p50Ms, null)
  assert.is(model.groups[0]!.roundsPerSecond, null)
  assert.is(model.totals.lookups, 3000)
  assert.is(model.partitions[0]!.cached, 25)
})

test('no lookups have no hit ratio', () => {
  const model = modelOf({ ...BEFORE, timeMs: BEFORE.timeMs + 1000 }, BEFORE)
  assert.is(model.perSecond.lookups, 0)
  assert.is(model.hitRatio, null)
  assertFinite(model)
})

test('a program that was started anew has no rates, and nor has a clock that was set back', () => {
  const isUnknown = (model: TopModel) =>
    model.intervalSeconds === null &&
    Object.values(model.perSecond).every((rate) => rate === null) &&
    model.partitions.every(({ lookupsPerSecond }) => lookupsPerSecond === null)
  assert.ok(isUnknown(modelOf({ ...AFTER, pid: 4712 }, BEFORE)))
  assert.ok(isUnknown(modelOf(withStats(AFTER, { lookups: 5 }), BEFORE)))
  assert.ok(isUnknown(modelOf(AFTER, { ...BEFORE, timeMs: AFTER.timeMs })))
  assert.ok(isUnknown(modelOf(BEFORE, AFTER)))
})

test('one counter that has fallen is unknown, and the others are not', () => {
  const model = modelOf(withStats(AFTER, { evictions: 1 }), BEFORE)
  assert.is(model.perSecond.evictions, null)
  assert.is(model.perSecond.lookups, 1000)
})

test('a partition that was opened within the interval has counted from 0; a new one of the same name, too', () => {
  const opened = partition({ index: 1, hits: 40, misses: 10, fsync: latency([4, 2]) })
  const added = modelOf(withStats(AFTER, { partitions: { ...AFTER.stats.partitions, new: opened } }), BEFORE)
  assert.is(added.partitions[1]!.lookupsPerSecond, 25)
  assert.is(added.partitions[1]!.fsync.count, 2)
  const again = modelOf(withStats(AFTER, { partitions: { data: opened } }), BEFORE)
  assert.is(again.partitions[0]!.lookupsPerSecond, 25)
  // The record of the dropped one, used again: its counters have fallen.
  const same = modelOf(withStats(AFTER, { partitions: { data: { ...opened, index: 0 } } }), BEFORE)
  assert.is(same.partitions[0]!.lookupsPerSecond, null)
  assert.is(same.partitions[0]!.fsync.count, null)
})

test('latencies are differences of histograms, of several together', () => {
  const pair = { before: latency([1, 100], [2, 5]), now: latency([1, 150], [2, 5], [16, 50]) }
  assert.equal(latencyBetween([pair], 10), { count: 100, perSecond: 10, p50Ms: 1, p99Ms: 16, maxMs: 16 })
  assert.equal(latencyBetween([pair, { now: latency([0.5, 300]) }], 10), {
    count: 400,
    perSecond: 40,
    p50Ms: 0.5,
    p99Ms: 16,
    maxMs: 16,
  })
  const unknown = { count: null, perSecond: null, p50Ms: null, p99Ms: null, maxMs: null }
  assert.equal(latencyBetween([{ before: latency([1, 5]), now: latency([1, 4], [2, 9]) }], 1), unknown)
  assert.equal(latencyBetween([{ before: latency([1, 5]), now: latency([2, 9]) }], 1), unknown)
  assert.equal(latencyBetween([{ now: undefined }], 1), unknown)
  assert.is(latencyBetween([], 1).count, 0)
})

test('what a sample lacks is unknown', () => {
  const bare = {
    version: 1,
    timeMs: 1000,
    stats: { partitions: { data: {} }, groups: { '': {} } },
    threads: [{}],
  }
  const sample = (timeMs: number) => ({ ...bare, timeMs }) as unknown as Sample
  const model = modelOf(sample(2000), sample(1000))
  assertFinite(model)
  assert.is(model.name, '')
  assert.is(model.hitRatio, null)
  assert.is(model.memoryBytes, null)
  assert.is(model.partitions[0]!.cached, null)
  assert.is(model.partitions[0]!.isFenced, false)
  assert.is(model.partitions[0]!.fsync.count, null)
  assert.is(model.groups[0]!.journal, null)
  assert.equal(model.threads[0]!.waits, [])
  assert.equal(model.warnings, [])
})

test('the warnings say what to look at, the worst first', () => {
  const kindsOf = (sample: Sample, before?: Sample) =>
    modelOf(sample, before).warnings.map(({ kind }) => kind)
  assert.equal(kindsOf(AFTER, BEFORE), [])
  for (const [state, kind] of [['broken', 'broken'], ['orphaned', 'orphaned'], ['closing', 'closed']] as const)
    assert.equal(kindsOf(withStats(AFTER, { state })), [kind]) // prettier-ignore
  const journal = { records: 9, writtenBytes: 99, fsync: latency(), usedBytes: 99, halfBytes: 100 }
  const bad = withStats(AFTER, {
    failedRounds: 2,
    partitions: { a: partition({ isFenced: true }), b: partition({ index: 1, isFenced: true }) },
    groups: {
      full: group({ dirty: 50 }),
      late: group({ dirty: 30, journal }),
      busy: group({ dirty: 30, journal: { ...journal, records: 10 } }),
    },
  })
  const before = withStats(BEFORE, {
    groups: { full: group(), late: group({ journal }), busy: group({ journal }) },
  })
  const cycle = [thread(3, { waits: [{ mode: 'modify', heldBy: [5], cycle: [3, 5] }] })]
  const { warnings } = modelOf({ ...bad, threads: cycle }, before)
  assert.equal(warnings.map(({ kind }) => kind), ['fenced', 'roundsFailed', 'cycle', 'dirtyLimit', 'journalFull']) // prettier-ignore
  assert.match(warnings[0]!.text, /a, b are not written until retry/)
  assert.match(warnings[1]!.text, /^2 rounds/)
  assert.match(warnings[2]!.text, /3, 5/)
  assert.match(warnings[3]!.text, /group full/)
  assert.match(warnings[4]!.text, /group late .* 99 %/)
})

test('partitions are sorted by each key, equal ones by name, unknown ones last', () => {
  const rows = modelOf(
    withStats(AFTER, {
      partitions: {
        b: partition({ index: 3, hits: 10, dirty: 5 }),
        a: partition({ index: 1, hits: 10, dirty: 9 }),
        c: partition({ index: 2, misses: 90, dirty: 7 }),
        // Its counters have fallen.
        data: partition({ index: 0, hits: 1 }),
      },
    }),
    BEFORE,
  ).partitions
  const order = (name: string, isReversed = false) =>
    sorted(rows, SORT_KEYS.findIndex((key) => key.name === name), isReversed).map(({ name }) => name).join(' ') // prettier-ignore
  assert.is(order('lookups'), 'c a b data')
  assert.is(order('lookups', true), 'a b c data')
  assert.is(order('hits'), 'a b c data')
  assert.is(order('name'), 'a b c data')
  assert.is(order('name', true), 'data c b a')
  assert.is(order('dirty'), 'a c b data')
  for (const { name } of SORT_KEYS) assert.is(order(name).split(' ').length, 4)
})

test('a real cache: its figures are there, and go through JSON unchanged', () =>
  withCache({ partitions: { data: {}, more: {} } }, async ({ cache, data }) => {
    const first = await sampleOf(cache, 'test')
    for (let block = 0; block < 32; block++) (await data.acquire(block % 4, 'read')).release()
    const written = await data.acquire(1, 'modify')
    written.markDirty()
    written.release()
    await cache.flush()
    const guard = await data.acquire(3, 'read')
    const second = { ...(await sampleOf(cache, 'test')), timeMs: first.timeMs + 1000 }
    guard.release()
    const model = modelOf(JSON.parse(JSON.stringify(second)) as Sample, first)
    assertFinite(model)
    assert.is(model.perSecond.lookups, 34)
    assert.is(model.perSecond.misses, 4)
    assert.is(model.perSecond.flushes, 1)
    assert.ok(model.perSecond.diskWrites! >= 1)
    assert.equal(model.partitions.map(({ name }) => name), ['data', 'more']) // prettier-ignore
    assert.is(model.latency.fsync.count, 1)
    assert.is(model.threads.find(({ slot }) => slot === 0)!.holdCount, 1)
    assert.equal(JSON.parse(JSON.stringify(model)), model)
  }))

test.run()
