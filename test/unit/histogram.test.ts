// The histogram of waits: it reports every wait to within a fifth, and percentiles of them.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BUCKETS, bucketOf, summarize } from '#dist/shared/histogram.js'

function summary(waitsMs: readonly number[]) {
  const buckets = Array.from({ length: BUCKETS }, () => 0)
  for (const ms of waitsMs) buckets[bucketOf(ms)]!++
  return summarize(buckets)
}

test('without waits all percentiles are 0', () => {
  assert.equal(summary([]), { count: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 })
})

test('a wait of any length is reported to within a fifth, and never as shorter', () => {
  for (let ms = 0.001; ms < 1e6; ms *= 1.1) {
    const { count, p50Ms, p99Ms, maxMs } = summary([ms])
    assert.is(count, 1)
    assert.equal([p50Ms, p99Ms], [maxMs, maxMs])
    assert.ok(maxMs >= ms * 0.9999 && maxMs <= ms * 1.2, `${ms} ms is reported as ${maxMs}`)
  }
})

test('very short and very long waits have a bucket', () => {
  assert.equal([0, 1e-9, 0.0005].map(bucketOf), [0, 0, 0])
  assert.equal([1e9, Infinity].map(bucketOf), [BUCKETS - 1, BUCKETS - 1])
})

test('percentiles', () => {
  const isAbout = (told: number, ms: number): void =>
    assert.ok(told >= ms && told <= ms * 1.2, `${told} for ${ms}`)
  const { count, p50Ms, p99Ms, maxMs } = summary(Array.from({ length: 1000 }, (_, i) => i + 1))
  assert.is(count, 1000)
  isAbout(p50Ms, 500)
  isAbout(p99Ms, 990)
  isAbout(maxMs, 1000)
  const rare = summary([...Array<number>(99).fill(1), 5000])
  isAbout(rare.p50Ms, 1)
  isAbout(rare.p99Ms, 1)
  isAbout(rare.maxMs, 5000)
})

test.run()
