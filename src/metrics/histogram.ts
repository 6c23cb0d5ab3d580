/**
 * Cumulative histograms, as Prometheus has them, of the finer ones in shared memory. Of their four buckets in an octave each
 * fourth bound is kept, from 2 microseconds to 17 seconds. The bounds coincide, so the counts are exact, and they are the
 * same for all caches at all times, which a scraper needs.
 *
 * Shared memory has no sum of the times. It is made of the counts, each with the middle of its bucket, so it is exact to a
 * tenth, and never falls.
 */
import type { LatencyStats } from '../shared/reports.js'
import { upperMs } from '../shared/histogram.js'

const PER_OCTAVE = 4
const FIRST_OCTAVE = 1
const LAST_OCTAVE = 24

const BOUNDS_MS: readonly number[] = Array.from({ length: LAST_OCTAVE - FIRST_OCTAVE + 1 }, (_, i) =>
  upperMs((FIRST_OCTAVE + i) * PER_OCTAVE),
)

/** The upper bounds in seconds as the label `le` has them, without the last, `+Inf`. */
export const BOUNDS: readonly string[] = BOUNDS_MS.map((ms) => String(ms / 1000))

/** From the upper bound of a bucket to its middle on a scale of logarithms. */
const MIDDLE = 2 ** (-1 / (2 * PER_OCTAVE))

export interface Cumulative {
  /** How many took up to each bound, in the order of BOUNDS. */
  readonly counts: readonly number[]
  readonly count: number
  readonly sumSeconds: number
}

export function cumulative({ buckets }: LatencyStats): Cumulative {
  let count = 0
  let sumMs = 0
  const counts: number[] = []
  for (const bucket of buckets) {
    while (counts.length < BOUNDS_MS.length && BOUNDS_MS[counts.length]! < bucket.upToMs) counts.push(count)
    count += bucket.count
    sumMs += bucket.count * bucket.upToMs * MIDDLE
  }
  while (counts.length < BOUNDS_MS.length) counts.push(count)
  return { counts, count, sumSeconds: sumMs / 1000 }
}
