/**
 * Summarizes repeated measurements as the median, the tenth and the ninetieth percentile. A mean would be distorted by
 * a single round in which the machine was busy.
 */

export interface Spread {
  readonly p10: number
  readonly median: number
  readonly p90: number
}

/** The value below which this share of the sorted values lies, with linear interpolation. */
function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share
  const [below, above] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!]
  return below + (above - below) * (at - Math.floor(at))
}

/** @requires at least one value */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  return { p10: quantile(sorted, 0.1), median: quantile(sorted, 0.5), p90: quantile(sorted, 0.9) }
}

/** The ratios of values from the same rounds. Pairing cancels what slows a whole round. */
export function ratioOf(values: readonly number[], to: readonly number[]): Spread {
  return spreadOf(values.map((value, round) => value / to[round]!))
}

/** The value that a quarter of the values exceed. */
export const upperQuartileOf = (values: readonly number[]): number =>
  quantile(
    [...values].sort((a, b) => a - b),
    0.75,
  )
