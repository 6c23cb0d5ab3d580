/**
 * Requesting rounds and waiting for them: kick, delayed kick, flush. A round is wanted while `want` is after `done`; the
 * flush worker runs it (writeback.ts). Everything that a thread may wait for here signals the group's turn condition.
 */
import { load, store } from '#atomics'
import type { CacheError } from '../../shared/errors.js'
import { FLUSH_SLOT } from '../../shared/layout.js'
import type { Round, Ticket } from '../../shared/round.js'
import { classOf, isUnwritten, RECORD_CLASS } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { Deadline, DEFAULT_TIMEOUT_MS, type Slow, timedOut } from '../../shared/wait.js'
import { ringBell, wantClean } from '../wait/bell.js'
import type { Context } from '../context.js'
import { spanEnd, spanStart } from '../spans.js'
import { fencedError } from '../wait/failure.js'
import { dirtyFrames, isFlipped } from './dirty-lists.js'
import { arrive, awaitOthers } from './gather.js'
import { imageStamps } from './images.js'
import { settle } from './pending.js'
import { hasInClass, hasJournal } from './recorded.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { Watch } from '../wait/watch.js'
import { Counter } from '../../shared/counter-words.js'
import { Group, Partition, Slot } from '../../shared/words.js'

/** How long one system call of a writer counts as progress. A disk with a long queue can take minutes for an fsync. */
const CALL_PATIENCE_MS = 600_000

/** Takes a group's round mutex, waiting for it, and finishes what other threads have left to its holder. */
export function* lockRound(context: Context, group: number, deadline: Deadline): Slow<void> {
  const mutex = context.roundMutexes[group]!
  if (!mutex.tryLock(context.slot.index)) {
    context.slot.count(Counter.mutexStalls)
    yield* waitForMutex(context, mutex, deadline)
  }
  catchUp(context, group)
}

/** As `lockRound`, without waiting. Returns false if another thread holds the mutex. */
export function tryLockRound(context: Context, group: number): boolean {
  if (!context.roundMutexes[group]!.tryLock(context.slot.index)) return false
  catchUp(context, group)
  return true
}

/** Finishes releases and kicks of threads that could not wait for the mutex. @requires round mutex */
export function catchUp(context: Context, group: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words } = context
  const at = context.arena.groupAt(group)
  settle(context, group)
  if (words[at + Group.kicked] === 0) return
  store(words, at + Group.kicked, 0)
  if (words[at + Group.dirty]! > 0) wantClean(context, group, words[at + Group.epoch]!)
}

/**
 * Releases the round mutex. A thread that could not wait for it may have left a release or a kick in the meantime. That
 * thread tries the mutex after it has left the work, and this function checks after it has unlocked, so one of the two finds
 * the work.
 * @requires round mutex
 */
export function unlockRound(context: Context, group: number): void {
  for (;;) {
    context.roundMutexes[group]!.assertHeld(context.slot.index)
    context.roundMutexes[group]!.unlock()
    if (context.bellDue) {
      context.bellDue = false
      ringBell(context)
    }
    if (context.spareFreedDue) {
      context.spareFreedDue = false
      context.spareFreed[group]!.signal()
    }
    const at = context.arena.groupAt(group)
    if (load(context.words, at + Group.pending) === 0 && load(context.words, at + Group.kicked) === 0) return
    if (!tryLockRound(context, group)) return
  }
}

/** Starts a round of what is dirty now. If another thread holds the mutex, it starts the round. */
export function kick(context: Context, group: number): void {
  store(context.words, context.arena.groupAt(group) + Group.kicked, 1)
  if (tryLockRound(context, group)) unlockRound(context, group)
}

/**
 * What a thread that flushes does for a round: it runs the round itself; waits a moment for other threads that will flush, before it
 * does (gather.ts); waits until it may, because another thread runs one; or asks the flush worker.
 */
export type Part = 'lead' | 'gather' | 'follow' | 'ask'

/** Small rounds, run by the thread that flushes (write-back/leader.ts). */
export interface RoundLeader {
  /**
   * Decides on the part of the calling thread; if it leads, its round has begun, and `run` must follow. With `through` it is a
   * partial round, up to this class. `hasGathered`: the thread has waited for others already. @requires round mutex
   */
  take(group: number, through: number | undefined, hasGathered: boolean): Part
  /** Whether a thread that follows may look again. */
  mayTake(group: number, through?: number): boolean
  /** Runs the round that `take` began. @takes round mutex, policy mutex */
  run(group: number): Slow<void>
}

/** What to flush: a group, or some of its blocks, or some of its classes. */
export interface FlushTarget {
  readonly group: number
  /** The last class that has to be durable, and does not wait for those after it; undefined for all. */
  readonly through?: number | undefined
  /** Whether a frame's block is in the scope; without it, all blocks of the group are. */
  readonly covers?: ((frame: FrameIndex) => boolean) | undefined
}

/**
 * Waits until all changes in the scope that were released before the call are durable. Groups are flushed in parallel, and
 * threads that flush at the same time share a round. A round writes the whole cut of its group, which may be more than the
 * scope: if the round fails, but nothing of the scope is unwritten any more, the flush succeeds.
 *
 * The timeout, in milliseconds, applies to an engine that makes no progress. It starts again whenever a writer begins or ends
 * a system call, and is extended to ten minutes while a writer is inside one: such a call cannot be interrupted, and does not
 * report its progress.
 * @throws ERR_DCACHE_FENCED, ERR_DCACHE_TIMEOUT
 */
export function* flush(
  context: Context,
  targets: readonly FlushTarget[],
  timeoutMs = DEFAULT_TIMEOUT_MS,
  leader?: RoundLeader,
): Slow<void> {
  context.slot.count(Counter.flushes)
  const waits: { target: FlushTarget; ticket: Ticket }[] = []
  // The flush worker runs the rounds of several groups concurrently; a thread could only run one after the other.
  const isOne = targets.filter(({ group }) => isAnyDirty(context, group)).length === 1
  for (const wanted of targets) {
    const target = wholeWithJournal(context, wanted)
    const ticket = yield* request(context, target, timeoutMs, isOne ? leader : undefined)
    if (ticket !== undefined) waits.push({ target, ticket })
  }
  let failure: CacheError | undefined
  for (const { target, ticket } of waits) {
    const outcome = roundOf(context, target).outcome(ticket)
    if ((outcome ?? (yield* waitForRound(context, target, ticket, timeoutMs))) === 'done') continue
    const error = fencedError(context, target.group)
    yield* lockRound(context, target.group, new Deadline(timeoutMs))
    // With any stamp: what the ticket stands for may have been changed again since, and is unwritten with that change.
    if (isAnyUnwritten(context, target, context.words[context.arena.groupAt(target.group) + Group.epoch]!))
      failure = error
    unlockRound(context, target.group)
  }
  if (failure) throw failure
}

/**
 * Sees to it that a round writes the scope; returns its ticket, or undefined if nothing of the scope is unwritten. With `leader`
 * the thread may run the round itself.
 */
function* request(
  context: Context,
  target: FlushTarget,
  timeoutMs: number,
  leader: RoundLeader | undefined,
): Slow<Ticket | undefined> {
  const { group, through } = target
  const round = roundOf(context, target)
  let ticket: Ticket | undefined
  let hasGathered = false
  for (;;) {
    yield* lockRound(context, group, new Deadline(timeoutMs))
    if (ticket === undefined) {
      const epoch = context.words[context.arena.groupAt(group) + Group.epoch]!
      if (isAnyUnwritten(context, target, epoch)) ticket = round.ticket(epoch)
      if (ticket !== undefined && hasJournal(context, group)) arrive(context, group)
    }
    const isOpen = ticket !== undefined && round.outcome(ticket) === undefined
    const part: Part = isOpen && leader !== undefined ? leader.take(group, through, hasGathered) : 'ask'
    if (isOpen && part === 'ask' && round.ask(ticket!.number)) context.bellDue = true
    unlockRound(context, group)
    if (part === 'lead') yield* leader!.run(group)
    if (part === 'lead' || part === 'ask') return ticket
    hasGathered = part === 'gather'
    if (hasGathered) yield* awaitOthers(context, group, round, ticket!)
    else yield* waitForRound(context, target, ticket!, timeoutMs, leader)
  }
}

/** A record has the whole cut, so with a journal nothing less can be flushed. */
const wholeWithJournal = (context: Context, target: FlushTarget): FlushTarget =>
  !hasJournal(context, target.group) || target.through === undefined
    ? target
    : { group: target.group, covers: target.covers }

/** Whether an image of the group is not durable; as of a moment ago, unless the thread has the round mutex. */
const isAnyDirty = (context: Context, group: number): boolean =>
  hasJournal(context, group)
    ? hasInClass(context, group, RECORD_CLASS)
    : load(context.words, context.arena.groupAt(group) + Group.dirty) > 0

/** The rounds that make a target durable: those of the whole group, or of its first classes. */
const roundOf = ({ rounds, throughs }: Context, { group, through }: FlushTarget): Round =>
  through === undefined ? rounds[group]! : throughs[group]![through - 1]!

/** Whether an image in the scope, stamped up to `epoch`, is not durable yet. @requires round mutex */
function isAnyUnwritten(context: Context, { group, covers, through }: FlushTarget, epoch: number): boolean {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const at = context.arena.groupAt(group)
  if (covers === undefined && through === undefined && epoch === context.words[at + Group.epoch])
    return isAnyDirty(context, group)
  const isJournaled = hasJournal(context, group)
  // A block that changed its class is in the list of its new one.
  const isInScope = (stamp: number) =>
    isUnwritten(stamp, epoch) &&
    (through === undefined || classOf(stamp) <= through) &&
    (!isJournaled || classOf(stamp) === RECORD_CLASS)
  return dirtyFrames(context, group, isFlipped(context, group) ? undefined : through).some(
    (frame) => (covers?.(frame) ?? true) && imageStamps(context, frame).some(isInScope),
  )
}

/** For messages: why there is no progress, if the owner cannot start a flush worker at the moment (workers/crew.ts). */
function idleText({ words, arena }: Context): string {
  const isThere = words[arena.slotAt(FLUSH_SLOT) + Slot.threadId] !== 0
  return isThere ? '' : '; the flush worker has ended, and no replacement could be started yet'
}

/** Waits for the result of a ticket; with `leader` also until it may lead a round, and then returns 'free'. */
function* waitForRound(
  context: Context,
  target: FlushTarget,
  ticket: Ticket,
  timeoutMs: number,
  leader?: RoundLeader,
): Slow<'done' | 'failed' | 'free'> {
  const { slot } = context
  const { group, through } = target
  const round = roundOf(context, target)
  const ready = () => round.outcome(ticket) ?? (leader?.mayTake(group, through) === true ? 'free' : undefined)
  const watch = new Watch(context)
  const progress = new Progress(context, group, timeoutMs)
  const look = () => {
    watch.look()
    return progress.deadline()
  }
  slot.waits(watch, 'flush', group)
  const startMs = spanStart(context)
  try {
    return yield* round.until<'done' | 'failed' | 'free'>(ready, look, () => progress.expired())
  } finally {
    slot.waitsNoMore(watch)
    spanEnd(context, 'wait.flush', startMs, group, 0, through)
  }
}

/** The progress of a group's writers, as a waiting flush sees it. */
export class Progress {
  readonly #context: Context
  readonly #group: number
  readonly #timeoutMs: number
  #seen = ''
  #deadline: Deadline

  constructor(context: Context, group: number, timeoutMs: number) {
    this.#context = context
    this.#group = group
    this.#timeoutMs = timeoutMs
    this.#deadline = new Deadline(timeoutMs)
  }

  /** When the flush must give up, as of now. */
  deadline(): Deadline {
    const { words, arena } = this.#context
    const calls = this.#writers().map((partition) =>
      load(words, arena.partitionAt(partition) + Partition.calls),
    )
    calls.push(load(words, arena.groupAt(this.#group) + Group.recordCalls))
    const seen = [load(words, arena.groupAt(this.#group) + Group.written), ...calls].join()
    if (seen !== this.#seen) {
      this.#seen = seen
      this.#deadline = new Deadline(
        calls.some(isInCall) ? Math.max(CALL_PATIENCE_MS, this.#timeoutMs) : this.#timeoutMs,
      )
    }
    return this.#deadline
  }

  expired(): CacheError {
    const { words, arena, partitions } = this.#context
    const stuck = this.#writers().filter((partition) =>
      isInCall(load(words, arena.partitionAt(partition) + Partition.calls)),
    )
    const names = stuck.map((partition) => `'${partitions.at(partition).name}'`)
    if (isInCall(load(words, arena.groupAt(this.#group) + Group.recordCalls)))
      names.push(`the journal ${this.#context.journals[this.#group]?.path}`)
    const what =
      names.length === 0
        ? `no block was written${idleText(this.#context)}`
        : `one write or fsync of ${names.join(', ')} does not return`
    return timedOut(`the flush made no progress: ${what}`, this.#deadline.timeoutMs)
  }

  #writers(): number[] {
    return this.#context.partitions.ofGroup(this.#group).map(({ index }) => index)
  }
}

/** For the word `calls` of a partition. */
const isInCall = (calls: number): boolean => (calls & 1) !== 0
