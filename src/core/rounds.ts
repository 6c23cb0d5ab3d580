/**
 * Asking for rounds and waiting for them: kick, delayed kick, flush. A round is wanted while `want` is after `done`;
 * the flush worker (writeback.ts) runs it. Everything that a thread may wait for here moves the group's turn condition.
 */
import { compareExchange, exchange, load } from '#atomics'
import type { CacheError } from '../shared/errors.js'
import { Frame, Group } from '../shared/layout.js'
import type { Ticket } from '../shared/round.js'
import { COUNTER } from '../shared/slot.js'
import { Deadline, DEFAULT_TIMEOUT_MS, type Slow, timedOut } from '../shared/wait.js'
import { ringBell, want } from './bell.js'
import { type Core, leave } from './core.js'
import { fencedError } from './failure.js'
import { settlePending } from './images.js'

/** Gets a group's round mutex, waiting for it, and settles what is pending. */
export function* lockRound(core: Core, group: number, deadline: Deadline): Slow<void> {
  const mutex = core.rounds[group]!
  if (!mutex.tryLock(core.slot.index)) {
    core.slot.count(COUNTER.mutexStalls)
    yield* mutex.lock(core.slot.index, deadline)
  }
  settle(core, group)
}

/** The same without waiting; false when somebody has it. */
export function tryLockRound(core: Core, group: number): boolean {
  if (!core.rounds[group]!.tryLock(core.slot.index)) return false
  settle(core, group)
  return true
}

/**
 * Gives the round mutex up. A thread that could not wait for it may have pushed its release meanwhile: who pushes
 * tries the mutex afterwards, and who unlocks looks at the stack afterwards, so one of the two settles it.
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
    if (load(core.words, core.arena.groupAt(group) + Group.pending) === 0) return
    if (!tryLockRound(core, group)) return
  }
}

function settle(core: Core, group: number): void {
  const pendingAt = core.arena.groupAt(group) + Group.pending
  while (core.words[pendingAt] !== 0) {
    for (const frame of settlePending(core, group, exchange(core.words, pendingAt, 0))) leave(core, frame)
  }
}

/** Starts a round of what is dirty now, unless the mutex is busy: then somebody else is at work here already. */
export function kick(core: Core, group: number): void {
  if (!tryLockRound(core, group)) return
  wantAll(core, group)
  unlockRound(core, group)
}

function wantAll(core: Core, group: number): void {
  const at = core.arena.groupAt(group)
  if (core.words[at + Group.dirty]! > 0) want(core, group, core.words[at + Group.epoch]!)
}

/**
 * Returns when all that was released in these groups before the call is durable. Groups go on side by side.
 * The deadline is for a device that stands still: it is put off while blocks are being written.
 * @throws ERR_DCACHE_FENCED, ERR_DCACHE_TIMEOUT
 */
export function* flush(core: Core, groups: readonly number[], timeoutMs = DEFAULT_TIMEOUT_MS): Slow<void> {
  core.slot.count(COUNTER.flushes)
  const tickets: { group: number; ticket: Ticket }[] = []
  for (const group of groups) {
    const at = core.arena.groupAt(group)
    yield* lockRound(core, group, new Deadline(timeoutMs))
    if (core.words[at + Group.dirty]! > 0) {
      const epoch = core.words[at + Group.epoch]!
      want(core, group, epoch)
      tickets.push({ group, ticket: core.turns[group]!.ticket(epoch) })
    }
    unlockRound(core, group)
  }
  let failure: CacheError | undefined
  for (const { group, ticket } of tickets) {
    const outcome = yield* waitForRound(core, group, ticket, timeoutMs)
    if (outcome === 'failed') failure = fencedError(core, group)
  }
  if (failure) throw failure
}

function* waitForRound(
  core: Core,
  group: number,
  ticket: Ticket,
  timeoutMs: number,
): Slow<'done' | 'failed'> {
  const { words, slot } = core
  const writtenAt = core.arena.groupAt(group) + Group.written
  let deadline = new Deadline(timeoutMs)
  let written = load(words, writtenAt)
  const look = () => {
    core.assertRunning()
    if (load(words, writtenAt) !== written) {
      written = load(words, writtenAt)
      deadline = new Deadline(timeoutMs)
    }
    ringBell(core) // a wakeup may have died with its sender
    return deadline
  }
  slot.waits('flush', group)
  try {
    return yield* core.turns[group]!.settled(ticket, look, () =>
      timedOut('the flush stood still: no block was written', timeoutMs),
    )
  } finally {
    slot.waitsNoMore()
  }
}

/** Hands a release to whoever has the round mutex. @requires the frame's latch, which is given up by the settler */
export function pushPending(core: Core, group: number, frame: number, released: number): void {
  const { words, arena } = core
  const at = arena.frameAt(frame)
  words[at + Frame.released] = released
  const pendingAt = arena.groupAt(group) + Group.pending
  for (;;) {
    const head = load(words, pendingAt)
    words[at + Frame.pendingNext] = head
    if (compareExchange(words, pendingAt, head, frame + 1) === head) break
  }
  if (tryLockRound(core, group)) unlockRound(core, group)
}
