/**
 * Asking for rounds and waiting for them: kick, delayed kick, flush. A round is wanted while `want` is after `done`;
 * the flush worker (writeback.ts) runs it. Everything that a thread may wait for here moves the group's turn condition.
 */
import { load, store } from '#atomics'
import type { CacheError } from '../../shared/errors.js'
import { FLUSH_SLOT } from '../../shared/layout.js'
import type { Ticket } from '../../shared/round.js'
import { isUnwritten } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { Deadline, DEFAULT_TIMEOUT_MS, type Slow, timedOut } from '../../shared/wait.js'
import { ringBell, want } from '../wait/bell.js'
import type { Context } from '../context.js'
import { fencedError } from '../wait/failure.js'
import { dirtyFrames, imageStamps } from './images.js'
import { settle } from './pending.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { Watch } from '../wait/watch.js'
import { Counter, Group, Partition, Slot } from '../../shared/words.js'

/** How long one call of a writer into the system counts as work. A disk with a long backlog takes minutes for an fsync. */
const CALL_PATIENCE_MS = 600_000

/** Gets a group's round mutex, waiting for it, and does what was left for whoever has it. */
export function* lockRound(context: Context, group: number, deadline: Deadline): Slow<void> {
  const mutex = context.roundMutexes[group]!
  if (!mutex.tryLock(context.slot.index)) {
    context.slot.count(Counter.mutexStalls)
    yield* waitForMutex(context, mutex, deadline)
  }
  catchUp(context, group)
}

/** The same without waiting; false when somebody has it. */
export function tryLockRound(context: Context, group: number): boolean {
  if (!context.roundMutexes[group]!.tryLock(context.slot.index)) return false
  catchUp(context, group)
  return true
}

/** Releases and kicks of threads that could not wait. @requires round mutex */
export function catchUp(context: Context, group: number): void {
  const { words } = context
  const at = context.arena.groupAt(group)
  settle(context, group)
  if (words[at + Group.kicked] === 0) return
  store(words, at + Group.kicked, 0)
  if (words[at + Group.dirty]! > 0) want(context, group, words[at + Group.epoch]!)
}

/**
 * Gives the round mutex up. A thread that could not wait for it may have left a release or a kick meanwhile: who leaves
 * one tries the mutex afterwards, and who unlocks looks afterwards, so one of the two does it.
 */
export function unlockRound(context: Context, group: number): void {
  for (;;) {
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

/** Starts a round of what is dirty now. Whoever has the mutex looks after it, if somebody has. */
export function kick(context: Context, group: number): void {
  store(context.words, context.arena.groupAt(group) + Group.kicked, 1)
  if (tryLockRound(context, group)) unlockRound(context, group)
}

/** What a flush is about: a group, or some of its blocks. */
export interface FlushTarget {
  readonly group: number
  /** Whether a frame's block is in the scope; undefined: all are. */
  readonly covers?: (frame: FrameIndex) => boolean
}

/**
 * Returns when all that was released in the scope before the call is durable. Groups go on side by side; threads that
 * ask at the same moment share a round. A round writes its group's whole cut, which is more than a small scope asked
 * for: when one fails, a scope of which nothing is owed any more is durable all the same.
 * The deadline is for an engine that stands still: it is put off whenever a writer has begun or ended a call into the system,
 * and while one is inside a call, up to ten minutes. Such a call can't be interrupted, and does not say how far it is.
 * @throws ERR_DCACHE_FENCED, ERR_DCACHE_TIMEOUT
 */
export function* flush(
  context: Context,
  targets: readonly FlushTarget[],
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Slow<void> {
  context.slot.count(Counter.flushes)
  const waits: { target: FlushTarget; ticket: Ticket }[] = []
  for (const target of targets) {
    const { group } = target
    yield* lockRound(context, group, new Deadline(timeoutMs))
    const epoch = context.words[context.arena.groupAt(group) + Group.epoch]!
    if (isAnyUnwritten(context, target, epoch)) {
      want(context, group, epoch)
      waits.push({ target, ticket: context.rounds[group]!.ticket(epoch) })
    }
    unlockRound(context, group)
  }
  let failure: CacheError | undefined
  for (const { target, ticket } of waits) {
    if ((yield* waitForRound(context, target.group, ticket, timeoutMs)) === 'done') continue
    const error = fencedError(context, target.group)
    yield* lockRound(context, target.group, new Deadline(timeoutMs))
    // By any stamp: what the ticket stood for may have been changed again since, and is owed with that change.
    if (isAnyUnwritten(context, target, context.words[context.arena.groupAt(target.group) + Group.epoch]!))
      failure = error
    unlockRound(context, target.group)
  }
  if (failure) throw failure
}

/** Whether an image of the scope, stamped up to `epoch`, is not durable yet. @requires round mutex */
function isAnyUnwritten(context: Context, { group, covers }: FlushTarget, epoch: number): boolean {
  const at = context.arena.groupAt(group)
  if (covers === undefined && epoch === context.words[at + Group.epoch])
    return context.words[at + Group.dirty]! > 0
  return dirtyFrames(context, group).some(
    (frame) =>
      (covers?.(frame) ?? true) && imageStamps(context, frame).some((stamp) => isUnwritten(stamp, epoch)),
  )
}

/** Why nothing moves, where the engine knows: the owner can't start a flush worker at the moment (workers/crew.ts). */
function idleText({ words, arena }: Context): string {
  const isThere = words[arena.slotAt(FLUSH_SLOT) + Slot.threadId] !== 0
  return isThere ? '' : '; the flush worker has ended, and could not be replaced yet'
}

function* waitForRound(
  context: Context,
  group: number,
  ticket: Ticket,
  timeoutMs: number,
): Slow<'done' | 'failed'> {
  const { slot } = context
  const watch = new Watch(context)
  const progress = new Progress(context, group, timeoutMs)
  const look = () => {
    watch.look()
    return progress.deadline()
  }
  slot.waits(watch, 'flush', group)
  try {
    return yield* context.rounds[group]!.settled(ticket, look, () => progress.expired())
  } finally {
    slot.waitsNoMore(watch)
  }
}

/** What a patient flush sees of its group's writers. */
class Progress {
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

  /** When the flush has to end, as things are now. */
  deadline(): Deadline {
    const { words, arena } = this.#context
    const calls = this.#writers().map((partition) =>
      load(words, arena.partitionAt(partition) + Partition.calls),
    )
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
    const names = stuck.map((partition) => `'${partitions[partition]!.name}'`).join(', ')
    const what =
      stuck.length === 0
        ? `no block was written${idleText(this.#context)}`
        : `one write or fsync of ${names} does not end`
    return timedOut(`the flush stood still: ${what}`, this.#deadline.timeoutMs)
  }

  #writers(): number[] {
    return this.#context.partitions.filter(({ group }) => group === this.#group).map(({ index }) => index)
  }
}

/** Of the word `calls` of a partition. */
const isInCall = (calls: number): boolean => (calls & 1) !== 0
