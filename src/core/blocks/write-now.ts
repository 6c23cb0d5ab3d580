/**
 * Writes bytes into a cached block without a guard: latch, copy, release, in one go. A dirty block of the first class needs no
 * undo image for that (changes/alone.ts). The bytes are copied by one built-in call, and a thread that is terminated ends only
 * between two steps of JavaScript: so a death leaves the block as it was, or written, and never in between.
 */
import type { FrameIndex } from '../../shared/indices.js'
import { FIRST_CLASS } from '../../shared/stamp.js'
import { type Context, leave, type PartitionView } from '../context.js'
import { isStanding } from '../standing.js'
import { intend, isAlone } from '../changes/alone.js'
import { beginChange } from '../changes/images.js'
import { releaseChanged, releaseUnchanged } from '../changes/release.js'
import { isFull } from '../limits.js'
import { latchNamed } from './hit.js'
import { Frame, State } from '../../shared/words.js'

/**
 * Copies all of `source` into a block from `start` on, and releases the block in this class. Returns the frame; or -1, having
 * done nothing, if the block is not cached or held, is at the dirty limit, or needs an undo image. Any thread; never waits,
 * except for the round mutex as `releaseChanged` does.
 */
export function writeNow(
  context: Context,
  partition: PartitionView,
  keyHigh: number,
  keyLow: number,
  source: Uint8Array,
  start: number,
  writeClass: number,
  maySleep: boolean,
): FrameIndex {
  const frame = latchNamed(context, keyHigh, keyLow)
  if (frame < 0) return -1
  const { words } = context
  const { group } = partition
  const at = context.framesAt + frame * Frame.WORDS
  const isClean = (words[at + Frame.state]! & State.CLASS_MASK) === 0
  const isPossible = isClean
    ? !isFull(context, partition)
    : writeClass === FIRST_CLASS && isAlone(context, frame)
  // As `guardOf`: a cache that began to close after the latch was taken must not get another change.
  if (!isPossible || !isStanding(context, partition)) {
    leave(context, frame)
    return -1
  }
  if (!isClean) intend(context, frame)
  words[at + Frame.since] = 0 // not timed: a twentieth of a small write
  beginChange(context, frame)
  try {
    context.arena.write(frame, start, source)
  } catch (error) {
    releaseUnchanged(context, group, frame, maySleep) // nothing was copied: the source has no memory any more
    throw error
  }
  releaseChanged(context, group, frame, writeClass, maySleep)
  return frame
}
