/**
 * The memory map: the regions of the shared buffer, in order, with sizes computed from the geometry. The header contains the
 * geometry, so that every thread that attaches computes the same map.
 */
import { CacheError } from './errors.js'
import { BUCKETS } from './histogram.js'
import type { PolicyName } from './options.js'
import { Counter, GroupCounter, Latency, PartitionCounter } from './counter-words.js'
import { Ghost, Frame, Group, Header, Hint, Job, Partition, Slot, Spare, Wait } from './words.js'

export const MAGIC = 0x64636163
export const VERSION = 14

/** The most pins that a thread may hold at once; the length of its journal. */
export const GUARDS_MAX = 256
/** Uses that a thread records before it passes them to the policy in one batch (BP-Wrapper, ICDE 2009). */
export const NOTES_MAX = 64
/** The most waits that a thread can publish at once, and how many of them may be for something other than frames. */
export const WAITS_MAX = 320
export const OTHER_WAITS_MAX = 64
/** The most hints of a thread that the reader has not taken yet. */
export const HINTS_MAX = 8
/** Bytes of a thread's name in the buffer. */
export const NAME_BYTES = 64
/** Bytes of the smallest and of the largest block. */
export const BLOCK_SIZE_MIN = 512
export const BLOCK_SIZE_MAX = 65536
/** Slots are assigned in this order: owner, flush worker, writers, reader, attached threads. */
export const OWNER_SLOT = 0
export const FLUSH_SLOT = 1
export const writerSlot = (writer: number): number => FLUSH_SLOT + 1 + writer
export const readerSlot = ({ writers }: Pick<Geometry, 'writers'>): number => writerSlot(writers)
export const firstClientSlot = (geometry: Pick<Geometry, 'writers'>): number => readerSlot(geometry) + 1
/** Lock words contain `slot + 1` in 8 bits, which limits the number of slots. */
export const SLOTS_MAX = 254
export const CLASSES_MAX = 7
export const PARTITIONS_MAX = 4096
/** Bytes of a partition's name: as many as of the name of an export of the NBD protocol. */
export const PARTITION_NAME_BYTES = 4096
/** The most writers. Each writes one partition at a time; with more of them at once a disk is no faster. */
export const WRITERS_MAX = 16

/** A cache line: see trace.ts. */
export const TRACE_WORDS = 16
export const EVENTS_MAX = 64
/** Includes the record's sequence word. */
export const EVENT_RECORD_WORDS = 8

/** What the map is computed from. The header contains it. */
export interface Geometry {
  /** Frames that hold blocks. */
  readonly blocks: number
  /** Frames that hold undo and saved images; a multiple of the number of groups. */
  readonly spares: number
  /** Further records of spares, whose bytes are borrowed from the pool (changes/loans.ts); a multiple of the number of groups. */
  readonly loans: number
  /** Bytes of a frame: the largest block size among the partitions. */
  readonly frameSize: number
  /** The most partitions at a time. */
  readonly partitions: number
  readonly groups: number
  readonly slots: number
  /** The most writers at a time. */
  readonly writers: number
  /** Stripes of the directory, each with a mutex; a power of two. */
  readonly stripes: number
  /** Hash buckets; a power of two, at least as many as blocks. */
  readonly buckets: number
  readonly traceEntries: number
  readonly classes: number
  /** Words of what policy `adaptive` remembers of evicted blocks; 0 with another policy. */
  readonly ghostWords: number
}

export const GEOMETRY_FIELDS = [
  'blocks', 'spares', 'loans', 'frameSize', 'partitions', 'groups', 'slots', 'stripes', 'buckets', 'traceEntries', 'classes', 'ghostWords', 'writers',
] as const satisfies readonly (keyof Geometry)[] // prettier-ignore

interface Region {
  readonly name: RegionName
  readonly align: number
  readonly bytes: (g: Geometry) => number
}
export type RegionName =
  | 'header'
  | 'partitions'
  | 'jobs'
  | 'groups'
  | 'stripes'
  | 'slots'
  | 'names'
  | 'journals'
  | 'waits'
  | 'notes'
  | 'hints'
  | 'counters'
  | 'stalls'
  | 'latencies'
  | 'recordLatencies'
  | 'groupCounters'
  | 'frames'
  | 'spares'
  | 'buckets'
  | 'policy'
  | 'owners'
  | 'ghosts'
  | 'plan'
  | 'events'
  | 'trace'
  | 'data'
  | 'partitionNames'
  | 'partitionCounters'

/** Of a frame: the partition that has it in its share, and two links; see shares.ts. */
export const OWNER_WORDS = 3
/** Records in a set of ghosts of policy `adaptive`: a cache line. */
export const GHOST_SET = 8
const GHOST_SETS_MIN = 4

/** The ghosts of a policy: two for each block with `adaptive`, none with `lru2`. */
export function ghostWordsOf(policy: PolicyName, blocks: number): number {
  if (policy === 'lru2') return 0
  return Math.max(GHOST_SETS_MIN, Math.ceil((2 * blocks) / GHOST_SET)) * GHOST_SET * Ghost.WORDS
}

/** The mutex of each stripe has a cache line of its own. */
export const STRIPE_WORDS = 16
export const COUNTER_STRIDE = Math.ceil(Counter.COUNT / 8) * 8

export const GROUP_COUNTER_STRIDE = Math.ceil(GroupCounter.COUNT / 8) * 8

/** Doubles in a row of partitions' counters. */
export const partitionCounters = (g: Pick<Geometry, 'partitions'>): number =>
  g.partitions * PartitionCounter.COUNT

/** Bytes of all frames. */
export const dataBytes = (g: Geometry): number => (g.blocks + g.spares) * g.frameSize

const REGIONS: readonly Region[] = [
  { name: 'header', align: 64, bytes: () => Header.WORDS * 4 },
  { name: 'partitions', align: 64, bytes: (g) => g.partitions * Partition.WORDS * 4 },
  { name: 'jobs', align: 64, bytes: (g) => g.writers * Job.WORDS * 4 },
  { name: 'groups', align: 64, bytes: (g) => g.groups * Group.WORDS * 4 },
  { name: 'stripes', align: 64, bytes: (g) => g.stripes * STRIPE_WORDS * 4 },
  { name: 'slots', align: 64, bytes: (g) => g.slots * Slot.WORDS * 4 },
  { name: 'names', align: 64, bytes: (g) => g.slots * NAME_BYTES },
  { name: 'journals', align: 64, bytes: (g) => g.slots * GUARDS_MAX * 4 },
  { name: 'waits', align: 64, bytes: (g) => g.slots * WAITS_MAX * Wait.WORDS * 4 },
  { name: 'notes', align: 64, bytes: (g) => g.slots * NOTES_MAX * 4 },
  { name: 'hints', align: 64, bytes: (g) => g.slots * HINTS_MAX * Hint.WORDS * 4 },
  { name: 'counters', align: 64, bytes: (g) => g.slots * COUNTER_STRIDE * 8 },
  { name: 'stalls', align: 64, bytes: (g) => g.slots * BUCKETS * 4 },
  { name: 'latencies', align: 64, bytes: (g) => g.partitions * Latency.COUNT * BUCKETS * 4 },
  { name: 'recordLatencies', align: 64, bytes: (g) => g.groups * BUCKETS * 4 },
  { name: 'groupCounters', align: 64, bytes: (g) => g.groups * GROUP_COUNTER_STRIDE * 8 },
  { name: 'frames', align: 64, bytes: (g) => g.blocks * Frame.WORDS * 4 },
  { name: 'spares', align: 64, bytes: (g) => (g.spares + g.loans) * Spare.WORDS * 4 },
  { name: 'buckets', align: 64, bytes: (g) => g.buckets * 4 },
  { name: 'policy', align: 64, bytes: (g) => g.blocks * 4 },
  { name: 'owners', align: 64, bytes: (g) => g.blocks * OWNER_WORDS * 4 },
  { name: 'ghosts', align: 64, bytes: (g) => g.ghostWords * 4 },
  { name: 'plan', align: 64, bytes: (g) => g.blocks * 4 },
  { name: 'events', align: 64, bytes: () => (16 + EVENTS_MAX * EVENT_RECORD_WORDS) * 4 },
  {
    name: 'trace',
    align: 64,
    bytes: (g) => (g.traceEntries === 0 ? 0 : 16 + g.traceEntries * TRACE_WORDS) * 4,
  },
  { name: 'data', align: 4096, bytes: dataBytes },
  // Behind the frames: they are not words, and few of their pages are ever used.
  { name: 'partitionNames', align: 4096, bytes: (g) => g.partitions * PARTITION_NAME_BYTES },
  // A row for each slot, and one of what the counters were when a number was given to its present partition.
  { name: 'partitionCounters', align: 4096, bytes: (g) => (g.slots + 1) * partitionCounters(g) * 8 },
]

export type Layout = Readonly<Record<RegionName, number>> & {
  /** Bytes before the block frames; all words are in them. */
  readonly dataStart: number
  readonly totalBytes: number
}

/**
 * Computes the byte offsets of all regions.
 * @throws ERR_DCACHE_MEMORY if the words do not fit into one typed array (4 GiB)
 */
export function layoutOf(geometry: Geometry): Layout {
  const offsets: Partial<Record<RegionName, number>> = {}
  let end = 0
  for (const { name, align, bytes } of REGIONS) {
    const start = Math.ceil(end / align) * align
    offsets[name] = start
    end = start + bytes(geometry)
  }
  const layout = offsets as Record<RegionName, number>
  if (layout.data > 2 ** 32 - 4096) {
    throw new CacheError(
      'ERR_DCACHE_MEMORY',
      `${geometry.blocks} blocks need ${layout.data} bytes of descriptors, but the limit is 4 GiB; use less memory or larger blocks`,
    )
  }
  return { ...layout, dataStart: layout.data, totalBytes: end }
}
