/**
 * Pins and latches of blocks that are there, with no lock that another block also uses and without waiting: one
 * compare-and-swap on the frame's own latch word, and another look at its name. What is not simply there is left to the
 * slow path (acquire.ts). The hit to read is in hit-path.ts.
 */
import { load } from '#atomics'
import { tryPin, unpin } from '../../shared/latch.js'
import { clockMs } from '../../shared/clock.js'
import type { FrameIndex } from '../../shared/indices.js'
import { type Context, enter, leave } from '../context.js'
import { find, hasKey } from './directory.js'
import { awaitsClassChange, beginChange, bindUndo, fillUndo, type Range } from '../changes/images.js'
import { tryLockRound, unlockRound } from '../changes/rounds.js'
import { Frame, Group, Header, Journal, State } from '../../shared/words.js'

/** Pins a frame that seemed to hold the block; false if it is not to be had so, or holds something else by now. */
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

/** Whether a pinned frame holds the block and has contents; else the pin is released. @requires the pin */
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

/** Gives a pin back; the journal entry is FREE again, and still its thread's. Any thread; no lock. @requires the pin */
export function unpinFrame(context: Context, frame: FrameIndex, entry: number): void {
  const { words } = context
  words[entry] = (frame << 2) | Journal.GIVING
  if (unpin(words, context.framesAt + frame * Frame.WORDS + Frame.latch)) context.latches.unpinned(frame)
  words[entry] = Journal.FREE
  if (words[Header.freedWaiters] !== 0) context.freed.broadcast()
}

/**
 * A hit to change: the frame, latched and CHANGING, if the block is there, nobody is in and nothing has to be waited
 * for; -1 otherwise. Any thread; never waits.
 * @takes round mutex, if the block is dirty
 */
export function latchHit(
  context: Context,
  group: number,
  keyHigh: number,
  keyLow: number,
  range: Range,
): FrameIndex {
  const { words } = context
  const frame = find(context, keyHigh, keyLow)
  if (frame < 0 || !enter(context, frame)) return -1
  const at = context.framesAt + frame * Frame.WORDS
  const state = words[at + Frame.state]!
  const isThere = hasKey(context, at, keyHigh, keyLow) && (state & State.ABSENT) === 0
  if (
    !isThere ||
    !((state & State.CLASS_MASK) === 0 ? !isFull(context, group) : tryImage(context, group, frame, range))
  ) {
    leave(context, frame)
    return -1
  }
  words[at + Frame.since] = clockMs()
  beginChange(context, frame)
  return frame
}

/**
 * An image of a dirty block, if mutex and spare are available, and no class change of the block awaits its round.
 * @requires the frame's latch
 * @takes round mutex
 */
function tryImage(context: Context, group: number, frame: FrameIndex, range: Range): boolean {
  if (!tryLockRound(context, group)) return false
  const isBound = !awaitsClassChange(context, group, frame) && bindUndo(context, group, frame, range)
  unlockRound(context, group)
  if (isBound) fillUndo(context, frame)
  return isBound
}

/** Whether as many blocks of the group are dirty as may be. */
export function isFull(context: Context, group: number): boolean {
  const at = context.arena.groupAt(group)
  return load(context.words, at + Group.dirty) >= context.words[at + Group.dirtyMax]!
}
