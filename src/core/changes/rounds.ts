/**
 * Asking for rounds and waiting for them: kick, delayed kick, flush. A round is wanted while `want` is after `done`;
 * the flush worker (writeback.ts) runs it. Everything that a thread may wait for here moves the group's turn condition.
 */
import { load, store } from '#atomics'
import type { CacheError } from '../../shared/errors.js'
import { FLUSH_SLOT } from '../../shared/layout.js'
import type { Ticket } from '../../shared/round.js'
import { isOwed } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { Deadline, DEFAULT_TIMEOUT_MS, type Slow, timedOut } from '../../shared/wait.js'
import { ringBell, want } from '../wait/bell.js'
import type { Core } from '../context.js'
import { fencedError } from '../wait/failure.js'
import { dirtyFrames, imageStamps } from './images.js'
import { settle } from './pending.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { Watch } from '../wait/watch.js'
import { Counter, Group, Partition, Slot } from '../../shared/words.js'

/** How long one call of a writer into the system counts as work. A disk with a long backlog takes minutes for an fsync. */
const CALL_PATIENCE_MS = 600_000

/** Gets a group's round mutex, waiting for it, and does what was left for whoever has it. */
export function* lockRound(core: Core, group: number, deadline: Deadline): Slow<void> {
  const mutex = core.rounds[group]!
  if (!mutex.tryLock(core.slot.index)) {
    core.slot.count(Counter.mutexStalls)
    yield* waitForMutex(core, mutex, deadline)
  }
  catchUp(core, group)
}

/** The same without waiting; false when somebody has it. */
export function tryLockRound(core: Core, group: number): boolean {
  if (!core.rounds[group]!.tryLock(core.slot.index)) return false
  catchUp(core, group)
  return true
}

/** Releases and kicks of threads that could not wait. @requires round mutex */
export function catchUp(core: Core, group: number): void {
  const { words } = core
  const at = core.arena.groupAt(group)
  settle(core, group)
  if (words[at + Group.kicked] === 0) return
  store(words, at + Group.kicked, 0)
  if (words[at + Group.dirty]! > 0) want(core, group, words[at + Group.epoch]!)
}

/**
 * Gives the round mutex up. A thread that could not wait for it may have left a release or a kick meanwhile: who leaves
 * one tries the mutex afterwards, and who unlocks looks afterwards, so one of the two does it.
 */
export function unlockRound(core: Core, group: number): void {
  for (;;) {
    core.rounds[group]!.unlock()
    if (core.bellDue) {
      core.bellDue = false
      ringBell(core)
    }
    if (core.sparesFreed) {
      core.sparesFreed = false
      core.spares[group]!.signal()
    }
    const at = core.arena.groupAt(group)
    if (load(core.words, at + Group.pending) === 0 && load(core.words, at + Group.kicked) === 0) return
    if (!tryLockRound(core, group)) return
  }
}

/** Starts a round of what is dirty now. Whoever has the mutex looks after it, if somebody has. */
export function kick(core: Core, group: number): void {
  store(core.words, core.arena.groupAt(group) + Group.kicked, 1)
  if (tryLockRound(core, group)) unlockRound(core, group)
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
  core: Core,
  targets: readonly FlushTarget[],
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Slow<void> {
  core.slot.count(Counter.flushes)
  const waits: { target: FlushTarget; ticket: Ticket }[] = []
  for (const target of targets) {
    const { group } = target
    yield* lockRound(core, group, new Deadline(timeoutMs))
    const epoch = core.words[core.arena.groupAt(group) + Group.epoch]!
    if (isAnyOwed(core, target, epoch)) {
      want(core, group, epoch)
      waits.push({ target, ticket: core.turns[group]!.ticket(epoch) })
    }
    unlockRound(core, group)
  }
  let failure: CacheError | undefined
  for (const { target, ticket } of waits) {
    if ((yield* waitForRound(core, target.group, ticket, timeoutMs)) === 'done') continue
    const error = fencedError(core, target.group)
    yield* lockRound(core, target.group, new Deadline(timeoutMs))
    // By any stamp: what the ticket stood for may have been changed again since, and is owed with that change.
    if (isAnyOwed(core, target, core.words[core.arena.groupAt(target.group) + Group.epoch]!)) failure = error
    unlockRound(core, target.group)
  }
  if (failure) throw failure
}

/** Whether an image of the scope, stamped up to `epoch`, is not durable yet. @requires round mutex */
function isAnyOwed(core: Core, { group, covers }: FlushTarget, epoch: number): boolean {
  const at = core.arena.groupAt(group)
  if (covers === undefined && epoch === core.words[at + Group.epoch]) return core.words[at + Group.dirty]! > 0
  return dirtyFrames(core, group).some(
    (frame) => (covers?.(frame) ?? true) && imageStamps(core, frame).some((stamp) => isOwed(stamp, epoch)),
  )
}

/** Why nothing moves, where the engine knows: the owner can't start a flush worker at the moment (workers/crew.ts). */
function idleText({ words, arena }: Core): string {
  const isThere = words[arena.slotAt(FLUSH_SLOT) + Slot.threadId] !== 0
  return isThere ? '' : '; the flush worker has ended, and could not be replaced yet'
}

function* waitForRound(
  core: Core,
  group: number,
  ticket: Ticket,
  timeoutMs: number,
): Slow<'done' | 'failed'> {
  const { slot } = core
  const watch = new Watch(core)
  const progress = new Progress(core, group, timeoutMs)
  const look = () => {
    watch.look()
    return progress.deadline()
  }
  slot.waits(watch, 'flush', group)
  try {
    return yield* core.turns[group]!.settled(ticket, look, () => progress.expired())
  } finally {
    slot.waitsNoMore(watch)
  }
}

/** What a patient flush sees of its group's writers. */
class Progress {
  readonly #core: Core
  readonly #group: number
  readonly #timeoutMs: number
  #seen = ''
  #deadline: Deadline

  constructor(core: Core, group: number, timeoutMs: number) {
    this.#core = core
    this.#group = group
    this.#timeoutMs = timeoutMs
    this.#deadline = new Deadline(timeoutMs)
  }

  /** When the flush has to end, as things are now. */
  deadline(): Deadline {
    const { words, arena } = this.#core
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
    const { words, arena, partitions } = this.#core
    const stuck = this.#writers().filter((partition) =>
      isInCall(load(words, arena.partitionAt(partition) + Partition.calls)),
    )
    const names = stuck.map((partition) => `'${partitions[partition]!.name}'`).join(', ')
    const what =
      stuck.length === 0
        ? `no block was written${idleText(this.#core)}`
        : `one write or fsync of ${names} does not end`
    return timedOut(`the flush stood still: ${what}`, this.#deadline.timeoutMs)
  }

  #writers(): number[] {
    return this.#core.partitions.filter(({ group }) => group === this.#group).map(({ index }) => index)
  }
}

/** Of the word `calls` of a partition. */
const isInCall = (calls: number): boolean => (calls & 1) !== 0
