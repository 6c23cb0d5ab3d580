/**
 * The cut of a round: the instant whose state it writes. A short section under the round mutex. For each block, the round
 * owes the newest image within the cut, judged by stamps alone, never by what was written.
 */
import { load } from '#atomics'
import { classOf, epochOf, isAfter, isOwed, nextEpoch, previousEpoch } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { want } from '../wait/bell.js'
import type { Core } from '../context.js'
import { dropAsides, imageStamps } from '../changes/images.js'
import { type Job, OwedList } from './order.js'
import { seizeRound } from '../recovery/seize.js'
import { unlockRound } from '../changes/rounds.js'
import { DirtyLink, DelayedKick, Frame, Group } from '../../shared/words.js'

export interface Cut {
  /** Images stamped up to here are written. */
  readonly number: number
  /** The newest stamp there was: what a failure of this round speaks for. */
  readonly spokeFor: number
  /** The frames that owe an image, by class, partition and block. */
  readonly frames: Int32Array
  /** Each class of each partition: where its frames are. */
  readonly jobs: readonly Job[]
}

/**
 * The cut, and what it owes, sorted by class, partition and block. `isDue`: blocks have been dirty for as long as they may;
 * where the cut ends before a class change, the rest is asked for.
 * @takes round mutex
 */
export function makeCut(core: Core, group: number, isDue: boolean): Cut {
  const { words, arena } = core
  const at = arena.groupAt(group)
  seizeRound(core, group)
  const epoch = words[at + Group.epoch]!
  const owed = new OwedList(words[at + Group.dirty]!)
  const layered: FrameIndex[] = []
  // One look at each frame: the list leads all over the memory. Those with older images are for a second one.
  for (let link = words[at + Group.dirtyHead]!; link !== DirtyLink.END;) {
    const frameAt = arena.frameAt(link - 1)
    if (words[frameAt + Frame.aside] === 0)
      owed.add(
        link - 1,
        load(words, frameAt + Frame.state),
        words[frameAt + Frame.place]!,
        words[frameAt + Frame.blockLow]!,
      )
    else layered.push(link - 1)
    link = words[frameAt + Frame.dirtyNext]!
  }
  let cut = epoch
  // No cut may span a class change of a block: it ends before the first image whose predecessor has another class.
  for (const newer of classChanges(core, layered)) {
    const limit = previousEpoch(newer)
    if (isAfter(cut, limit)) cut = limit
  }
  if (cut === epoch) words[at + Group.epoch] = nextEpoch(epoch)
  else owed.keep((stamp) => isOwed(stamp, cut))
  if (cut !== epoch && isDue) want(core, group, epoch)
  if (isAfter(cut, words[at + Group.bound]!)) words[at + Group.bound] = cut
  words[at + Group.delayed] = DelayedKick.NONE
  for (const frame of layered) {
    const frameAt = arena.frameAt(frame)
    trimAsides(core, group, frame, cut)
    const stamp = imageStamps(core, frame).find((image) => isOwed(image, cut))
    if (stamp !== undefined)
      owed.add(frame, stamp, words[frameAt + Frame.place]!, words[frameAt + Frame.blockLow]!)
  }
  words[at + Group.cut] = cut + 1
  unlockRound(core, group)
  return { number: cut, spokeFor: epoch, ...owed.sorted() }
}

/** Each block keeps only its newest image within the cut. @requires round mutex */
function trimAsides(core: Core, group: number, frame: FrameIndex, cut: number): void {
  let isCovered = isOwed(load(core.words, core.arena.frameAt(frame) + Frame.state), cut)
  dropAsides(core, group, frame, (stamp) => {
    if (!isOwed(stamp, cut)) return false
    if (isCovered) return true
    isCovered = true
    return false
  })
}

/** The epochs of images whose predecessor on the same block has another class. @requires round mutex */
export function* classChanges(core: Core, frames: readonly FrameIndex[]): Generator<number> {
  for (const frame of frames) {
    if (core.words[core.arena.frameAt(frame) + Frame.aside] === 0) continue
    const stamps = imageStamps(core, frame)
    for (let i = 1; i < stamps.length; i++) {
      if (classOf(stamps[i]!) !== classOf(stamps[i - 1]!)) yield epochOf(stamps[i - 1]!)
    }
  }
}
