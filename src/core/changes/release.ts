/**
 * Giving a changed block back. A change exists from here on: `commit` is one store under the round mutex. A thread that
 * may not wait for that mutex leaves its release on the group's pending stack, the block still latched; whoever has the
 * mutex finishes it.
 */
import { and, store } from '#atomics'
import type { FrameIndex } from '../../shared/indices.js'
import { Deadline, runSync } from '../../shared/wait.js'
import { TRACE } from '../../shared/trace.js'
import { blockOf, type Context, leave, partitionOf } from '../context.js'
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
  context: Context,
  group: number,
  frame: FrameIndex,
  writeClass: number,
  maySleep: boolean,
): void {
  if (context.isTraced) traceBlock(context, TRACE['block.dirty'], frame, writeClass)
  if (!lockForRelease(context, group, maySleep)) {
    leaveToOthers(context, group, frame, writeClass)
    return
  }
  closeEpochFor(context, group, frame, writeClass)
  commit(context, group, frame, writeClass)
  unlockRound(context, group)
  leave(context, frame)
}

/**
 * Nothing was changed: what was absent stays so, what was dirty stays dirty.
 * @requires as releaseChanged
 */
export function releaseUnchanged(
  context: Context,
  group: number,
  frame: FrameIndex,
  maySleep: boolean,
): void {
  const at = context.arena.frameAt(frame)
  if (context.words[at + Frame.undo] === 0) {
    and(context.words, at + Frame.state, ~State.CHANGING)
    leave(context, frame)
    return
  }
  if (!lockForRelease(context, group, maySleep)) {
    leaveToOthers(context, group, frame, Released.UNCHANGED)
    return
  }
  uncommit(context, group, frame)
  unlockRound(context, group)
  leave(context, frame)
}

/**
 * The block is again as it was when it was acquired: from its image, or, where it was clean, from the disk when
 * somebody asks.
 * @requires as releaseChanged
 */
export function discardChange(context: Context, group: number, frame: FrameIndex, maySleep: boolean): void {
  const at = context.arena.frameAt(frame)
  if (context.words[at + Frame.undo] === 0) {
    store(context.words, at + Frame.state, State.ABSENT)
    leave(context, frame)
    return
  }
  applyUndo(context, frame)
  releaseUnchanged(context, group, frame, maySleep)
}

/** Who pushes tries the mutex once more: its holder may have looked at the stack for the last time before the push. */
function leaveToOthers(context: Context, group: number, frame: FrameIndex, released: number): void {
  push(context, group, frame, released)
  if (tryLockRound(context, group)) unlockRound(context, group)
}

function lockForRelease(context: Context, group: number, maySleep: boolean): boolean {
  if (tryLockRound(context, group)) return true
  if (!maySleep) return false
  try {
    runSync(lockRound(context, group, new Deadline()), context.mayBlock)
    return true
  } catch {
    return false // too long: it is left to whoever has the mutex
  }
}

function traceBlock(context: Context, point: number, frame: FrameIndex, value: number): void {
  const at = context.arena.frameAt(frame)
  context.tracer.record(point, partitionOf(context.words, at), blockOf(context.words, at), value)
}
