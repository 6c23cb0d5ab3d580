/**
 * The memory map: every region of the one SharedArrayBuffer, in order, its size computed from the geometry and its
 * alignment asserted. The header carries the geometry, so whoever attaches computes the same map. Comments name the
 * guard of each word: `round` is the group's round mutex, `stripe` the directory stripe's, `policy` the policy's,
 * `latch` the frame's latch in exclusive mode, `own` a word that one thread writes and others only read.
 */
import { CacheError } from './errors.js'
import { STALL_BUCKETS } from './stalls.js'
import { struct } from './struct.js'

export const MAGIC = 0x64636163
export const VERSION = 1

/** Pins a thread may hold at once, and with them the length of its journal. */
export const GUARDS_MAX = 256
/** Uses that a thread notes before it hands them to the policy in one batch (BP-Wrapper, ICDE 2009). */
export const NOTES_MAX = 64
/** Hints of a thread that the reader has not taken yet. */
export const HINTS_MAX = 8
/** Bytes of a thread's name. */
export const NAME_BYTES = 64
/** lock words that stand for `slot + 1` in 8 bits leave room for this many slots. */
export const SLOTS_MAX = 254
export const CLASSES_MAX = 7
export const PARTITIONS_MAX = 64

export const Header = struct(
  16,
  'magic', // these four and the geometry never change after openCache
  'version',
  'idLow',
  'idHigh',
  'blocks',
  'spares',
  'frameSize',
  'partitions',
  'groups',
  'slots',
  'stripes',
  'heads',
  'traceEntries',
  'classes',
  'ghosts',
  'state', // EngineState; atomic, the owner writes
  'bell', // the flush worker's doorbell: an epoch, anyone adds
  'heartbeat', // the last ring that the flush worker answered; own
  'hintBell', // the reader's doorbell: an epoch, anyone adds
  'freed', // epoch: a frame may have become free
  'freedWaiters', // somebody waits for it; atomic
  'policyMutex', // guards the free list, and the policy's words and heap
  'freeHead', // policy
  'freeCount', // policy
  'policySize', // policy: frames that are in it
  'policyClock', // policy: of lru2 ticks of use, of 2q insertions
  'fifoOldest', // policy 2q, as all that follows: the loops' heads (loop.ts)
  'fifoSize',
  'mainOldest',
  'ghostOldest',
  'ghostsUsed', // records that ever had a name
)

export const EngineState = { OPEN: 1, CLOSING: 2, CLOSED: 3, BROKEN: 4, ORPHANED: 5 } as const

export const Partition = struct(
  16,
  'group', // fixed, as are the next four
  'readOnly',
  'blockSize',
  'blocksLow',
  'blocksHigh',
  'fenced', // round: Fence
  'job', // JobState; atomic: the flush worker asks, the writer answers, the owner stops
  'jobStart', // first place in the plan; written before `job` by the flush worker, as the next two
  'jobCount',
  'jobClass',
  'result', // JobResult; written by the writer before `job`, as the errno
  'errno',
  'syscall', // 0 pwrite, 1 fsync
)

export const Fence = { OPEN: 0, FENCED: 1, RETRYING: 2 } as const
export const JobState = { IDLE: 0, ASKED: 1, STOP: 2 } as const
export const JobResult = { NONE: 0, OK: 1, FAILED: 2 } as const

export const Group = struct(
  32,
  'mutex', // the round mutex; guards all that follows unless said otherwise
  'epoch', // 27 bits, see stamp.ts
  'cut', // the cut that is being written, plus one; 0 none
  'bound', // images with a stamp up to here are kept until they are durable
  'want', // rounds are wanted until `done` is there
  'done', // everything stamped up to here is durable
  'failures', // how many rounds failed
  'failedTo', // the last of them spoke for everything stamped up to here
  'kicked', // a kick waits for this mutex; atomic, anyone sets
  'turn', // epoch: `done`, `failures`, a fence or the dirty count moved
  'turnWaiters', // somebody waits for it; atomic
  'delayed', // DelayedKick
  'dirty', // frames with an owed image: the length of the dirty list
  'dirtyHead', // the dirty list: frame plus one
  'dirtyMax', // fixed: at so many, changing a clean block waits
  'dirtyBackground', // fixed: at so many, writing begins though nobody asks
  'spareHead',
  'spareCount',
  'spareFreed', // epoch: a spare came back, or a round ended
  'spareWaiters', // somebody waits for one; atomic
  'pending', // stack of frames whose release waits for this mutex (RELEASED); atomic, anyone pushes
  'settling', // the part of it that the holder of the mutex is finishing: a frame plus one
  'rounds',
  'failedPartition', // of the last failure, as the next three
  'failedClass',
  'failedErrno',
  'failedSyscall',
  'written', // blocks written so far: progress that a patient flush looks at; atomic
  'fencedAt', // the epoch when the oldest fence rose
  'fences', // partitions fenced or retrying
)

export const DelayedKick = { NONE: 0, ASKED: 1, RUNNING: 2 } as const

export const Frame = struct(
  16,
  'latch', // see latch.ts; atomic
  'state', // stamp, CHANGING, ABSENT: see stamp.ts; atomic, `round` for the stamp
  'next', // hash chain; stripe, read without it
  'place', // the block's name (name.ts), 0 = none; changes under latch and stripe; read by who holds a pin
  'blockLow', // of the name too
  'version', // counts exclusive latches: who copies without a pin looks at it before and after; latch
  'undo', // spare plus one; latch holder under round
  'aside', // list of spares, newest first; round
  'dirtyNext', // dirty list, both ways; round
  'dirtyPrevious',
  'released', // what a release that waits for the mutex does: a class, or RELEASED_UNCHANGED; latch holder, then round
  'pendingNext', // link of the group's pending stack
  'policySlot', // place in the policy's structure plus one; of a free frame, the free list's link; policy
  'used', // policy
  'used2', // policy; 2q: uses, anyone adds
  'since', // when the exclusive latch was taken, on clockMs; latch holder
)

/** `Frame.released`: the block is given back as it was. */
export const RELEASED_UNCHANGED = -1

export const Spare = struct(
  4,
  'stamp', // as in Frame.state, 0 = not owed; round
  'next', // free list or aside list; round
  'start', // the bytes of the block that it holds: all, but for the undo of a declared range; latch holder
  'length',
)

/** A block that policy `2q` gave up; policy. */
export const Ghost = struct(
  1,
  'place', // its name, as in Frame; 0 none
  'blockLow',
  'newer', // loop of all records, by age
  'older',
  'next', // hash chain
  'head', // the hash head with this record's number
)

export const Slot = struct(
  16,
  'state', // SlotState; atomic
  'incarnation', // changes with every attach; owner of the slot
  'threadId', // own, as all that follows
  'guards', // how many guards it holds
  'inIo', // calls into the system that may touch the files or the frames; atomic
  'waitsFor', // WaitKind, and SLEEPS
  'waitsAt', // what it waits for: a frame, a group, the word of a mutex
  'waitsSince', // on clockMs
  'waitsCount', // how many of its calls wait; the other words say what the last of them waits for
  'hintsGiven', // hints that it has given the reader; atomic, stored after the hint
  'hintsTaken', // those that the reader has taken; atomic, the reader's
)

/** Blocks that the reader is to load; written by the slot's thread before `hintsGiven`. */
export const Hint = struct(
  4,
  'place', // the first block's name, as in Frame
  'blockLow',
  'count',
)

export const SlotState = { FREE: 0, LIVE: 1, DEAD: 2 } as const

/** Counters of a slot: doubles, counted by its thread alone and never reset (a death loses none). */
export const COUNTERS = [
  'hits',
  'misses',
  'overwrites',
  'writes',
  'lookupTimeMs',
  'frameStalls',
  'latchStalls',
  'dirtyStalls',
  'spareStalls',
  'mutexStalls',
  'stallTimeMs',
  'diskReads',
  'diskReadBytes',
  'diskWrites',
  'diskWriteBytes',
  'flushes',
  'evictions',
  'prefetched',
  'prefetchDropped',
  'prefetchUnused',
] as const
export type CounterName = (typeof COUNTERS)[number]

export const TRACE_WORDS = 8
export const EVENTS_MAX = 64
/** With the record's sequence. */
export const EVENT_RECORD_WORDS = 8

/** What the map is computed from; stands in the header. */
export interface Geometry {
  /** Frames that hold blocks. */
  readonly blocks: number
  /** Frames that hold images of blocks being changed or written; in a whole number for each group. */
  readonly spares: number
  /** Bytes of a frame: the largest block size among the partitions. */
  readonly frameSize: number
  readonly partitions: number
  readonly groups: number
  readonly slots: number
  /** Mutexes of the directory; a power of two. */
  readonly stripes: number
  /** Hash heads; a power of two, at least as many as blocks. */
  readonly heads: number
  readonly traceEntries: number
  readonly classes: number
  /** Names that policy `2q` remembers: as many as blocks; 0 with another policy. */
  readonly ghosts: number
}

export const GEOMETRY_FIELDS = [
  'blocks', 'spares', 'frameSize', 'partitions', 'groups', 'slots', 'stripes', 'heads', 'traceEntries', 'classes', 'ghosts',
] as const satisfies readonly (keyof Geometry)[] // prettier-ignore

interface Region {
  readonly name: RegionName
  readonly align: number
  readonly bytes: (g: Geometry) => number
}
export type RegionName =
  | 'header'
  | 'partitions'
  | 'groups'
  | 'stripes'
  | 'slots'
  | 'names'
  | 'journals'
  | 'notes'
  | 'hints'
  | 'counters'
  | 'stalls'
  | 'frames'
  | 'spares'
  | 'heads'
  | 'heap'
  | 'ghosts'
  | 'plan'
  | 'events'
  | 'trace'
  | 'data'

/** A stripe's mutex has a cache line of its own. */
export const STRIPE_WORDS = 16
export const COUNTER_STRIDE = Math.ceil(COUNTERS.length / 8) * 8

const REGIONS: readonly Region[] = [
  { name: 'header', align: 64, bytes: () => Header.WORDS * 4 },
  { name: 'partitions', align: 64, bytes: (g) => g.partitions * Partition.WORDS * 4 },
  { name: 'groups', align: 64, bytes: (g) => g.groups * Group.WORDS * 4 },
  { name: 'stripes', align: 64, bytes: (g) => g.stripes * STRIPE_WORDS * 4 },
  { name: 'slots', align: 64, bytes: (g) => g.slots * Slot.WORDS * 4 },
  { name: 'names', align: 64, bytes: (g) => g.slots * NAME_BYTES },
  { name: 'journals', align: 64, bytes: (g) => g.slots * GUARDS_MAX * 4 },
  { name: 'notes', align: 64, bytes: (g) => g.slots * NOTES_MAX * 4 },
  { name: 'hints', align: 64, bytes: (g) => g.slots * HINTS_MAX * Hint.WORDS * 4 },
  { name: 'counters', align: 64, bytes: (g) => g.slots * COUNTER_STRIDE * 8 },
  { name: 'stalls', align: 64, bytes: (g) => g.slots * STALL_BUCKETS * 4 },
  { name: 'frames', align: 64, bytes: (g) => g.blocks * Frame.WORDS * 4 },
  { name: 'spares', align: 64, bytes: (g) => g.spares * Spare.WORDS * 4 },
  { name: 'heads', align: 64, bytes: (g) => g.heads * 4 },
  { name: 'heap', align: 64, bytes: (g) => g.blocks * 4 },
  { name: 'ghosts', align: 64, bytes: (g) => g.ghosts * Ghost.WORDS * 4 },
  { name: 'plan', align: 64, bytes: (g) => g.blocks * 4 },
  { name: 'events', align: 64, bytes: () => (16 + EVENTS_MAX * EVENT_RECORD_WORDS) * 4 },
  {
    name: 'trace',
    align: 64,
    bytes: (g) => (g.traceEntries === 0 ? 0 : 16 + g.traceEntries * TRACE_WORDS) * 4,
  },
  { name: 'data', align: 4096, bytes: (g) => (g.blocks + g.spares) * g.frameSize },
]

export type Layout = Readonly<Record<RegionName, number>> & {
  /** Bytes before the block frames; all words stand there. */
  readonly dataStart: number
  readonly totalBytes: number
}

/**
 * Byte offsets of all regions.
 * @throws ERR_DCACHE_MEMORY when the words themselves would pass what one typed array can address (4 GiB)
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
      `${geometry.blocks} blocks need ${layout.data} bytes of descriptors; 4 GiB is the limit`,
    )
  }
  return { ...layout, dataStart: layout.data, totalBytes: end }
}
