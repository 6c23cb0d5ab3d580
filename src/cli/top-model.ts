/**
 * What `dcache top` shows of a cache: the rates of the interval between two samples, and the totals and states of the newer one. A
 * pure function.
 */
import type { CacheStats, GroupStats, PartitionStats } from '../shared/reports.js'
import type {
  MonitorSample as Sample,
  MonitorThread as SampleThread,
  MonitorWait as SampleWait,
} from '../monitor/protocol.js'
import { type IntervalLatency, latencyBetween, UNKNOWN_LATENCY } from './top-latency.js'
import {
  COUNTERS,
  type Figure,
  type GroupModel,
  type PartitionModel,
  PARTITION_COUNTERS,
  type ThreadModel,
  type TopModel,
} from './top-report.js'
import { warningsOf } from './top-warnings.js'

/** `before`: an earlier sample of the same monitor, which the rates are computed from. */
export function modelOf(now: Sample, before?: Sample): TopModel {
  const seconds = before === undefined ? 0 : (now.timeMs - before.timeMs) / 1000
  // A clock that was set back makes no rate.
  const old = before !== undefined && seconds > 0 && isSameCache(before, now) ? before.stats : undefined
  const { stats } = now
  const totals = pick(COUNTERS, (name) => figure(stats[name]))
  const perSecond = pick(COUNTERS, (name) => rate(old?.[name], stats[name], seconds))
  const partitions = Object.entries(stats.partitions).map(([name, of]) =>
    partitionOf(name, of, old, seconds, figure(stats.size)),
  )
  const groups = Object.entries(stats.groups).map(([name, of]) => groupOf(name, of, old?.groups[name], seconds)) // prettier-ignore
  const threads = now.threads.map(threadOf)
  const { blocks } = stats as Partial<CacheStats>
  const ofPartitions = (which: 'read' | 'fsync'): IntervalLatency =>
    old === undefined
      ? UNKNOWN_LATENCY
      : latencyBetween(
          Object.entries(stats.partitions).map(([name, of]) => ({
            before: isSamePartition(old.partitions[name], of) ? old.partitions[name]?.[which] : undefined,
            now: of[which],
          })),
          seconds,
        )
  const model = {
    version: 1,
    timeMs: now.timeMs,
    intervalSeconds: old === undefined ? null : seconds,
    name: text(now.name),
    pid: figure(now.pid),
    state: text(stats.state),
    memoryBytes: figure(stats.memoryBytes),
    threadCount: figure(stats.threads),
    pool: {
      size: figure(stats.size),
      free: figure(blocks?.free),
      clean: figure(blocks?.clean),
      dirty: figure(stats.dirty),
      held: figure(blocks?.held),
    },
    hitRatio: ratio(perSecond.hits, perSecond.lookups),
    perSecond,
    totals,
    latency: {
      read: ofPartitions('read'),
      fsync: ofPartitions('fsync'),
      writerStalls:
        old === undefined
          ? UNKNOWN_LATENCY
          : latencyBetween([{ before: old.writerStalls, now: stats.writerStalls }], seconds),
    },
    partitions,
    groups,
    threads,
  } as const
  return { ...model, warnings: warningsOf(model) }
}

/** Whether the counters go on: the same process, and none of these has fallen, as it has in another cache of the process. */
function isSameCache(before: Sample, now: Sample): boolean {
  const hasFallen = (['lookups', 'diskReads', 'diskWrites', 'rounds', 'flushes'] as const).some(
    (name) => now.stats[name] < before.stats[name],
  )
  return before.pid === now.pid && !hasFallen
}

/** Whether it is the partition of before, and not a new one of its name. */
const isSamePartition = (before: PartitionStats | undefined, now: PartitionStats): boolean =>
  before?.index === now.index

function partitionOf(
  name: string,
  now: PartitionStats,
  old: CacheStats | undefined,
  seconds: number,
  size: Figure,
): PartitionModel {
  const found = old?.partitions[name]
  const before = isSamePartition(found, now) ? found : undefined
  // What was opened within the interval has counted from 0.
  const perSecond = pick(PARTITION_COUNTERS, (counter) =>
    old === undefined ? null : rate(before === undefined ? 0 : before[counter], now[counter], seconds),
  )
  const { hits, misses } = perSecond
  const lookupsPerSecond = hits === null || misses === null ? null : hits + misses
  const latency = (which: 'read' | 'fsync'): IntervalLatency =>
    old === undefined
      ? UNKNOWN_LATENCY
      : latencyBetween([{ before: before?.[which], now: now[which] }], seconds)
  return {
    name,
    group: text(now.group),
    blocks: figure(now.blocks),
    blockSize: figure(now.blockSize),
    hitRatio: ratio(hits, lookupsPerSecond),
    lookupsPerSecond,
    perSecond,
    totals: pick(PARTITION_COUNTERS, (counter) => figure(now[counter])),
    cached: figure(now.cached),
    poolShare: ratio(figure(now.cached), size),
    dirty: figure(now.dirty),
    // Read from a message: it may be missing.
    isFenced: (now as Partial<PartitionStats>).isFenced ?? false,
    read: latency('read'),
    fsync: latency('fsync'),
  }
}

function groupOf(name: string, now: GroupStats, before: GroupStats | undefined, seconds: number): GroupModel {
  const { spares, journal } = now as Partial<GroupStats>
  return {
    name,
    dirty: figure(now.dirty),
    dirtyLimit: figure(now.dirtyLimit),
    dirtyShare: ratio(figure(now.dirty), figure(now.dirtyLimit)),
    sparesFree: figure(spares?.free),
    sparesTotal: figure(spares?.total),
    roundsPerSecond: rate(before?.rounds, now.rounds, seconds),
    failedRoundsPerSecond: rate(before?.failedRounds, now.failedRounds, seconds),
    journal: journal
      ? {
          records: figure(journal.records),
          recordsPerSecond: rate(before?.journal?.records, journal.records, seconds),
          usedBytes: figure(journal.usedBytes),
          halfBytes: figure(journal.halfBytes),
          usedShare: ratio(figure(journal.usedBytes), figure(journal.halfBytes)),
        }
      : null,
  }
}

function threadOf({
  slot,
  threadId,
  name,
  alive,
  holds,
  waits,
  holdCount,
}: Partial<SampleThread>): ThreadModel {
  return {
    slot: slot ?? -1,
    threadId: figure(threadId),
    name: text(name),
    alive: alive !== false,
    holdCount: figure(holdCount ?? holds?.length),
    holds: holds ?? [],
    waits: (waits ?? []).map((wait) => ({
      ...wait,
      heldBy: (wait as Partial<SampleWait>).heldBy ?? [],
      cycle: (wait as Partial<SampleWait>).cycle ?? [],
    })),
  }
}

const pick = <K extends string>(names: readonly K[], value: (name: K) => Figure): Record<K, Figure> =>
  Object.fromEntries(names.map((name) => [name, value(name)])) as Record<K, Figure>

/** A number of a sample, which another version of dcache may not have. */
const figure = (value: unknown): Figure =>
  typeof value === 'number' && Number.isFinite(value) ? value : null

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Null too if the counter has fallen. */
function rate(before: unknown, now: unknown, seconds: number): Figure {
  const [from, to] = [figure(before), figure(now)]
  return from === null || to === null || to < from || seconds <= 0 ? null : (to - from) / seconds
}

/** A share from 0 to 1; null of nothing. */
const ratio = (part: Figure, whole: Figure): Figure =>
  part === null || whole === null || whole <= 0 ? null : part / whole
