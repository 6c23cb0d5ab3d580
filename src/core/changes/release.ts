/**
 * Giving a changed block back. A change exists from here on: `commit` is one store under the round mutex. A thread that
 * may not wait for that mutex leaves its release on the group's pending stack, the block still latched; whoever has the
 * mutex finishes it.
 */
import { and, store } from '#atomics'
import type { FrameIndex } from '../../shared/indices.js'
import { Deadline, runSync } from '../../shared/wait.js'
import { TRACE } from '../../shared/trace.js'
import { blockOf, type Core, leave, partitionOf } from '../context.js'
import { applyUndo, closeEpochFor, commit, uncommit } from './images.js'
import { push } from './pending.js'
import { lockRound, tryLockRound, unlockRound } from './rounds.js'
import { Frame, Released, State } from '../../shared/words.js'

/**
 * The change is made, with this class (1 + place in writeOrder).
 * @requires the frame's latch, CHANGING; both are given up
 * @takes round mutex, or the pending stack when `maySleep` is false and somebody has it
 */
export function releaseChanged(
  core: Core,
  group: number,
  frame: FrameIndex,
  writeClass: number,
  maySleep: boolean,
): void {
  if (core.tracer.on) traceBlock(core, TRACE['block.dirty'], frame, writeClass)
  if (!lockForRelease(core, group, maySleep)) {
    leaveToOthers(core, group, frame, writeClass)
    return
  }
  closeEpochFor(core, group, frame, writeClass)
  commit(core, group, frame, writeClass)
  unlockRound(core, group)
  leave(core, frame)
}

/**
 * Nothing was changed: what was absent stays so, what was dirty stays dirty.
 * @requires as releaseChanged
 */
export function releaseUnchanged(core: Core, group: number, frame: FrameIndex, maySleep: boolean): void {
  const at = core.arena.frameAt(frame)
  if (core.words[at + Frame.undo] === 0) {
    and(core.words, at + Frame.state, ~State.CHANGING)
    leave(core, frame)
    return
  }
  if (!lockForRelease(core, group, maySleep)) {
    leaveToOthers(core, group, frame, Released.UNCHANGED)
    return
  }
  uncommit(core, group, frame)
  unlockRound(core, group)
  leave(core, frame)
}

/**
 * The block is again as it was when it was acquired: from its image, or, where it was clean, from the disk when
 * somebody asks.
 * @requires as releaseChanged
 */
export function discardChange(core: Core, group: number, frame: FrameIndex, maySleep: boolean): void {
  const at = core.arena.frameAt(frame)
  if (core.words[at + Frame.undo] === 0) {
    store(core.words, at + Frame.state, State.ABSENT)
    leave(core, frame)
    return
  }
  applyUndo(core, frame)
  releaseUnchanged(core, group, frame, maySleep)
}

/** Who pushes tries the mutex once more: its holder may have looked at the stack for the last time before the push. */
function leaveToOthers(core: Core, group: number, frame: FrameIndex, released: number): void {
  push(core, group, frame, released)
  if (tryLockRound(core, group)) unlockRound(core, group)
}

function lockForRelease(core: Core, group: number, maySleep: boolean): boolean {
  if (tryLockRound(core, group)) return true
  if (!maySleep) return false
  try {
    runSync(lockRound(core, group, new Deadline()), core.mayBlock)
    return true
  } catch {
    return false // too long: it is left to whoever has the mutex
  }
}

function traceBlock(core: Core, point: number, frame: FrameIndex, value: number): void {
  const at = core.arena.frameAt(frame)
  core.tracer.record(point, partitionOf(core.words, at), blockOf(core.words, at), value)
}
