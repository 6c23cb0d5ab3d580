/**
 * Statistics: sums over the slots, and frames by state (frame-counts.ts). Plain reads, concurrently with other threads: each number is
 * true of some moment, but not all of the same one.
 */
import { load, type Words } from '#atomics'
import type {
  CacheStats,
  GroupStats,
  JournalStats,
  LatencyStats,
  PartitionStats,
} from '../../shared/reports.js'
import { stateName } from '../../shared/engine-state.js'
import { BUCKETS, summarize, upperMs } from '../../shared/histogram.js'
import { countOf } from '../../shared/partition-record.js'
import type { Context, PartitionView } from '../context.js'
import { freeSpares } from '../changes/spares.js'
import { nextPlace } from '../journal/place.js'
import { countFrames } from './frame-counts.js'
import { liveSlots } from './threads.js'
import { Counter, GroupCounter, Latency, PartitionCounter } from '../../shared/counter-words.js'
import { Fence, Group, Header, Partition } from '../../shared/words.js'

/** Any thread; takes no lock. */
export function stats(context: Context): CacheStats {
  const { arena, words } = context
  const { geometry } = arena
  const sum = (name: Exclude<keyof typeof Counter, 'COUNT'>): number => {
    let total = 0
    for (let slot = 0; slot < geometry.slots; slot++)
      total += arena.counters[arena.countersAt(slot) + Counter[name]]!
    return total
  }
  const ends = load(words, Header.partitionsEnd)
  const sumAll = (name: Exclude<keyof typeof PartitionCounter, 'COUNT'>): number => {
    let total = 0
    for (let partition = 0; partition < ends; partition++)
      total += countOf(arena, partition, PartitionCounter[name])
    return total
  }
  const [hits, misses] = [sumAll('hits'), sumAll('misses')]
  const frames = countFrames(context)
  const groups = Array.from({ length: geometry.groups }, (_, group) => groupStats(context, group))
  const sumGroups = (count: (group: GroupStats) => number): number =>
    groups.reduce((total, group) => total + count(group), 0)
  return {
    state: stateName(words) ?? 'open',
    lookups: hits + misses,
    hits,
    misses,
    reads: hits + misses - sumAll('overwrites'),
    writes: sumAll('writes'),
    size: arena.frames,
    memoryBytes: arena.bytesInUse,
    dirty: sumGroups(({ dirty }) => dirty),
    flushes: sum('flushes'),
    stalls: sum('frameStalls'),
    lookupTimeMs: sum('lookupTimeMs'),
    blockStalls: sum('latchStalls'),
    diskReads: sumAll('diskReads'),
    diskReadBytes: sumAll('diskReadBytes'),
    diskWrites: sumAll('diskWrites'),
    diskWriteBytes: sumAll('diskWriteBytes'),
    rounds: sumGroups(({ rounds }) => rounds),
    failedRounds: sumGroups(({ failedRounds }) => failedRounds),
    evictions: sum('evictions'),
    fences: sum('fences'),
    deaths: sum('deaths'),
    prefetch: {
      loaded: sum('prefetched'),
      dropped: sum('prefetchDropped'),
      unused: sum('prefetchUnused'),
    },
    blocks: frames.byState,
    spares: {
      free: sumGroups(({ spares }) => spares.free),
      total: sumGroups(({ spares }) => spares.total),
    },
    waits: {
      frame: sum('frameStalls'),
      latch: sum('latchStalls'),
      dirtyLimit: sum('dirtyStalls'),
      spare: sum('spareStalls'),
      mutex: sum('mutexStalls'),
      timeMs: sum('stallTimeMs'),
    },
    writerStalls: statsOf(stallBuckets(context)),
    traceEntries: geometry.traceEntries,
    threads: liveSlots(context).length,
    groups: Object.fromEntries(groups.map((group, i) => [context.groups[i]!, group])),
    partitions: Object.fromEntries(
      context.partitions.all().map((view) => [view.name, partitionStats(context, view, frames.cached)]),
    ),
  }
}

function groupStats(context: Context, group: number): GroupStats {
  const { arena, words } = context
  const at = arena.groupAt(group)
  const count = (word: number): number => words[at + word]! >>> 0
  return {
    index: group,
    dirty: count(Group.dirty),
    dirtyLimit: count(Group.dirtyMax),
    rounds: count(Group.rounds),
    failedRounds: count(Group.failures),
    spares: {
      free: freeSpares(context, group),
      total: arena.geometry.spares / arena.geometry.groups + count(Group.lent),
    },
    journal: journalStats(context, group),
  }
}

function journalStats(context: Context, group: number): JournalStats | undefined {
  const { arena, words } = context
  const journal = context.journals[group]
  if (journal === undefined) return undefined
  const { number, at } = nextPlace(context, group)
  return {
    records: number - 1,
    writtenBytes: arena.groupCounters[arena.groupCountersAt(group) + GroupCounter.recordBytes]!,
    fsync: latencyStats(words, arena.recordLatencyAt(group)),
    usedBytes: at,
    halfBytes: journal.halfBytes,
  }
}

/** `cached`: how many blocks of each partition frames hold. */
function partitionStats(
  { arena, words, groups }: Context,
  view: PartitionView,
  cached: ArrayLike<number>,
): PartitionStats {
  const { index } = view
  const at = arena.partitionAt(index)
  const own = (counter: number): number =>
    countOf(arena, index, counter) - arena.partitionCounters[arena.partitionBaseAt(index) + counter]!
  const [hits, misses] = [own(PartitionCounter.hits), own(PartitionCounter.misses)]
  const fsync = latencyStats(words, arena.latencyAt(index, Latency.fsync))
  return {
    index,
    group: groups[view.group]!,
    blocks: view.look(),
    blockSize: view.blockSize,
    hits,
    misses,
    reads: hits + misses - own(PartitionCounter.overwrites),
    writes: own(PartitionCounter.writes),
    overwrites: own(PartitionCounter.overwrites),
    cached: cached[index]!,
    dirty: words[at + Partition.dirty]!,
    isFenced: words[at + Partition.fenced] !== Fence.OPEN,
    diskReads: own(PartitionCounter.diskReads),
    diskReadBytes: own(PartitionCounter.diskReadBytes),
    diskWrites: own(PartitionCounter.diskWrites),
    diskWriteBytes: own(PartitionCounter.diskWriteBytes),
    fsyncs: fsync.count,
    read: latencyStats(words, arena.latencyAt(index, Latency.read)),
    fsync,
  }
}

function latencyStats(words: Words, at: number): LatencyStats {
  return statsOf(Array.from({ length: BUCKETS }, (_, bucket) => words[at + bucket]! >>> 0))
}

function statsOf(counts: readonly number[]): LatencyStats {
  const buckets = counts.flatMap((count, bucket) => (count > 0 ? [{ upToMs: upperMs(bucket), count }] : []))
  return { ...summarize(counts), buckets }
}

function stallBuckets({ words, arena }: Context): number[] {
  const sum = new Array<number>(BUCKETS).fill(0)
  for (let i = 0; i < arena.geometry.slots * BUCKETS; i++)
    sum[i % BUCKETS]! += words[arena.stallsAt + i]! >>> 0
  return sum
}
