/**
 * Pins and latches of blocks that are there, with no lock that another block also uses and without waiting: one
 * compare-and-swap on the frame's own latch word, and another look at its name. What is not simply there is left to the
 * slow path (acquire.ts). The hit to read is in hit-path.ts.
 */
import { load } from '#atomics'
import { tryPin, unpin } from '../../shared/latch.js'
import { clockMs } from '../../shared/clock.js'
import type { FrameIndex } from '../../shared/indices.js'
import { type Core, enter, leave } from '../context.js'
import { find, isNamed } from './directory.js'
import { awaitsClassChange, beginChange, bindUndo, fillUndo, type Range } from '../changes/images.js'
import { tryLockRound, unlockRound } from '../changes/rounds.js'
import { Frame, Group, Header, Journal, State } from '../../shared/words.js'

/** Pins a frame that seemed to hold the block; false if it is not to be had so, or holds something else by now. */
export function pinNamed(core: Core, frame: FrameIndex, place: number, low: number, entry: number): boolean {
  const { words } = core
  const at = core.framesAt + frame * Frame.WORDS
  words[entry] = (frame << 2) | Journal.TAKING
  if (!tryPin(words, at + Frame.latch)) {
    words[entry] = Journal.FREE
    return false
  }
  words[entry] = (frame << 2) | Journal.HELD
  return isStillPinned(core, frame, place, low, entry)
}

/** Whether a pinned frame holds the block and has contents; else the pin is released. @requires the pin */
export function isStillPinned(
  core: Core,
  frame: FrameIndex,
  place: number,
  low: number,
  entry: number,
): boolean {
  const at = core.framesAt + frame * Frame.WORDS
  if (isNamed(core, at, place, low) && (core.words[at + Frame.state]! & State.ABSENT) === 0) return true
  unpinFrame(core, frame, entry)
  return false
}

/** Gives a pin back; the journal entry is FREE again, and still its thread's. Any thread; no lock. @requires the pin */
export function unpinFrame(core: Core, frame: FrameIndex, entry: number): void {
  const { words } = core
  words[entry] = (frame << 2) | Journal.GIVING
  if (unpin(words, core.framesAt + frame * Frame.WORDS + Frame.latch)) core.latches.unpinned(frame)
  words[entry] = Journal.FREE
  if (words[Header.freedWaiters] !== 0) core.freed.broadcast()
}

/**
 * A hit to change: the frame, latched and CHANGING, if the block is there, nobody is in and nothing has to be waited
 * for; -1 otherwise. Any thread; never waits.
 * @takes round mutex, if the block is dirty
 */
export function latchHit(core: Core, group: number, place: number, low: number, range: Range): FrameIndex {
  const { words } = core
  const frame = find(core, place, low)
  if (frame < 0 || !enter(core, frame)) return -1
  const at = core.framesAt + frame * Frame.WORDS
  const state = words[at + Frame.state]!
  const isThere = isNamed(core, at, place, low) && (state & State.ABSENT) === 0
  if (
    !isThere ||
    !((state & State.CLASS_MASK) === 0 ? !isFull(core, group) : tryImage(core, group, frame, range))
  ) {
    leave(core, frame)
    return -1
  }
  words[at + Frame.since] = clockMs()
  beginChange(core, frame)
  return frame
}

/**
 * An image of a dirty block, if mutex and spare are available, and no class change of the block awaits its round.
 * @requires the frame's latch
 * @takes round mutex
 */
function tryImage(core: Core, group: number, frame: FrameIndex, range: Range): boolean {
  if (!tryLockRound(core, group)) return false
  const isBound = !awaitsClassChange(core, group, frame) && bindUndo(core, group, frame, range)
  unlockRound(core, group)
  if (isBound) fillUndo(core, frame)
  return isBound
}

/** Whether as many blocks of the group are dirty as may be. */
export function isFull(core: Core, group: number): boolean {
  const at = core.arena.groupAt(group)
  return load(core.words, at + Group.dirty) >= core.words[at + Group.dirtyMax]!
}
