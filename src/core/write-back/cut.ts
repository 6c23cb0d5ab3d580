/**
 * The cut of a round: the instant whose state the round writes. Made in a short section under the round mutex. For each
 * block, `imageToWrite` decides which image the round writes. A partial round (partial.ts) has a cut of its own.
 */
import { load, store } from '#atomics'
import { CLASSES_MAX } from '../../shared/layout.js'
import {
  classOf,
  epochOf,
  FIRST_CLASS,
  isAfter,
  isUnwritten,
  nextEpoch,
  previousEpoch,
} from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { want } from '../wait/bell.js'
import type { Context } from '../context.js'
import { dropSaved, imageStamps } from '../changes/images.js'
import { imageToWrite, isOlder } from '../changes/to-write.js'
import { type Job, UnwrittenList } from './order.js'
import { seizeRound } from '../recovery/seize.js'
import { unlockRound } from '../changes/rounds.js'
import { DirtyLink, DelayedKick, Frame, Group, Led, Partition } from '../../shared/words.js'

export interface Cut {
  /** When the round is done, everything stamped up to this epoch is durable. */
  readonly number: number
  /** The newest epoch when the cut was made: a failure of this round applies to everything up to it. */
  readonly spokeFor: number
  /** The frames with an image to write, sorted by class, partition and block. */
  readonly frames: Int32Array
  /** For each class of each partition, which part of `frames` belongs to it. */
  readonly jobs: readonly Job[]
  /** The last class that a partial round writes; undefined if all are written. */
  readonly through?: number
}

/**
 * Lists the group's unwritten images of the classes up to `through`; `layered` are the frames that also have older ones, and are
 * not in the list.
 * @requires round mutex
 */
export function listUnwritten(
  context: Context,
  group: number,
  through = CLASSES_MAX,
): { unwritten: UnwrittenList; layered: FrameIndex[] } {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  const unwritten = new UnwrittenList()
  const layered: FrameIndex[] = []
  // Visit each frame once: the lists lead all over the memory. Frames with older images are visited a second time.
  for (let place = 0; place < through; place++)
    for (let link = words[at + Group.dirtyHeads + place]!; link !== DirtyLink.END;) {
      const frameAt = arena.frameAt(link - 1)
      if (words[frameAt + Frame.saved] === 0)
        add(context, unwritten, link - 1, load(words, frameAt + Frame.state))
      else layered.push(link - 1)
      link = words[frameAt + Frame.dirtyNext]!
    }
  return { unwritten, layered }
}

function add({ words, arena }: Context, list: UnwrittenList, frame: FrameIndex, stamp: number): void {
  const frameAt = arena.frameAt(frame)
  list.add(frame, stamp, words[frameAt + Frame.keyHigh]!, words[frameAt + Frame.keyLow]!)
}

/**
 * Adds the images that a cut has of frames with several. With `of` only those of this class, and none is freed: the cut may yet be
 * another one. @requires round mutex
 */
export function addLayered(
  context: Context,
  group: number,
  cut: number,
  layered: readonly FrameIndex[],
  unwritten: UnwrittenList,
  of?: number,
): void {
  for (const frame of layered) {
    if (of === undefined) trimSaved(context, group, frame, cut)
    const image = imageToWrite(context, frame, cut)
    if (image !== undefined && (of === undefined || classOf(image.stamp) === of))
      add(context, unwritten, frame, image.stamp)
  }
}

/** Begins a cut: later releases have a later stamp, and keep the images within the cut. @requires round mutex */
export function beginCut(context: Context, group: number, cut: number, cutWord: number = Group.cut): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  if (cut === words[at + Group.epoch]) {
    store(words, at + Group.epoch, nextEpoch(cut))
    words[at + Group.inEpoch] = 0
  }
  if (isAfter(cut, words[at + Group.bound]!)) words[at + Group.bound] = cut
  store(words, at + cutWord, cut + 1)
}

/**
 * Makes the cut, and lists what it has to write, sorted by class, partition and block; undefined if a thread leads a round of
 * the group, or a partial round is under way. `isDue`: blocks have been dirty for `flushDelayMs`; if the cut must end before a change of class, the rest is
 * requested as another round.
 * @takes round mutex
 */
export function makeCut(context: Context, group: number, isDue: boolean): Cut | undefined {
  const { words, arena } = context
  const at = arena.groupAt(group)
  seizeRound(context, group)
  store(words, at + Group.yields, words[at + Group.partial] === Led.NONE ? 0 : 1)
  if (words[at + Group.leader] !== Led.NONE || words[at + Group.partial] !== Led.NONE) {
    unlockRound(context, group)
    return undefined
  }
  const epoch = words[at + Group.epoch]!
  const { unwritten, layered } = listUnwritten(context, group)
  let cut = epoch
  // No cut may span a change of a block's class: it ends before the first image whose predecessor has another class.
  for (const newer of classChanges(context, layered)) {
    const limit = previousEpoch(newer)
    if (isAfter(cut, limit)) cut = limit
  }
  if (cut !== epoch) unwritten.keep((stamp) => isOlder(stamp) || isUnwritten(stamp, cut))
  if (cut !== epoch && isDue) want(context, group, epoch)
  words[at + Group.delayed] = DelayedKick.NONE
  addLayered(context, group, cut, layered, unwritten)
  store(words, at + Group.stage, FIRST_CLASS)
  for (const { index } of context.partitions.ofGroup(group)) {
    const partitionAt = arena.partitionAt(index)
    words[partitionAt + Partition.inRound] = words[partitionAt + Partition.dirty] === 0 ? 0 : 1
  }
  beginCut(context, group, cut)
  unlockRound(context, group)
  return { number: cut, spokeFor: epoch, ...unwritten.sorted() }
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
