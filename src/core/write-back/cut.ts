/**
 * The cut of a round: the instant whose state the round writes. Made in a short section under the round mutex. For each
 * block, `imageToWrite` decides which image the round writes.
 */
import { load, store } from '#atomics'
import { classOf, epochOf, isAfter, isUnwritten, nextEpoch, previousEpoch } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { want } from '../wait/bell.js'
import type { Context } from '../context.js'
import { dropSaved, imageStamps } from '../changes/images.js'
import { imageToWrite, isOlder } from '../changes/to-write.js'
import { type Job, UnwrittenList } from './order.js'
import { seizeRound } from '../recovery/seize.js'
import { unlockRound } from '../changes/rounds.js'
import { DirtyLink, DelayedKick, Frame, Group } from '../../shared/words.js'

export interface Cut {
  /** When the round is done, everything stamped up to this epoch is durable. */
  readonly number: number
  /** The newest epoch when the cut was made: a failure of this round applies to everything up to it. */
  readonly spokeFor: number
  /** The frames with an image to write, sorted by class, partition and block. */
  readonly frames: Int32Array
  /** For each class of each partition, which part of `frames` belongs to it. */
  readonly jobs: readonly Job[]
}

/**
 * Makes the cut, and lists what it has to write, sorted by class, partition and block. `isDue`: blocks have been dirty for
 * `flushDelayMs`; if the cut must end before a change of class, the rest is requested as another round.
 * @takes round mutex
 */
export function makeCut(context: Context, group: number, isDue: boolean): Cut {
  const { words, arena } = context
  const at = arena.groupAt(group)
  seizeRound(context, group)
  const epoch = words[at + Group.epoch]!
  const owed = new UnwrittenList(words[at + Group.dirty]!)
  const layered: FrameIndex[] = []
  // Visit each frame once: the list leads all over the memory. Frames with older images are visited a second time.
  for (let link = words[at + Group.dirtyHead]!; link !== DirtyLink.END;) {
    const frameAt = arena.frameAt(link - 1)
    if (words[frameAt + Frame.saved] === 0)
      owed.add(
        link - 1,
        load(words, frameAt + Frame.state),
        words[frameAt + Frame.keyHigh]!,
        words[frameAt + Frame.keyLow]!,
      )
    else layered.push(link - 1)
    link = words[frameAt + Frame.dirtyNext]!
  }
  let cut = epoch
  // No cut may span a change of a block's class: it ends before the first image whose predecessor has another class.
  for (const newer of classChanges(context, layered)) {
    const limit = previousEpoch(newer)
    if (isAfter(cut, limit)) cut = limit
  }
  if (cut === epoch) store(words, at + Group.epoch, nextEpoch(epoch))
  else owed.keep((stamp) => isOlder(stamp) || isUnwritten(stamp, cut))
  if (cut !== epoch && isDue) want(context, group, epoch)
  if (isAfter(cut, words[at + Group.bound]!)) words[at + Group.bound] = cut
  words[at + Group.delayed] = DelayedKick.NONE
  for (const frame of layered) {
    const frameAt = arena.frameAt(frame)
    trimSaved(context, group, frame, cut)
    const image = imageToWrite(context, frame, cut)
    if (image !== undefined)
      owed.add(frame, image.stamp, words[frameAt + Frame.keyHigh]!, words[frameAt + Frame.keyLow]!)
  }
  words[at + Group.cut] = cut + 1
  unlockRound(context, group)
  return { number: cut, spokeFor: epoch, ...owed.sorted() }
}

/**
 * Frees a block's saved images within the cut, except the newest image within it. That one is kept even if a newer image of
 * the first class will be written in its place: it tells that the cut needs the block.
 * @requires round mutex
 */
function trimSaved(context: Context, group: number, frame: FrameIndex, cut: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  let isCovered = isUnwritten(load(context.words, context.arena.frameAt(frame) + Frame.state), cut)
  dropSaved(context, group, frame, (stamp) => {
    if (!isUnwritten(stamp, cut)) return false
    if (isCovered) return true
    isCovered = true
    return false
  })
}

/** The epochs of images whose predecessor on the same block has another class. @requires round mutex */
export function* classChanges(context: Context, frames: readonly FrameIndex[]): Generator<number> {
  for (const frame of frames) {
    if (context.words[context.arena.frameAt(frame) + Frame.saved] === 0) continue
    const stamps = imageStamps(context, frame)
    for (let i = 1; i < stamps.length; i++) {
      if (classOf(stamps[i]!) !== classOf(stamps[i - 1]!)) yield epochOf(stamps[i - 1]!)
    }
  }
}
