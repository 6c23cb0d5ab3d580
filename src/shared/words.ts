/**
 * The words of shared memory: for each kind of record the index of each of its words, and for words of state their values.
 * The comment of a word names its guard: `round` is the group's round mutex, `stripe` the mutex of the directory stripe,
 * `policy` the policy mutex, `latch` the frame's latch in exclusive mode, and `own` means that one thread writes the word and
 * others only read it. `WORDS` is the size of a record, rounded up if records must not share a cache line.
 *
 * Only enums. The build replaces their members by numbers: V8 does not fold imported constants, a fifth of a hit's time.
 */
export {
  Job,
  Syscall,
  Fence,
  JobState,
  JobResult,
  Group,
  Record,
  Records,
  Led,
  DelayedKick,
} from './round-words.js'

export enum Header {
  magic, // these four and the geometry, the first two cache lines, never change after openCache
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
  ghostWords,
  loans,
  writers,
  // The third cache line: what hits and copies read. Little of it changes, and none of it in a hit.
  state = 32, // EngineState; atomic, written by the owner
  standing, // counts the changes of `state` and of the standing of partitions, see engine-state.ts; atomic
  freed, // epoch: a frame may have become free
  freedWaiters, // 1: a thread may wait for it; atomic
  frames, // the frames from 0 on that blocks may use; atomic, the owner adds under policy
  partitionsEnd, // numbers of partitions from here on were never used; atomic, written by the owner
  flushDelayMs, // settings, as are the next three; atomic, written by the owner
  writeRateLow, // bytes per second; 0 no limit
  writeRateHigh,
  readAheadBytes,
  roundsTold, // 1: the owner's thread has subscribers to rounds (workers/round-news.ts); atomic, written by the owner
  tick, // policy adaptive: its clock, 16 bits (uses.ts); policy, changes each time that a 64th part of the pool was inserted
  halfLife, // policy adaptive: of a use, in two ticks; policy, changes with tick
  // The fourth: what misses change, and doorbells.
  policyMutex = 48, // guards the free list, and the policy's words and heap
  freeHead, // policy
  freeCount, // policy
  policySize, // policy lru2: frames that are in it; policy
  policyClock, // policy lru2: counts uses; policy
  bell, // epoch, the flush worker's doorbell; any thread adds
  heartbeat, // the last ring that the flush worker answered; own, or the owner's while there is no flush worker
  hintBell, // epoch, the reader's doorbell; any thread adds
  // The fifth: policy adaptive; policy.
  tickPart = 64, // insertions since the tick, times 64
  newOldest, // the head of the loop of NEW (parts.ts)
  newSize,
  newTarget, // frames that NEW should have, as are the counts in parts of a frame (new-share.ts)
  newOut, // evictions from NEW, lately
  newBack, // and of these the blocks that came back soon, while a frame of MAIN was idle for longer
  newIdle, // and those of blocks whose last use was as long ago as NEW is long
  mainOut,
  mainBack,
  mainGain, // what more frames of MAIN would have brought
  mainSize,
  mainHand, // the place in MAIN where the next sample begins
  mainSweep, // and where ages are limited next
  measured, // the frames in use for which newTarget is
  ghostSweep, // the ghost that is removed next if it is old
  WORDS = 80,
}

export enum EngineState {
  OPEN = 1,
  CLOSING = 2,
  CLOSED = 3,
  BROKEN = 4,
  ORPHANED = 5,
}

export enum Partition {
  standing, // generation and PartitionState, see partition-record.ts; atomic, written by the owner
  frames, // frames in its share, see shares.ts; kept when the number gets another partition; policy
  oldestFrame, // the head of their loop, see shares.ts; the same
  group, // fixed while the partition is open, as are the next eight words
  readOnly,
  blockSize,
  fd,
  offsetLow,
  offsetHigh,
  direct,
  nameBytes,
  share, // the most of all frames that it may have, in parts of 2^30; 0 no limit
  blocksLow, // written by the owner, as is the next word
  blocksHigh,
  fenced, // round: Fence
  failedClass, // of its last failure, as are the next two; the flush worker, or a thread that leads a round
  errno,
  syscall, // a Syscall
  dirty, // blocks of it on the dirty list; round
  changed, // 1 from the first change of a block until it was quiet for some time: it needs a writer; round
  calls, // odd while a thread that writes its blocks is inside a system call; that thread adds, atomic
  inRound, // 1: the round under way still has blocks of it to write; round, cleared by the flush worker without it
  marked, // 1: its file has a mark, which tells that it belongs to a journal; fixed while the partition is open
  WORDS = 32,
}

/** The lower bits of `Partition.standing`. */
export enum PartitionState {
  FREE = 0,
  OPEN = 1,
  LEAVING = 2,
  MASK = 3,
  BITS = 2,
}

export enum Frame {
  latch, // see latch.ts; atomic
  state, // stamp, CHANGING, ABSENT: see stamp.ts; atomic, `round` for the stamp but see alone.ts
  next, // hash chain; stripe, read without it
  keyHigh, // the block's key (key.ts), 0 = none; changes under latch and stripe; a thread with a pin may read it
  keyLow, // also the key
  version, // counts exclusive latches; a thread that copies without a pin compares it before and after; latch
  undo, // spare plus one, or Undo; latch holder, under round too if the spare is the group's
  saved, // list of spares, newest first; round
  dirtyNext, // dirty list, both ways; round
  dirtyPrevious,
  released, // what a release that waits for the mutex does: a class, or RELEASED_UNCHANGED; latch holder, then round
  pendingNext, // link of the group's pending stack
  policySlot, // index in the policy's structure plus one; for a free frame, the link of the free list; policy
  used, // policy
  used2, // policy; adaptive: uses, any thread stores
  since, // when the exclusive latch was taken, on clockMs; 0 by a fill or a write that is not timed; latch holder
  WORDS = 16,
}

/** A link of the dirty list: one of these, or a frame plus one. */
export enum DirtyLink {
  END = -1,
  /** The frame is not on the list. */
  NONE = 0,
  /** This minus a spare: the frame is lent to that spare (changes/loans.ts). */
  LENT = -2,
}

/** What a release that waits for the round mutex does (`Frame.released`): this, or a class. */
export enum Released {
  UNCHANGED = -1,
  /** Added to a class: the next frame on the stack was pushed together with this one. */
  MORE = 8,
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
  OLDER = 1 << 5,
  TAKEN = 1 << 6,
  EPOCH_SHIFT = 7,
}

/** `Frame.undo`: this, or a spare plus one. */
export enum Undo {
  /** A change without an undo image is being copied into the frame; after a death it is rolled forward. */
  INTENT = -1,
  NONE = 0,
}

export enum Spare {
  stamp, // as in Frame.state, 0 = written; round
  next, // free list, or list of saved images; or the thread that keeps it (spares.ts); round
  start, // which bytes of the block it holds: all, except in the undo image of a declared range; latch holder
  length,
  frame, // of a loan: the pool's frame that has its bytes, plus one, 0 = none; round
  WORDS = 5,
}

/** What a block was worth that policy `adaptive` has evicted; policy. */
export enum Ghost {
  hash, // of its key; 0 none
  uses, // as Frame.used2, with the tick of the eviction, and 1 if it was in MAIN
  WORDS,
}

export enum Slot {
  state, // SlotState; atomic
  threadId, // own, as are all that follow
  guards, // number of guards that it holds
  inIo, // number of system calls that may access the files or frames; own, atomic add to enter
  waitsEnd, // its published waits are in the records before this one; atomic
  serves, // the frame plus one whose waiters it is serving or healing; atomic
  hintsGiven, // hints that it has passed to the reader; atomic, stored after the hint
  hintsTaken, // hints that the reader has taken; atomic, the reader's
  neverBlocks, // 1: its thread attached so, or is the owner's; written and read by that thread
  osThread, // the system's id of the thread, 0 unknown
  fence, // what `fenceLoads` stores into; never read
  WORDS = 16,
}

/** One published wait (waits.ts); written by the slot's thread. The other words are valid while `what` is not 0. */
export enum Wait {
  what, // WaitKind and SLEEPS, 0 none; atomic, stored last
  at, // a frame, a group, or the word of a mutex
  since, // on the clock of clockTicks
  wake, // epoch: a thread that lets this call in, or has news for it, adds; atomic
  WORDS = 4,
}

/** Blocks to read ahead; written by the slot's thread before `hintsGiven`. */
export enum Hint {
  keyHigh, // the key of the first block, as in Frame
  keyLow,
  count,
  purpose, // Purpose of victims.ts
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

/** The lower bits of a journal entry: see slot.ts. */
export enum Journal {
  FREE = 0,
  TAKING = 1,
  HELD = 2,
  GIVING = 3,
}
