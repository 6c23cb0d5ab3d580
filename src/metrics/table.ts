/**
 * Every metric, once: its name, kind, unit, help, labels, and how it is read from `stats()`. Both adapters (prometheus.ts and
 * opentelemetry.ts) are made from this table, and a test compares it with docs/metrics.md. To add a metric, add a row here and
 * there.
 *
 * Names are those of OpenTelemetry, without `dcache.`; `prometheusName` makes the others by the rules of OpenTelemetry's own
 * exporters, so a dashboard works with both.
 *
 * A counter must never fall: a scraper takes that for a restart, and counts all of it again. So no counter is a difference of
 * two (`reads` of `stats()` is one). Sums over partitions are left out, because a scraper adds up the partitions itself.
 */
import type { CacheStats, GroupStats, LatencyStats, PartitionStats } from '../shared/reports.js'

/** Names and values. What they are called: labels in Prometheus, attributes in OpenTelemetry. */
export type Labels = Readonly<Record<string, string>>

export interface Sample<V> {
  readonly labels: Labels
  readonly value: V
}

interface Described {
  /** In parts, divided by dots. */
  readonly name: string
  /** As in UCUM: `s`, `By`, or what is counted in braces; '' for a truth value, 0 or 1. */
  readonly unit: string
  readonly help: string
  readonly labels: readonly string[]
}

/** `amount`: a gauge whose values may be added up, over partitions and caches; a `gauge` may not. */
export interface ScalarMetric extends Described {
  readonly kind: 'counter' | 'amount' | 'gauge'
  readonly read: (stats: CacheStats) => readonly Sample<number>[]
}

export interface HistogramMetric extends Described {
  readonly kind: 'histogram'
  readonly read: (stats: CacheStats) => readonly Sample<LatencyStats>[]
}

export type Metric = ScalarMetric | HistogramMetric

type OfCache = (stats: CacheStats) => number
type OfGroup<V> = (group: GroupStats) => V | undefined
type OfPartition<V> = (partition: PartitionStats) => V

const ofCache =
  (value: OfCache): ScalarMetric['read'] =>
  (stats) => [{ labels: {}, value: value(stats) }]

/** One sample for each value of a label. */
const by =
  (label: string, values: Readonly<Record<string, OfCache>>): ScalarMetric['read'] =>
  (stats) =>
    Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value: value(stats) }))

/** Groups without a value have no sample. */
const ofGroup =
  <V>(value: OfGroup<V>, more: Labels = {}): ((stats: CacheStats) => Sample<V>[]) =>
  ({ groups }) =>
    Object.entries(groups).flatMap(([group, of]) => {
      const read = value(of)
      return read === undefined ? [] : [{ labels: { group, ...more }, value: read }]
    })

const ofPartition =
  <V>(value: OfPartition<V>, more: Labels = {}): ((stats: CacheStats) => Sample<V>[]) =>
  ({ partitions }) =>
    Object.entries(partitions).map(([partition, of]) => ({
      labels: { partition, group: of.group, ...more },
      value: value(of),
    }))

const all =
  (...reads: ScalarMetric['read'][]): ScalarMetric['read'] =>
  (stats) =>
    reads.flatMap((read) => read(stats))

const PARTITION = ['partition', 'group']
const GROUP = ['group']

// prettier-ignore
export const METRICS: readonly Metric[] = [
  { name: 'broken', kind: 'gauge', unit: '', labels: [],
    help: '1 if nothing is written any more, because the threads of the engine cannot be kept running',
    read: ofCache(({ state }) => Number(state === 'broken')) },
  { name: 'memory', kind: 'amount', unit: 'By', labels: [],
    help: 'Shared memory of the cache, without the frames that the pool has not grown to',
    read: ofCache(({ memoryBytes }) => memoryBytes) },
  { name: 'threads', kind: 'amount', unit: '{thread}', labels: [],
    help: 'Thread slots in use, those of the threads of the engine included',
    read: ofCache(({ threads }) => threads) },
  { name: 'capacity', kind: 'amount', unit: '{block}', labels: [],
    help: 'Blocks that fit into the cache',
    read: ofCache(({ size }) => size) },
  { name: 'frames', kind: 'amount', unit: '{frame}', labels: ['state'],
    help: 'Frames by state; absent: of a block that is being read, or could not be',
    read: by('state', {
      free: ({ blocks }) => blocks.free,
      clean: ({ blocks }) => blocks.clean,
      dirty: ({ blocks }) => blocks.dirty,
      absent: ({ blocks }) => blocks.absent,
    }) },
  { name: 'held_frames', kind: 'amount', unit: '{frame}', labels: [],
    help: 'Frames that a thread has pinned or latched',
    read: ofCache(({ blocks }) => blocks.held) },
  { name: 'evictions', kind: 'counter', unit: '{block}', labels: [],
    help: 'Blocks that were evicted',
    read: ofCache(({ evictions }) => evictions) },
  { name: 'fences', kind: 'counter', unit: '{fence}', labels: [],
    help: 'How often a partition was fenced, because a write or an fsync failed',
    read: ofCache(({ fences }) => fences) },
  { name: 'deaths', kind: 'counter', unit: '{thread}', labels: [],
    help: 'Threads that ended without detach, and whose guards and locks were taken back',
    read: ofCache(({ deaths }) => deaths) },
  { name: 'flushes', kind: 'counter', unit: '{call}', labels: [],
    help: 'Calls of flush and flushSync',
    read: ofCache(({ flushes }) => flushes) },
  { name: 'miss_time', kind: 'counter', unit: 's', labels: [],
    help: 'Time that threads have spent in misses',
    read: ofCache(({ lookupTimeMs }) => lookupTimeMs / 1000) },
  { name: 'prefetch.loaded', kind: 'counter', unit: '{block}', labels: [],
    help: 'Blocks that were read ahead of their use',
    read: ofCache(({ prefetch }) => prefetch.loaded) },
  { name: 'prefetch.dropped', kind: 'counter', unit: '{block}', labels: [],
    help: 'Blocks that were hinted at and not read',
    read: ofCache(({ prefetch }) => prefetch.dropped) },
  { name: 'prefetch.unused', kind: 'counter', unit: '{block}', labels: [],
    help: 'Blocks that were read ahead and evicted before their first use; not with policy lru2',
    read: ofCache(({ prefetch }) => prefetch.unused) },
  { name: 'waits', kind: 'counter', unit: '{wait}', labels: ['cause'],
    help: 'Waits of calls by what they waited for',
    read: by('cause', {
      frame: ({ waits }) => waits.frame,
      latch: ({ waits }) => waits.latch,
      dirty_limit: ({ waits }) => waits.dirtyLimit,
      spare: ({ waits }) => waits.spare,
      mutex: ({ waits }) => waits.mutex,
    }) },
  { name: 'wait_time', kind: 'counter', unit: 's', labels: [],
    help: 'Time that threads have spent in waits for a latch, a spare or the dirty limit',
    read: ofCache(({ waits }) => waits.timeMs / 1000) },
  { name: 'writer_stall.duration', kind: 'histogram', unit: 's', labels: [],
    help: 'Waits of calls that change a block: for its latch, for a spare, and for the dirty limit',
    read: ({ writerStalls }) => [{ labels: {}, value: writerStalls }] },

  { name: 'rounds', kind: 'counter', unit: '{round}', labels: GROUP,
    help: 'Rounds of write-back, failed ones included',
    read: ofGroup(({ rounds }) => rounds) },
  { name: 'round_failures', kind: 'counter', unit: '{round}', labels: GROUP,
    help: 'Rounds of write-back in which a write or an fsync failed',
    read: ofGroup(({ failedRounds }) => failedRounds) },
  { name: 'dirty_limit', kind: 'amount', unit: '{block}', labels: GROUP,
    help: 'Dirty blocks at which changing a clean block waits',
    read: ofGroup(({ dirtyLimit }) => dirtyLimit) },
  { name: 'spares', kind: 'amount', unit: '{frame}', labels: ['group', 'state'],
    help: 'Spare frames, for images of blocks from before a change, those borrowed included',
    read: all(
      ofGroup(({ spares }) => spares.free, { state: 'free' }),
      ofGroup(({ spares }) => Math.max(0, spares.total - spares.free), { state: 'used' }),
    ) },
  { name: 'journal.records', kind: 'counter', unit: '{record}', labels: GROUP,
    help: 'The number of the newest record in the journal; continues from there when the cache is opened again',
    read: ofGroup(({ journal }) => journal?.records) },
  { name: 'journal.io', kind: 'counter', unit: 'By', labels: GROUP,
    help: 'Bytes of records written to the journal',
    read: ofGroup(({ journal }) => journal?.writtenBytes) },
  { name: 'journal.fsync.duration', kind: 'histogram', unit: 's', labels: GROUP,
    help: 'Syncs of records',
    read: ofGroup(({ journal }) => journal?.fsync) },
  { name: 'journal.used', kind: 'amount', unit: 'By', labels: GROUP,
    help: 'What the records of the half that is being filled take',
    read: ofGroup(({ journal }) => journal?.usedBytes) },
  { name: 'journal.half', kind: 'amount', unit: 'By', labels: GROUP,
    help: 'The size of each half of the journal',
    read: ofGroup(({ journal }) => journal?.halfBytes) },

  { name: 'hits', kind: 'counter', unit: '{block}', labels: PARTITION,
    help: 'Blocks looked up that were cached',
    read: ofPartition(({ hits }) => hits) },
  { name: 'misses', kind: 'counter', unit: '{block}', labels: PARTITION,
    help: 'Blocks looked up that were not cached',
    read: ofPartition(({ misses }) => misses) },
  { name: 'changes', kind: 'counter', unit: '{block}', labels: PARTITION,
    help: 'Blocks acquired to be changed',
    read: ofPartition(({ writes }) => writes) },
  { name: 'overwrites', kind: 'counter', unit: '{block}', labels: PARTITION,
    help: 'Blocks acquired to be overwritten whole, a part of the changes',
    read: ofPartition(({ overwrites }) => overwrites) },
  { name: 'partition.blocks', kind: 'amount', unit: '{block}', labels: PARTITION,
    help: 'The size of the partition in blocks',
    read: ofPartition(({ blocks }) => blocks) },
  { name: 'partition.size', kind: 'amount', unit: 'By', labels: PARTITION,
    help: 'The size of the partition',
    read: ofPartition(({ blocks, blockSize }) => blocks * blockSize) },
  { name: 'cached_blocks', kind: 'amount', unit: '{block}', labels: PARTITION,
    help: 'Blocks of the partition that are cached, dirty ones included',
    read: ofPartition(({ cached }) => cached) },
  { name: 'dirty_blocks', kind: 'amount', unit: '{block}', labels: PARTITION,
    help: 'Blocks of the partition that are dirty',
    read: ofPartition(({ dirty }) => dirty) },
  { name: 'fenced', kind: 'gauge', unit: '', labels: PARTITION,
    help: '1 if a write of the partition has failed, and it is not written until retry',
    read: ofPartition(({ isFenced }) => Number(isFenced)) },
  { name: 'disk.io', kind: 'counter', unit: 'By', labels: [...PARTITION, 'direction'],
    help: 'Bytes read from the file of the partition and written to it',
    read: all(
      ofPartition(({ diskReadBytes }) => diskReadBytes, { direction: 'read' }),
      ofPartition(({ diskWriteBytes }) => diskWriteBytes, { direction: 'write' }),
    ) },
  { name: 'disk.blocks', kind: 'counter', unit: '{block}', labels: [...PARTITION, 'direction'],
    help: 'Blocks read from the file of the partition and written to it',
    read: all(
      ofPartition(({ diskReads }) => diskReads, { direction: 'read' }),
      ofPartition(({ diskWrites }) => diskWrites, { direction: 'write' }),
    ) },
  { name: 'disk.read.duration', kind: 'histogram', unit: 's', labels: PARTITION,
    help: 'System calls that read blocks; most misses are sampled, and one counts as 16',
    read: ofPartition(({ read }) => read) },
  { name: 'disk.fsync.duration', kind: 'histogram', unit: 's', labels: PARTITION,
    help: 'Calls of fsync',
    read: ofPartition(({ fsync }) => fsync) },
]

/** The labels that metrics have, and a user's may not be called. `le` and `quantile` are the format's. */
export const RESERVED_LABELS: ReadonlySet<string> = new Set([
  ...METRICS.flatMap(({ labels }) => labels),
  'le',
  'quantile',
])

const UNIT_NAMES: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' }

/** Of a histogram, the name without `_bucket`, `_sum` and `_count`. */
export function prometheusName({ name, kind, unit }: Metric): string {
  const unitName = UNIT_NAMES[unit]
  const parts = ['dcache', ...name.split('.'), ...(unitName === undefined ? [] : [unitName])]
  return parts.join('_') + (kind === 'counter' ? '_total' : '')
}

export const openTelemetryName = ({ name }: Metric): string => `dcache.${name}`
