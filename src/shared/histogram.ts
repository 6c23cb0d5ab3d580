/**
 * Histograms of times, as counts in shared words. Four buckets per octave, from one microsecond up, so percentiles are exact to
 * a fifth.
 */
import { add, type Words } from '#atomics'

export const BUCKETS = 128
const PER_OCTAVE = 4

/** The bucket of a time of `ms` milliseconds. */
export function bucketOf(ms: number): number {
  return Math.min(BUCKETS - 1, Math.max(0, Math.ceil(Math.log2(ms * 1000) * PER_OCTAVE)))
}

/** Counts are unsigned, and end before they would overflow. */
const FULL = 2 ** 32 - 2 ** 16

/** Adds a time to the histogram at `at`; it stands for `weight` of them. An atomic addition; a bucket that is full stays so. */
export function addTime(words: Words, at: number, ms: number, weight = 1): void {
  const bucketAt = at + bucketOf(ms)
  if (words[bucketAt]! >>> 0 < FULL) add(words, bucketAt, weight)
}

/** The upper bound of a bucket, in milliseconds. */
export const upperMs = (bucket: number): number => 2 ** (bucket / PER_OCTAVE) / 1000

export interface Summary {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** `counts`: of each bucket. */
export function summarize(counts: readonly number[]): Summary {
  const count = counts.reduce((a, b) => a + b, 0)
  const percentile = (share: number): number => {
    let left = share * count
    const bucket = counts.findIndex((n) => (left -= n) <= 0 && n > 0)
    return bucket < 0 ? 0 : upperMs(bucket)
  }
  const last = counts.reduce((top, n, bucket) => (n > 0 ? bucket : top), -1)
  return { count, p50Ms: percentile(0.5), p99Ms: percentile(0.99), maxMs: last < 0 ? 0 : upperMs(last) }
}
