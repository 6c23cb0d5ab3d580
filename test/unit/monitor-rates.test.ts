// Rates between two samples of the monitor: what is known, and that what is not is undefined, never NaN or below 0.

import type { MonitorSample } from 'dcache/monitor'
import { percentilesOf, ratesOf } from '#dist/monitor/rates.js'
import { sampleOf } from '#dist/monitor/sample.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { settled, withCache } from '../support/open.js'

const rates = suite('rates')

const latency = (...buckets: [upToMs: number, count: number][]) => ({
  count: 0,
  p50Ms: 0,
  p99Ms: 0,
  maxMs: 0,
  buckets: buckets.map(([upToMs, count]) => ({ upToMs, count })),
})

rates('are differences for each second', () =>
  withCache({ partitions: { a: {}, b: {} }, flushDelayMs: 1e9 }, async ({ cache, data }) => {
    const before = await sampleOf(cache, 'x')
    for (let i = 0; i < 10; i++) (await data.acquire(i % 4, 'read')).release()
    await data.write(new Uint8Array(1024), 0)
    await settled(cache)
    await cache.flush()
    const after: MonitorSample = { ...(await sampleOf(cache, 'x')), timeMs: before.timeMs + 2000 }
    const found = ratesOf(before, after)!
    assert.is(found.seconds, 2)
    assert.equal([found.lookups, found.hitRatio], [6, 8 / 12])
    assert.equal([found.diskReads, found.diskWrites, found.diskWriteBytes], [2, 1, 512])
    assert.is(found.fsync.count, 1)
    assert.ok(found.fsync.p50Ms! > 0 && found.fsync.p50Ms! <= found.fsync.maxMs!)
    assert.is(found.partitions['a']!.lookups, 6)
    assert.equal(found.partitions['b'], { lookups: 0, hitRatio: undefined, diskReads: 0, diskWrites: 0 })
    const still = ratesOf(after, { ...after, timeMs: after.timeMs + 1000 })!
    assert.equal(still.read, { count: 0, p50Ms: undefined, p99Ms: undefined, maxMs: undefined })
    assert.is(still.hitRatio, undefined)
  }),
)

rates('are unknown between two processes, and at the same moment', () =>
  withCache({}, async ({ cache }) => {
    const sample = await sampleOf(cache, 'x')
    assert.is(ratesOf(sample, sample), undefined)
    const next = { ...sample, timeMs: sample.timeMs + 1000 }
    assert.ok(ratesOf(sample, next))
    assert.is(ratesOf(sample, { ...next, pid: 1 }), undefined)
    assert.is(ratesOf(next, sample), undefined)
    assert.is(ratesOf({ ...sample, stats: { ...sample.stats, lookups: 5 } }, next), undefined)
  }),
)

rates('percentiles are of the calls in between, whatever came or went', () => {
  const before = [latency([1, 100], [2, 50])]
  assert.equal(percentilesOf(before, [latency([1, 100], [2, 60], [8, 1])]), {
    count: 11,
    p50Ms: 2,
    p99Ms: 8,
    maxMs: 8,
  })
  assert.is(percentilesOf(before, before).count, 0)
  assert.is(percentilesOf(before, []).count, 0)
  assert.equal(percentilesOf([], [latency([0.5, 3])]).p99Ms, 0.5)
})

rates.run()
