/**
 * The cut of a round: the instant whose state it writes. A short section under the round mutex. For each block, the round
 * owes the newest image within the cut, judged by stamps alone, never by what was written.
 */
import { load } from '#atomics'
import { DelayedKick, Frame, Group } from '../shared/layout.js'
import { classOf, epochOf, isAfter, isOwed, nextEpoch, previousEpoch } from '../shared/stamp.js'
import type { FrameIndex } from '../shared/struct.js'
import { blockOf, type Core, partitionOf } from './core.js'
import { dirtyFrames, dropAsides, imageStamps } from './images.js'
import { seizeRound } from './repair.js'
import { unlockRound } from './rounds.js'

/** One block that a round owes: where its image is named, and in which job. */
export interface Owed {
  readonly frame: FrameIndex
  readonly writeClass: number
  readonly partition: number
  readonly block: number
}

export interface Cut {
  /** Images stamped up to here are written. */
  readonly number: number
  /** The newest stamp there was: what a failure of this round speaks for. */
  readonly spokeFor: number
  readonly owed: readonly Owed[]
}

/** The cut, and what it owes, sorted by class, partition and block. @takes round mutex */
export function makeCut(core: Core, group: number): Cut {
  const { words, arena } = core
  const at = arena.groupAt(group)
  seizeRound(core, group)
  const frames = dirtyFrames(core, group)
  const epoch = words[at + Group.epoch]!
  let cut = epoch
  // No cut may span a class change of a block: it ends before the first image whose predecessor has another class.
  for (const newer of classChanges(core, frames)) {
    const limit = previousEpoch(newer)
    if (isAfter(cut, limit)) cut = limit
  }
  if (cut === epoch) words[at + Group.epoch] = nextEpoch(epoch)
  if (isAfter(cut, words[at + Group.bound]!)) words[at + Group.bound] = cut
  words[at + Group.delayed] = DelayedKick.NONE
  const owed: Owed[] = []
  for (const frame of frames) {
    trimAsides(core, group, frame, cut)
    const stamp = owedStamp(core, frame, cut)
    if (stamp === 0) continue
    const frameAt = arena.frameAt(frame)
    owed.push({
      frame,
      writeClass: classOf(stamp),
      partition: partitionOf(words, frameAt),
      block: blockOf(words, frameAt),
    })
  }
  words[at + Group.cut] = cut + 1
  unlockRound(core, group)
  owed.sort((a, b) => a.writeClass - b.writeClass || a.partition - b.partition || a.block - b.block)
  return { number: cut, spokeFor: epoch, owed }
}

/** The stamp of the newest image within the cut, 0 if nothing is owed. @requires round mutex */
function owedStamp(core: Core, frame: FrameIndex, cut: number): number {
  return imageStamps(core, frame).find((stamp) => isOwed(stamp, cut)) ?? 0
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
