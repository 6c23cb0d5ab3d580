/**
 * Asking for rounds and waiting for them: kick, delayed kick, flush. A round is wanted while `want` is after `done`;
 * the flush worker (writeback.ts) runs it. Everything that a thread may wait for here moves the group's turn condition.
 */
import { compareExchange, exchange, load } from '#atomics'
import type { CacheError } from '../shared/errors.js'
import { Frame, Group } from '../shared/layout.js'
import { COUNTER } from '../shared/slot.js'
import { isAfter } from '../shared/stamp.js'
import { Deadline, DEFAULT_TIMEOUT_MS, sleep, type Slow, timedOut } from '../shared/wait.js'
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

/** What a flush waits for in one group. */
interface Target {
  readonly group: number
  readonly epoch: number
  readonly failures: number
}

/**
 * Returns when all that was released in these groups before the call is durable. Groups go on side by side.
 * The deadline is for a device that stands still: it is put off while blocks are being written.
 * @throws ERR_DCACHE_FENCED, ERR_DCACHE_TIMEOUT
 */
export function* flush(core: Core, groups: readonly number[], timeoutMs = DEFAULT_TIMEOUT_MS): Slow<void> {
  core.slot.count(COUNTER.flushes)
  const targets: Target[] = []
  for (const group of groups) {
    const at = core.arena.groupAt(group)
    yield* lockRound(core, group, new Deadline(timeoutMs))
    const target = { group, epoch: core.words[at + Group.epoch]!, failures: core.words[at + Group.failures]! }
    const isDirty = core.words[at + Group.dirty]! > 0
    if (isDirty) want(core, group, target.epoch)
    unlockRound(core, group)
    if (isDirty) targets.push(target)
  }
  let failure: CacheError | undefined
  for (const target of targets) failure = (yield* waitForRound(core, target, timeoutMs)) ?? failure
  if (failure) throw failure
}

function* waitForRound(core: Core, target: Target, timeoutMs: number): Slow<CacheError | undefined> {
  const { words, slot } = core
  const at = core.arena.groupAt(target.group)
  const turn = core.turns[target.group]!
  let deadline = new Deadline(timeoutMs)
  let written = load(words, at + Group.written)
  turn.enter()
  slot.waits('flush', target.group)
  try {
    for (;;) {
      const epoch = turn.epoch()
      if (!isAfter(target.epoch, load(words, at + Group.done))) return undefined
      if (load(words, at + Group.failures) !== target.failures) return fencedError(core, target.group)
      core.assertRunning()
      if (load(words, at + Group.written) !== written) {
        written = load(words, at + Group.written)
        deadline = new Deadline(timeoutMs)
      }
      yield* sleep(words, turn.at, epoch, deadline, () =>
        timedOut('the flush stood still: no block was written', timeoutMs),
      )
      ringBell(core) // a wakeup may have died with its sender
    }
  } finally {
    slot.waitsNoMore()
    turn.leave()
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
