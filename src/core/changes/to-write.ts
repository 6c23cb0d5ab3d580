/**
 * Which image of a block a round writes (decision D47). Usually the newest one within the cut. But nothing has to be on the
 * disk before a change of the first class. So an image of the first class, with only images of this class before it, stands
 * for all of them whatever its stamp, and none of them is saved when the block is changed again. Its stamp then has OLDER, if
 * a cut may need one of them: with an earlier cut the round writes it too, in their place.
 *
 *   newest                                   oldest
 *   second  first   first   second   first   first         classes
 *                                    ^-----------'         stands for both
 *
 * A block whose images are all of the first class needs a spare only while a guard is held.
 */
import { load } from '#atomics'
import type { FrameIndex } from '../../shared/indices.js'
import { classOf, FIRST_CLASS, isUnwritten } from '../../shared/stamp.js'
import { Frame, Spare, State } from '../../shared/words.js'
import type { Context } from '../context.js'

/** An unwritten image: its stamp, and the link to its spare; 0 is the frame itself. */
export interface Image {
  readonly link: number
  readonly stamp: number
}

/** The unwritten images of a frame, newest first. @requires round mutex */
export function imagesOf({ words, arena }: Context, frame: FrameIndex): Image[] {
  const at = arena.frameAt(frame)
  const images: Image[] = []
  const add = (link: number, stamp: number) => {
    if ((stamp & State.CLASS_MASK) !== 0) images.push({ link, stamp })
  }
  add(0, load(words, at + Frame.state))
  for (let link = words[at + Frame.saved]!; link !== 0; link = words[arena.spareAt(link - 1) + Spare.next]!)
    add(link, words[arena.spareAt(link - 1) + Spare.stamp]!)
  return images
}

/** Whether the frame's own image is of the first class, and so are all older unwritten ones. */
function isFirstOnly({ words, arena }: Context, frame: FrameIndex): boolean {
  const at = arena.frameAt(frame)
  if (classOf(load(words, at + Frame.state)) !== FIRST_CLASS) return false
  for (let link = words[at + Frame.saved]!; link !== 0; link = words[arena.spareAt(link - 1) + Spare.next]!)
    if (classOf(words[arena.spareAt(link - 1) + Spare.stamp]!) !== FIRST_CLASS) return false
  return true
}

/**
 * The image that a round with this cut writes; undefined if there is none.
 * @requires round mutex, or a pin or the latch of the frame, under which its images do not change
 */
export function imageToWrite(context: Context, frame: FrameIndex, cut: number): Image | undefined {
  const images = imagesOf(context, frame)
  // The images before this position are not of the first class, or have one before them that is not.
  const first = images.findLastIndex(({ stamp }) => classOf(stamp) !== FIRST_CLASS) + 1
  const within = images.findIndex(({ stamp }) => isUnwritten(stamp, cut))
  if (within >= 0) return images[Math.min(within, first)]
  return isOlder(images[first]?.stamp ?? 0) ? images[first] : undefined
}

/** Whether an image stands for older ones, which a cut may need. */
export const isOlder = (stamp: number): boolean => (stamp & State.OLDER) !== 0

/**
 * Whether a new image of this class takes the place of the older ones, so that none of them is saved.
 * @requires round mutex, the frame's latch
 */
export const replaces = (context: Context, frame: FrameIndex, writeClass: number): boolean =>
  writeClass === FIRST_CLASS && isFirstOnly(context, frame)
