/**
 * Latencies of an interval: the difference of two histograms, whose counts are totals. Percentiles are upper bounds of buckets, so
 * they are exact to a fifth, as those of `stats()`.
 */
import type { LatencyStats } from '../shared/reports.js'

/** Null: unknown, or, of the times, that no call was measured. */
export interface IntervalLatency {
  /** How many calls were measured. */
  readonly count: number | null
  readonly perSecond: number | null
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly maxMs: number | null
}

export const UNKNOWN_LATENCY: IntervalLatency = { count: null, perSecond: null, p50Ms: null, p99Ms: null, maxMs: null } // prettier-ignore

/** The histogram at both ends of the interval. Without `before` all counts are of the interval. */
export interface HistogramPair {
  readonly before?: LatencyStats | undefined
  readonly now: LatencyStats | undefined
}

/** The latencies of all pairs together. Those whose counts have fallen, because they began again, are left out. */
export function latencyBetween(pairs: readonly HistogramPair[], seconds: number): IntervalLatency {
  const counts = new Map<number, number>()
  let known = 0
  for (const { before, now } of pairs) {
    const difference = differenceOf(before, now)
    if (difference === undefined) continue
    known++
    for (const [upToMs, count] of difference) counts.set(upToMs, (counts.get(upToMs) ?? 0) + count)
  }
  if (known === 0 && pairs.length > 0) return UNKNOWN_LATENCY
  const buckets = [...counts].sort(([a], [b]) => a - b)
  const count = buckets.reduce((sum, [, each]) => sum + each, 0)
  const percentile = (share: number): number | null => {
    let left = share * count
    return buckets.find(([, each]) => (left -= each) <= 0)?.[0] ?? null
  }
  return {
    count,
    perSecond: count / seconds,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    maxMs: buckets.at(-1)?.[0] ?? null,
  }
}

/** The buckets that have grown, by their upper bounds; undefined if one has fallen, or the histogram is missing. */
function differenceOf(
  before: LatencyStats | undefined,
  now: LatencyStats | undefined,
): [upToMs: number, count: number][] | undefined {
  // Read from a message: it may be missing.
  const { buckets } = (now ?? {}) as Partial<LatencyStats>
  if (buckets === undefined) return undefined
  const left = new Map((before?.buckets ?? []).map(({ upToMs, count }) => [upToMs, count]))
  const grown: [number, number][] = []
  for (const { upToMs, count } of buckets) {
    const more = count - (left.get(upToMs) ?? 0)
    left.delete(upToMs)
    if (more < 0) return undefined
    if (more > 0) grown.push([upToMs, more])
  }
  // A bucket that is gone had counts before.
  return left.size > 0 ? undefined : grown
}
