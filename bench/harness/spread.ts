/**
 * What repeated measurements come to: the median, the tenth and the ninetieth percentile. A mean would
 * be moved by the one round in which the machine did something else.
 */

export interface Spread {
  readonly p10: number
  readonly median: number
  readonly p90: number
}

/** The value below which a share of the sorted values lies, interpolated between neighbours. */
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

/** The ratios of values that were measured in the same rounds: paired, so that what slows a round slows both. */
export function ratioOf(values: readonly number[], to: readonly number[]): Spread {
  return spreadOf(values.map((value, round) => value / to[round]!))
}
