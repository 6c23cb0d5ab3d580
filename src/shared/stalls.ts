/**
 * How long calls that change a block waited, as a histogram in each thread's slot. Four buckets per octave, from one
 * microsecond up, so percentiles are exact to a fifth.
 */
export const STALL_BUCKETS = 128
const PER_OCTAVE = 4

/** The bucket of a wait of `ms` milliseconds. */
export function stallBucket(ms: number): number {
  return Math.min(STALL_BUCKETS - 1, Math.max(0, Math.ceil(Math.log2(ms * 1000) * PER_OCTAVE)))
}

/** The upper bound of a bucket, in milliseconds. */
const bucketMs = (bucket: number): number => 2 ** (bucket / PER_OCTAVE) / 1000

export interface StallSummary {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export function summarizeStalls(buckets: readonly number[]): StallSummary {
  const count = buckets.reduce((a, b) => a + b, 0)
  const percentile = (share: number): number => {
    let left = share * count
    const bucket = buckets.findIndex((n) => (left -= n) <= 0 && n > 0)
    return bucket < 0 ? 0 : bucketMs(bucket)
  }
  const last = buckets.reduce((top, n, bucket) => (n > 0 ? bucket : top), -1)
  return { count, p50Ms: percentile(0.5), p99Ms: percentile(0.99), maxMs: last < 0 ? 0 : bucketMs(last) }
}
