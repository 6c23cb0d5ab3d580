/**
 * The words of a group, with its rounds and its journal, and those of the jobs that writers get. As words.ts, which has all others,
 * and through which these are imported too.
 */
/** What the flush worker asks a writer to do. */
export enum Job {
  state, // JobState; atomic: the flush worker requests, the writer answers and leaves, the owner stops
  partition, // written before `state` by the flush worker, as are the next three
  start, // first entry in the plan
  count,
  cut, // the cut of its round
  result, // JobResult; written by the writer before `state`, as are the next two
  errno,
  syscall, // a Syscall
  record, // 1: the blocks go to the journal of the partition's group, as one record; written as `cut`
  WORDS = 16,
}

/** The call that failed. */
export enum Syscall {
  WRITE = 0,
  FSYNC = 1,
  RECORD_WRITE = 2,
  RECORD_FSYNC = 3,
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
  /** The writer had nothing to do for some time, and is about to return its slot. */
  LEAVING = 3,
}

export enum JobResult {
  NONE = 0,
  OK = 1,
  FAILED = 2,
}

export enum Group {
  mutex, // the round mutex; guards all words below unless stated otherwise
  epoch, // 25 bits, see stamp.ts; atomic, stored under the mutex
  cut, // the cut that is being written, plus one; 0 none
  bound, // images with a stamp up to this epoch are kept until they are durable
  want, // rounds are requested until `done` reaches this
  done, // everything stamped up to this epoch is durable
  failures, // number of failed rounds
  failedTo, // the last of them covered everything stamped up to this epoch
  kicked, // a kick waits for this mutex; atomic, any thread sets it
  turn, // epoch: `done`, `failures`, a fence or the dirty count changed
  turnWaiters, // 1: a thread may wait for it; atomic
  delayed, // DelayedKick
  dirty, // frames with an unwritten image: the length of all dirty lists
  dirtyMax, // set by the owner: at this dirty count, changing a clean block waits
  dirtyBackground, // set by the owner: at this dirty count, background writing starts
  spareHead,
  spareCount,
  spareFreed, // epoch: a spare was released, or a round ended
  spareWaiters, // 1: a thread may wait for one; atomic
  pending, // stack of frames whose release waits for this mutex (RELEASED); atomic, any thread pushes
  settling, // the part of it that the holder of the mutex is finishing: a frame plus one
  rounds,
  failedPartition, // of the last failure, as are the next three
  failedClass,
  failedErrno,
  failedSyscall,
  written, // blocks written so far, the progress that flush checks; atomic
  fencedAt, // the epoch at which the oldest fence was raised
  fences, // number of partitions fenced or retrying
  leader, // the thread that runs the round under way: its slot plus one, or Led; round, read without it
  loanHead, // list of the loans without a frame: spare plus one
  lent, // number of loans that have one
  askedBack, // 1: a thread finds no frame for a block, and the free loans must return; atomic, any thread sets it
  stage, // the class that the round under way writes, 0 none: the classes before it are durable up to `cut`
  partial, // the thread that runs a partial round: its slot plus one, or Led; round, read without it
  partialCut, // the cut that it writes, plus one; 0 none
  partialThrough, // the last class that it writes
  partialPartition, // in which it failed; written before `partial` is FAILED
  partialFailures, // as `failures` and `failedTo`, of partial rounds
  partialFailedTo,
  yields, // 1: the flush worker wants to begin a round, and no thread begins a partial one before it
  flipped, // the epoch of the newest image whose block had an unwritten image of another class
  throughWant = 42, // for each class, as `want` for it and those before it; 7 words, as are the next two
  throughDone = 49,
  dirtyHeads = 56, // the dirty lists, by the class of the newest image: frame plus one
  recordMax = 63, // set by the owner: the most blocks of a record; 0 without a journal, then the words below are not used
  inEpoch, // at least as many blocks have been changed in the present epoch
  newest, // 0 or 1: which of `records` is the newest durable one
  owes, // 1: the older half of the journal has blocks that are not durable in place
  owedTo, // their stamps are not after this epoch
  places, // 1: blocks must be written in place soon; atomic, any thread sets it, the flush worker clears it
  stopped, // Records: whether a record may begin
  recordCalls, // odd while the thread that writes a record is inside a system call; that thread adds, atomic
  records = 71, // the newest record, and the one that is being written, see Record; 16 words
  arrived = 87, // how many flushes have asked for a record, see changes/gather.ts, as the next six
  atCut, // what that was at the last cut
  served, // how many of them the last cut has
  together,
  missed, // how many waits for others were in vain, in a row
  unawaited, // so many rounds begin without such a wait
  recordUs, // how long the last record of a leading thread took, microseconds
  WORDS = 96,
}

/** Where a record is in its journal (core/journal/place.ts). */
export enum Record {
  half,
  at, // pages from the beginning of the half
  pages, // its length; 0 if it stands for what came before the first record of a half
  numberLow,
  numberHigh,
  turnLow,
  turnHigh,
  cut, // everything stamped up to this epoch is in it or in a record before it
  WORDS,
}

/** `Group.stopped`. */
export enum Records {
  GO = 0,
  /** The next record is the last before the owner erases the journal. */
  LAST = 1,
  STOPPED = 2,
}

/** `Group.leader` and `Group.partial`, if it is not a slot plus one. */
export enum Led {
  /** No round is under way, or the flush worker runs it. */
  NONE = 0,
  /** The thread met a failure of a device, and left the end of its round to the flush worker. */
  FAILED = -1,
  /** The thread gave its round up: the flush worker drops the cut. */
  GAVE_UP = -2,
}

export enum DelayedKick {
  NONE = 0,
  ASKED = 1,
  RUNNING = 2,
}
