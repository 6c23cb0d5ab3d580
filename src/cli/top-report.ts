/**
 * The object that `dcache top --json` prints, and that its screen is made of. The names are an interface: docs/command-line.md
 * describes them. What is not known is null: every rate with one sample only, and the rates of what has begun to count again, such
 * as a program that was started anew.
 */
import type { MonitorHold as SampleHold, MonitorWait as SampleWait } from '../monitor/protocol.js'
import type { IntervalLatency } from './top-latency.js'

export type Figure = number | null

/** Counters of the cache whose rates are shown; the totals have the same names. */
export const COUNTERS = [
  'lookups', 'hits', 'misses', 'diskReads', 'diskReadBytes', 'diskWrites', 'diskWriteBytes', 'evictions', 'rounds', 'failedRounds',
  'flushes', 'stalls', 'blockStalls',
] as const // prettier-ignore
export type Counter = (typeof COUNTERS)[number]

export interface TopModel {
  readonly version: 1
  /** When the newer sample was taken, on Date.now()'s scale of the program. */
  readonly timeMs: number
  /** Between the two samples. */
  readonly intervalSeconds: Figure
  readonly name: string
  readonly pid: Figure
  readonly state: string
  readonly memoryBytes: Figure
  readonly threadCount: Figure
  /** In blocks. */
  readonly pool: Readonly<Record<'size' | 'free' | 'clean' | 'dirty' | 'held', Figure>>
  readonly hitRatio: Figure
  readonly perSecond: Readonly<Record<Counter, Figure>>
  readonly totals: Readonly<Record<Counter, Figure>>
  readonly latency: Readonly<Record<'read' | 'fsync' | 'writerStalls', IntervalLatency>>
  readonly partitions: readonly PartitionModel[]
  readonly groups: readonly GroupModel[]
  readonly threads: readonly ThreadModel[]
  readonly warnings: readonly Warning[]
}

/** Counters of a partition whose rates are shown. */
export const PARTITION_COUNTERS = ['hits', 'misses', 'diskReads', 'diskReadBytes', 'diskWrites', 'diskWriteBytes', 'fsyncs'] as const // prettier-ignore
export type PartitionCounter = (typeof PARTITION_COUNTERS)[number]

export interface PartitionModel {
  readonly name: string
  readonly group: string
  readonly blocks: Figure
  readonly blockSize: Figure
  readonly hitRatio: Figure
  readonly lookupsPerSecond: Figure
  readonly perSecond: Readonly<Record<PartitionCounter, Figure>>
  readonly totals: Readonly<Record<PartitionCounter, Figure>>
  readonly cached: Figure
  /** Its part of the pool, from 0 to 1. */
  readonly poolShare: Figure
  readonly dirty: Figure
  readonly isFenced: boolean
  readonly read: IntervalLatency
  readonly fsync: IntervalLatency
}

export interface GroupModel {
  readonly name: string
  readonly dirty: Figure
  readonly dirtyLimit: Figure
  readonly dirtyShare: Figure
  readonly sparesFree: Figure
  readonly sparesTotal: Figure
  readonly roundsPerSecond: Figure
  readonly failedRoundsPerSecond: Figure
  /** Null: it has none. `usedShare`: of the half that is being filled. */
  readonly journal: Readonly<
    Record<'records' | 'recordsPerSecond' | 'usedBytes' | 'halfBytes' | 'usedShare', Figure>
  > | null
}

export interface ThreadModel {
  readonly slot: number
  readonly threadId: Figure
  readonly name: string
  readonly alive: boolean
  readonly holdCount: Figure
  readonly holds: readonly SampleHold[]
  readonly waits: readonly SampleWait[]
}

/** `text` has names as they are: what prints it makes them printable. */
export interface Warning {
  readonly kind:
    'broken' | 'orphaned' | 'closed' | 'fenced' | 'roundsFailed' | 'cycle' | 'dirtyLimit' | 'journalFull'
  readonly text: string
}
