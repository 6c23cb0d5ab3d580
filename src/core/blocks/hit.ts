/**
 * Pins and latches of cached blocks, without waiting and without a lock that other blocks also use: one compare-and-swap on
 * the frame's own latch word, and a recheck of its key. Every other case is left to the slow path (acquire.ts). The hit path
 * for reads is in hit-path.ts.
 */
import { loadInOrder } from '#atomics'
import { tryPin, unpin } from '../../shared/latch.js'
import { clockMs } from '../../shared/clock.js'
import type { FrameIndex } from '../../shared/indices.js'
import { type Context, enter, leave, assertLatched, type PartitionView } from '../context.js'
import { isFull } from '../limits.js'
import { find, hasKey } from './directory.js'
import { isAlone, takeOwnUndo } from '../changes/alone.js'
import { awaitsClassChange, beginChange } from '../changes/images.js'
import { bindUndo, fillUndo, type Range } from '../changes/undo.js'
import { tryLockRound, unlockRound } from '../changes/rounds.js'
import { Frame, Header, Journal, State } from '../../shared/words.js'

/** Pins a frame that appears to hold the block; false if that needs a wait, or the frame holds something else by now. */
export function pinNamed(
  context: Context,
  frame: FrameIndex,
  keyHigh: number,
  keyLow: number,
  entry: number,
): boolean {
  const { words } = context
  const at = context.framesAt + frame * Frame.WORDS
  words[entry] = (frame << 2) | Journal.TAKING
  if (!tryPin(words, at + Frame.latch)) {
    words[entry] = Journal.FREE
    return false
  }
  words[entry] = (frame << 2) | Journal.HELD
  return isStillPinned(context, frame, keyHigh, keyLow, entry)
}

/** Whether a pinned frame holds the block and has contents. If not, releases the pin. @requires the pin */
export function isStillPinned(
  context: Context,
  frame: FrameIndex,
  keyHigh: number,
  keyLow: number,
  entry: number,
): boolean {
  const at = context.framesAt + frame * Frame.WORDS
  if (hasKey(context, at, keyHigh, keyLow) && (context.words[at + Frame.state]! & State.ABSENT) === 0)
    return true
  unpinFrame(context, frame, entry)
  return false
}

/** Releases a pin. Its journal entry becomes FREE, and still belongs to the caller. Any thread; no lock. @requires the pin */
export function unpinFrame(context: Context, frame: FrameIndex, entry: number): void {
  const { words } = context
  words[entry] = (frame << 2) | Journal.GIVING
  if (unpin(words, context.framesAt + frame * Frame.WORDS + Frame.latch)) context.latches.unpinned(frame)
  words[entry] = Journal.FREE
  if (loadInOrder(words, Header.freedWaiters) !== 0) context.freed.broadcast()
}

/**
 * A hit to change: latches the frame and sets CHANGING, if the block is cached, not held, and nothing has to be waited for;
 * else returns -1. Any thread; never waits.
 * @takes round mutex, if the block is dirty and the thread has no spare of its own for it
 */
export function latchHit(
  context: Context,
  partition: PartitionView,
  keyHigh: number,
  keyLow: number,
  range: Range,
): FrameIndex {
  const { words } = context
  const frame = latchNamed(context, keyHigh, keyLow)
  if (frame < 0) return -1
  const at = context.framesAt + frame * Frame.WORDS
  const isClean = (words[at + Frame.state]! & State.CLASS_MASK) === 0
  if (!(isClean ? !isFull(context, partition) : tryImage(context, partition.group, frame, range))) {
    leave(context, frame)
    return -1
  }
  words[at + Frame.since] = clockMs()
  beginChange(context, frame)
  return frame
}

/** Latches a frame that holds the block and has contents; -1 if there is none, or it is held. Any thread; never waits. */
export function latchNamed(context: Context, keyHigh: number, keyLow: number): FrameIndex {
  const frame = find(context, keyHigh, keyLow)
  if (frame < 0 || !enter(context, frame)) return -1
  const at = context.framesAt + frame * Frame.WORDS
  if (hasKey(context, at, keyHigh, keyLow) && (context.words[at + Frame.state]! & State.ABSENT) === 0)
    return frame
  leave(context, frame)
  return -1
}

/**
 * Takes an undo image of a dirty block, if mutex and spare are available, and no change of its class has to be written first.
 * @requires the frame's latch
 * @takes round mutex, unless the thread has a spare of its own for it
 */
function tryImage(context: Context, group: number, frame: FrameIndex, range: Range): boolean {
  assertLatched(context, frame)
  const alone = isAlone(context, frame)
  if (alone && takeOwnUndo(context, group, frame, range)) return true
  if (!tryLockRound(context, group)) return false
  const isBound = !awaitsClassChange(context, group, frame) && bindUndo(context, group, frame, range, alone)
  unlockRound(context, group)
  if (isBound) fillUndo(context, frame)
  return isBound
}
