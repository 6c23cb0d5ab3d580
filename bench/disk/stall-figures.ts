/**
 * Computes the figures of `steady` from its histograms. Each bucket is a fifth wider than the one before.
 */
import { BUCKETS } from '#dist/shared/histogram.js'
import { FIGURES } from './variants/steady.js'

export interface StallFigures {
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly most: number
  /** The average time that the device needs for the blocks written during a change, for the changes from p99.9 on. */
  readonly device: number | null
  readonly ratio: number | null
}

/** `blockMs` is the time that the device needs for a block. */
export function summarize(
  lanes: readonly Float64Array[],
  blockMs: number,
): Record<keyof StallFigures, number | null> {
  const sum = (at: number, bucket: number) => lanes.reduce((total, lane) => total + lane[at + bucket]!, 0)
  const changes = Array.from({ length: BUCKETS }, (_, bucket) => sum(FIGURES.changes, bucket))
  const count = changes.reduce((a, b) => a + b, 0)
  const bucketAt = (share: number): number => {
    let left = share * count
    return changes.findIndex((n) => (left -= n) <= 0 && n > 0)
  }
  const meanMs = (bucket: number) => sum(FIGURES.ms, bucket) / changes[bucket]!
  const last = changes.findLastIndex((n) => n > 0)
  let [ms, written, long] = [0, 0, 0]
  for (let bucket = bucketAt(0.999); bucket <= last; bucket++) {
    ms += sum(FIGURES.ms, bucket)
    written += sum(FIGURES.written, bucket)
    long += changes[bucket]!
  }
  return {
    p50: meanMs(bucketAt(0.5)),
    p99: meanMs(bucketAt(0.99)),
    p999: meanMs(bucketAt(0.999)),
    most: meanMs(last),
    device: written === 0 ? null : (written * blockMs) / long,
    ratio: written === 0 ? null : ms / (written * blockMs),
  }
}
