/**
 * The words of shared memory: for each kind of record the place of each of its words, and for words of state their
 * values. Comments name the guard of each word: `round` is the group's round mutex, `stripe` the directory stripe's,
 * `policy` the policy's, `latch` the frame's latch in exclusive mode, `own` a word that one thread writes and others only
 * read. `WORDS` is the size of a record, rounded up where records must not share a cache line.
 *
 * Only enums stand here, and the build puts their numbers in place of the names, in every file (build.mjs): of what a
 * module imports V8 folds nothing, and a hit would spend a fifth of its time on looking up constants.
 */
export enum Header {
  magic, // these four and the geometry never change after openCache
  version,
  idLow,
  idHigh,
  blocks,
  spares,
  frameSize,
  partitions,
  groups,
  slots,
  stripes,
  buckets,
  traceEntries,
  classes,
  ghosts,
  state, // EngineState; atomic, the owner writes
  bell, // the flush worker's doorbell: an epoch, anyone adds
  heartbeat, // the last ring that the flush worker answered; own, or the owner's while there is no flush worker
  hintBell, // the reader's doorbell: an epoch, anyone adds
  freed, // epoch: a frame may have become free
  freedWaiters, // somebody waits for it; atomic
  policyMutex, // guards the free list, and the policy's words and heap
  freeHead, // policy
  freeCount, // policy
  policySize, // policy: frames that are in it
  policyClock, // policy: of lru2 ticks of use, of 2q insertions
  fifoOldest, // policy 2q, as all that follows: the loops' heads (loop.ts)
  fifoSize,
  mainOldest,
  ghostOldest,
  ghostsUsed, // records that ever had a name
  WORDS = 32,
}

export enum EngineState {
  OPEN = 1,
  CLOSING = 2,
  CLOSED = 3,
  BROKEN = 4,
  ORPHANED = 5,
}

export enum Partition {
  group, // fixed, as are the next four
  readOnly,
  blockSize,
  blocksLow,
  blocksHigh,
  fenced, // round: Fence
  job, // JobState; atomic: the flush worker asks, the writer answers, the owner stops
  jobStart, // first place in the plan; written before `job` by the flush worker, as the next two
  jobCount,
  jobClass,
  result, // JobResult; written by the writer before `job`, as the errno
  errno,
  syscall, // 0 pwrite, 1 fsync
  changed, // 1 once a block of it was changed: it needs a writer from then on; round
  calls, // odd while the writer is inside a call into the system; the writer adds, atomic
  WORDS = 16,
}

export enum Fence {
  OPEN = 0,
  FENCED = 1,
  RETRYING = 2,
}
export enum JobState {
  IDLE = 0,
  ASKED = 1,
  STOP = 2,
}
export enum JobResult {
  NONE = 0,
  OK = 1,
  FAILED = 2,
}

export enum Group {
  mutex, // the round mutex; guards all that follows unless said otherwise
  epoch, // 27 bits, see stamp.ts
  cut, // the cut that is being written, plus one; 0 none
  bound, // images with a stamp up to here are kept until they are durable
  want, // rounds are wanted until `done` is there
  done, // everything stamped up to here is durable
  failures, // how many rounds failed
  failedTo, // the last of them spoke for everything stamped up to here
  kicked, // a kick waits for this mutex; atomic, anyone sets
  turn, // epoch: `done`, `failures`, a fence or the dirty count moved
  turnWaiters, // somebody waits for it; atomic
  delayed, // DelayedKick
  dirty, // frames with an owed image: the length of the dirty list
  dirtyHead, // the dirty list: frame plus one
  dirtyMax, // fixed: at so many, changing a clean block waits
  dirtyBackground, // fixed: at so many, writing begins though nobody asks
  spareHead,
  spareCount,
  spareFreed, // epoch: a spare came back, or a round ended
  spareWaiters, // somebody waits for one; atomic
  pending, // stack of frames whose release waits for this mutex (RELEASED); atomic, anyone pushes
  settling, // the part of it that the holder of the mutex is finishing: a frame plus one
  rounds,
  failedPartition, // of the last failure, as the next three
  failedClass,
  failedErrno,
  failedSyscall,
  written, // blocks written so far: progress that a patient flush looks at; atomic
  fencedAt, // the epoch when the oldest fence rose
  fences, // partitions fenced or retrying
  WORDS = 32,
}

export enum DelayedKick {
  NONE = 0,
  ASKED = 1,
  RUNNING = 2,
}

export enum Frame {
  latch, // see latch.ts; atomic
  state, // stamp, CHANGING, ABSENT: see stamp.ts; atomic, `round` for the stamp
  next, // hash chain; stripe, read without it
  keyHigh, // the block's key (key.ts), 0 = none; changes under latch and stripe; read by who holds a pin
  keyLow, // of the key too
  version, // counts exclusive latches: who copies without a pin looks at it before and after; latch
  undo, // spare plus one; latch holder under round
  saved, // list of spares, newest first; round
  dirtyNext, // dirty list, both ways; round
  dirtyPrevious,
  released, // what a release that waits for the mutex does: a class, or RELEASED_UNCHANGED; latch holder, then round
  pendingNext, // link of the group's pending stack
  policySlot, // place in the policy's structure plus one; of a free frame, the free list's link; policy
  used, // policy
  used2, // policy; 2q: uses, anyone adds
  since, // when the exclusive latch was taken, on clockMs; latch holder
  WORDS = 16,
}

/** A link of the dirty list; otherwise it is the frame plus one. */
export enum DirtyLink {
  END = -1,
  /** The frame is not in the list. */
  NONE = 0,
}

/** What a release that waits for the round mutex does (`Frame.released`), beside a class. */
export enum Released {
  UNCHANGED = -1,
}

/** The latch word of a frame: see latch.ts. */
export enum Latch {
  PINS = 0xffff,
  WRITER_SHIFT = 16,
  WRITER = 0xff << WRITER_SHIFT,
  FROZEN = 1 << 24,
  MARK_WRITER = 1 << 25,
  MARK_READER = 1 << 26,
  MARKS = MARK_WRITER | MARK_READER,
  HANDED = 1 << 27,
}

/** The state word of a frame: see stamp.ts. */
export enum State {
  ABSENT = 1,
  CHANGING = 2,
  CLASS_SHIFT = 2,
  CLASS_MASK = 7 << CLASS_SHIFT,
  EPOCH_SHIFT = 5,
}

export enum Spare {
  stamp, // as in Frame.state, 0 = not owed; round
  next, // free list or aside list; round
  start, // the bytes of the block that it holds: all, but for the undo of a declared range; latch holder
  length,
  WORDS = 4,
}

/** A block that policy `2q` gave up; policy. */
export enum Ghost {
  keyHigh, // its name, as in Frame; 0 none
  keyLow,
  newer, // loop of all records, by age
  older,
  next, // hash chain
  bucket, // the hash bucket with this record's number
  WORDS = 6,
}

export enum Slot {
  state, // SlotState; atomic
  threadId, // own, as all that follows
  guards, // how many guards it holds
  inIo, // calls into the system that may touch the files or the frames; atomic
  waitsEnd, // its published waits stand in the records before this one; atomic
  serves, // the frame plus one whose waiters it looks after at this moment; atomic
  hintsGiven, // hints that it has given the reader; atomic, stored after the hint
  hintsTaken, // those that the reader has taken; atomic, the reader's
  neverBlocks, // 1: its thread said so when it attached, or is the owner's; written and read by that thread
  osThread, // the system's number of the thread, 0 unknown
  WORDS = 16,
}

/**
 * What one call of a thread waits for (waits.ts); written by the slot's thread. The other words are valid while `what` is
 * not 0.
 */
export enum Wait {
  what, // WaitKind and SLEEPS, 0 none; atomic, stored last
  at, // a frame, a group, the word of a mutex
  since, // on clockTicks
  wake, // epoch: the thread that lets this call in, or has news for it, adds; atomic
  WORDS = 4,
}

/** Blocks that the reader is to load; written by the slot's thread before `hintsGiven`. */
export enum Hint {
  keyHigh, // the first block's name, as in Frame
  keyLow,
  count,
  WORDS = 4,
}

/** See slot.ts. */
export enum SlotState {
  FREE = 0,
  LIVE = 1,
  DEAD = 2,
  ATTACHING = 3, // the only state with a claim above it
  CLAIM_SHIFT = 2,
}

/** The lower bits of an entry of a thread's journal: see slot.ts. */
export enum Journal {
  FREE = 0,
  TAKING = 1,
  HELD = 2,
  GIVING = 3,
}

/** Counters of a slot: doubles, counted by its thread alone and never reset (a death loses none). */
export enum Counter {
  hits,
  misses,
  overwrites,
  writes,
  lookupTimeMs,
  frameStalls,
  latchStalls,
  dirtyStalls,
  spareStalls,
  mutexStalls,
  stallTimeMs,
  diskReads,
  diskReadBytes,
  diskWrites,
  diskWriteBytes,
  flushes,
  evictions,
  prefetched,
  prefetchDropped,
  prefetchUnused,
  COUNT,
}
export type CounterName = Exclude<keyof typeof Counter, 'COUNT'>
