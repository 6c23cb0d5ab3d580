/**
 * What happened between two samples: differences of their counters for each second, and percentiles of the differences of their
 * histograms. Pure functions, used by the page and by viewers in a terminal. What cannot be known is undefined: no hit ratio
 * without a lookup, no percentile without a call.
 */
import type { CacheStats, LatencyStats, PartitionStats } from '../shared/reports.js'
import type { MonitorSample } from './protocol.js'

export interface Rates {
  /** Between the two samples. */
  readonly seconds: number
  readonly lookups: number
  readonly hitRatio: number | undefined
  readonly diskReads: number
  readonly diskReadBytes: number
  readonly diskWrites: number
  readonly diskWriteBytes: number
  readonly evictions: number
  readonly rounds: number
  /** Of all partitions together. */
  readonly read: Percentiles
  readonly fsync: Percentiles
  readonly writerStalls: Percentiles
  /** By name. Undefined for one that was not there before. */
  readonly partitions: Readonly<Record<string, PartitionRates | undefined>>
}

export interface PartitionRates {
  readonly lookups: number
  readonly hitRatio: number | undefined
  readonly diskReads: number
  readonly diskWrites: number
}

/** Upper bounds, exact to a fifth. */
export interface Percentiles {
  readonly count: number
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  readonly maxMs: number | undefined
}

type Counted = Pick<CacheStats, 'hits' | 'misses' | 'diskReads' | 'diskWrites'>

/** Undefined if they are of two processes or caches, or not in order. */
export function ratesOf(before: MonitorSample, after: MonitorSample): Rates | undefined {
  const seconds = (after.timeMs - before.timeMs) / 1000
  const [from, to] = [before.stats, after.stats]
  const isOther = before.pid !== after.pid || to.lookups < from.lookups || to.diskWrites < from.diskWrites
  if (isOther || !(seconds > 0)) return undefined
  const perSecond = (name: 'diskReadBytes' | 'diskWriteBytes' | 'evictions' | 'rounds') =>
    Math.max(0, to[name] - from[name]) / seconds
  const partitions = Object.entries(to.partitions).map(([name, now]) => {
    const then = from.partitions[name]
    // Another one of the same name begins at 0.
    const isSame = then !== undefined && now.hits >= then.hits && now.diskWrites >= then.diskWrites
    return [name, isSame ? accesses(then, now, seconds) : undefined] as const
  })
  const of = (what: 'read' | 'fsync') =>
    percentilesOf(latencies(from.partitions, what), latencies(to.partitions, what))
  return {
    seconds,
    ...accesses(from, to, seconds),
    diskReadBytes: perSecond('diskReadBytes'),
    diskWriteBytes: perSecond('diskWriteBytes'),
    evictions: perSecond('evictions'),
    rounds: perSecond('rounds'),
    read: of('read'),
    fsync: of('fsync'),
    writerStalls: percentilesOf([from.writerStalls], [to.writerStalls]),
    partitions: Object.fromEntries(partitions),
  }
}

function accesses(before: Counted, after: Counted, seconds: number): PartitionRates {
  const hits = after.hits - before.hits
  const lookups = hits + after.misses - before.misses
  return {
    lookups: Math.max(0, lookups) / seconds,
    hitRatio: lookups > 0 ? Math.min(1, Math.max(0, hits / lookups)) : undefined,
    diskReads: Math.max(0, after.diskReads - before.diskReads) / seconds,
    diskWrites: Math.max(0, after.diskWrites - before.diskWrites) / seconds,
  }
}

const latencies = (
  partitions: Readonly<Record<string, PartitionStats>>,
  what: 'read' | 'fsync',
): LatencyStats[] => Object.values(partitions).map((partition) => partition[what])

/** A partition that came or went between the two makes some counts fall: those count as none. */
export function percentilesOf(before: readonly LatencyStats[], after: readonly LatencyStats[]): Percentiles {
  const counts = new Map<number, number>()
  const add = (all: readonly LatencyStats[], sign: 1 | -1) => {
    for (const { buckets } of all)
      for (const { upToMs, count } of buckets) counts.set(upToMs, (counts.get(upToMs) ?? 0) + sign * count)
  }
  add(after, 1)
  add(before, -1)
  const found = [...counts].filter(([, count]) => count > 0).sort(([a], [b]) => a - b)
  const count = found.reduce((sum, [, count]) => sum + count, 0)
  const percentile = (share: number): number | undefined => {
    let left = share * count
    return found.find(([, count]) => (left -= count) <= 0)?.[0]
  }
  return { count, p50Ms: percentile(0.5), p99Ms: percentile(0.99), maxMs: found.at(-1)?.[0] }
}
