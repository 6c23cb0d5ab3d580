/**
 * Releasing a block that was latched for a change. The change exists from here on: `commitAlone` is one compare-and-swap without
 * a mutex (alone.ts); where that is not possible, `commit` is one store under the round mutex. A thread that may not wait for that mutex leaves its release on the group's pending stack, with the block still
 * latched, and the holder of the mutex finishes it (pending.ts).
 */
import { and, store } from '#atomics'
import type { FrameIndex } from '../../shared/indices.js'
import { FIRST_CLASS } from '../../shared/stamp.js'
import { Deadline, runSync } from '../../shared/wait.js'
import { TRACE } from '../../shared/trace.js'
import { blockOf, type Context, leave, partitionOf, assertLatched } from '../context.js'
import { commitAlone, loseUndo, uncommitAlone } from './alone.js'
import { closeEpochFor, commit, uncommit } from './images.js'
import { push, pushAll, type Release } from './pending.js'
import { classIn } from './recorded.js'
import { lockRound, tryLockRound, unlockRound } from './rounds.js'
import { applyUndo } from './undo.js'
import { Frame, Released, State } from '../../shared/words.js'

/**
 * Commits the change in this class (1 + index in writeOrder) and releases the block.
 * @requires the frame's latch, CHANGING; both are released
 * @takes nothing (alone.ts), else the round mutex; or the pending stack, if `maySleep` is false and another thread holds the mutex
 */
export function releaseChanged(
  context: Context,
  group: number,
  frame: FrameIndex,
  writeClass: number,
  maySleep: boolean,
): void {
  assertLatched(context, frame)
  if (context.tracesBlocks) traceBlock(context, TRACE['block.dirty'], frame, writeClass)
  const released = classIn(context, group, writeClass)
  if (released === FIRST_CLASS && commitAlone(context, group, frame)) {
    leave(context, frame)
    return
  }
  loseUndo(context, group, frame)
  if (!lockForRelease(context, group, maySleep)) {
    leaveToOthers(context, group, frame, released)
    return
  }
  closeEpochFor(context, group, frame, released)
  commit(context, group, frame, released)
  unlockRound(context, group)
  leave(context, frame)
}

/**
 * Releases a block that was not changed: an absent block stays absent, a dirty one stays dirty.
 * @requires as releaseChanged
 */
export function releaseUnchanged(
  context: Context,
  group: number,
  frame: FrameIndex,
  maySleep: boolean,
): void {
  assertLatched(context, frame)
  const at = context.arena.frameAt(frame)
  if (context.words[at + Frame.undo] === 0) {
    and(context.words, at + Frame.state, ~State.CHANGING)
    leave(context, frame)
    return
  }
  if (uncommitAlone(context, group, frame)) {
    leave(context, frame)
    return
  }
  loseUndo(context, group, frame)
  if (!lockForRelease(context, group, maySleep)) {
    leaveToOthers(context, group, frame, Released.UNCHANGED)
    return
  }
  uncommit(context, group, frame)
  unlockRound(context, group)
  leave(context, frame)
}

/**
 * Restores the block to what it was when it was acquired, and releases it. A dirty block is restored from its undo image. A
 * clean one has none: it becomes absent, and the next access reads it from the disk.
 * @requires as releaseChanged
 */
export function discardChange(context: Context, group: number, frame: FrameIndex, maySleep: boolean): void {
  assertLatched(context, frame)
  const at = context.arena.frameAt(frame)
  if (context.words[at + Frame.undo] === 0) {
    store(context.words, at + Frame.state, State.ABSENT)
    leave(context, frame)
    return
  }
  applyUndo(context, frame)
  releaseUnchanged(context, group, frame, maySleep)
}

/**
 * Commits several changes of a group at one moment, and releases their blocks. The commit is one compare-and-swap, which puts
 * them on the pending stack, also when the mutex is free; the thread then settles them itself, unless another one has the mutex.
 * It does not wait for that one, which settles them before it unlocks.
 * @requires the latches of the frames, which differ; CHANGING; `released` is a class. All are released
 * @takes the pending stack; then the round mutex, if it is free
 */
export function releaseTogether(context: Context, group: number, changes: readonly Release[]): void {
  for (const { frame, released } of changes) {
    assertLatched(context, frame)
    if (context.tracesBlocks) traceBlock(context, TRACE['block.dirty'], frame, released)
    loseUndo(context, group, frame)
  }
  pushAll(
    context,
    group,
    changes.map(({ frame, released }) => ({ frame, released: classIn(context, group, released) })),
  )
  settleOrLeave(context, group)
}

/** Tries the mutex once more after the push: its holder may have checked the stack for the last time before the push. */
function leaveToOthers(context: Context, group: number, frame: FrameIndex, released: number): void {
  push(context, group, frame, released)
  settleOrLeave(context, group)
}

/** Settles what this thread has pushed, unless another thread holds the mutex. */
function settleOrLeave(context: Context, group: number): void {
  if (tryLockRound(context, group)) unlockRound(context, group)
}

function lockForRelease(context: Context, group: number, maySleep: boolean): boolean {
  if (tryLockRound(context, group)) return true
  if (!maySleep) return false
  try {
    runSync(lockRound(context, group, new Deadline()), context.mayBlock)
    return true
  } catch {
    return false // waited too long: leave the release to the holder of the mutex
  }
}

function traceBlock(context: Context, point: number, frame: FrameIndex, value: number): void {
  const at = context.arena.frameAt(frame)
  context.tracer.record(point, partitionOf(context.words, at), blockOf(context.words, at), value)
}
