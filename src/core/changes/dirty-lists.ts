/**
 * The dirty lists of a group: the frames with unwritten images, one list for each class, by the class of the newest image. A round of
 * the first classes only finds its blocks without a look at all the others. All of it is under the group's round mutex.
 */
import { load } from '#atomics'
import { CLASSES_MAX } from '../../shared/layout.js'
import { classOf, isAfter, previousEpoch } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { type Context, partitionOf } from '../context.js'
import { DirtyLink, Frame, Group, Partition, Spare } from '../../shared/words.js'

/** Adds a frame to the list of its class. The first one of a partition calls for a writer (needs.ts). @requires round mutex */
export function linkDirty(context: Context, group: number, frame: FrameIndex): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  insert(context, group, frame)
  words[arena.groupAt(group) + Group.dirty]!++
  const partitionAt = arena.partitionAt(partitionOf(words, arena.frameAt(frame)))
  words[partitionAt + Partition.dirty]!++
  if (words[partitionAt + Partition.changed] !== 0) return
  words[partitionAt + Partition.changed] = 1
  context.bellDue = true
}

/** Removes a frame whose images are all durable, or dropped, from its list. @requires round mutex */
export function unlinkDirty(context: Context, group: number, frame: FrameIndex): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  // Before the frame leaves the list: from then on it may be evicted, and has no key.
  const partitionAt = arena.partitionAt(partitionOf(words, arena.frameAt(frame)))
  remove(context, group, frame)
  words[arena.groupAt(group) + Group.dirty]!--
  words[partitionAt + Partition.dirty]!--
}

/** Moves a frame to the list of its new class. @requires round mutex, the frame is in a list */
export function relinkDirty(context: Context, group: number, frame: FrameIndex): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  remove(context, group, frame)
  insert(context, group, frame)
}

/** The frames with unwritten images, those first whose class is first; of the classes up to `through`. @requires round mutex */
export function dirtyFrames(context: Context, group: number, through = CLASSES_MAX): FrameIndex[] {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const headsAt = arena.groupAt(group) + Group.dirtyHeads
  const frames: FrameIndex[] = []
  for (let place = 0; place < through; place++)
    for (let link = words[headsAt + place]!; link !== DirtyLink.END;) {
      frames.push(link - 1)
      link = words[arena.frameAt(link - 1) + Frame.dirtyNext]!
    }
  return frames
}

/** Empties the lists, without a look at their frames. @requires round mutex */
export function clearDirty(context: Context, group: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const headsAt = arena.groupAt(group) + Group.dirtyHeads
  words.fill(DirtyLink.END, headsAt, headsAt + CLASSES_MAX)
  words[arena.groupAt(group) + Group.dirty] = 0
}

/**
 * Whether a block may have unwritten images of two classes, so that no cut may span the change of its class. As of a moment ago,
 * unless the thread has the round mutex.
 */
export function isFlipped({ words, arena }: Context, group: number): boolean {
  const at = arena.groupAt(group)
  return isAfter(previousEpoch(load(words, at + Group.flipped)), load(words, at + Group.done))
}

function insert({ words, arena }: Context, group: number, frame: FrameIndex): void {
  const at = arena.frameAt(frame)
  const headAt = arena.groupAt(group) + Group.dirtyHeads + newestClass({ words, arena }, at) - 1
  const first = words[headAt]!
  words[at + Frame.dirtyNext] = first
  words[at + Frame.dirtyPrevious] = DirtyLink.END
  if (first !== DirtyLink.END) words[arena.frameAt(first - 1) + Frame.dirtyPrevious] = frame + 1
  words[headAt] = frame + 1
}

function remove({ words, arena }: Context, group: number, frame: FrameIndex): void {
  const at = arena.frameAt(frame)
  const next = words[at + Frame.dirtyNext]!
  const previous = words[at + Frame.dirtyPrevious]!
  if (previous === DirtyLink.END) {
    // The frame's class is another one by now.
    let headAt = arena.groupAt(group) + Group.dirtyHeads
    while (words[headAt] !== frame + 1) headAt++
    words[headAt] = next
  } else {
    words[arena.frameAt(previous - 1) + Frame.dirtyNext] = next
  }
  if (next !== DirtyLink.END) words[arena.frameAt(next - 1) + Frame.dirtyPrevious] = previous
  words[at + Frame.dirtyNext] = DirtyLink.NONE
  words[at + Frame.dirtyPrevious] = DirtyLink.NONE
}

/** The class of the newest unwritten image: after a death in the middle of a round the frame itself may be clean, and a saved one not. */
function newestClass({ words, arena }: Pick<Context, 'words' | 'arena'>, frameAt: number): number {
  const saved = words[frameAt + Frame.saved]!
  return (
    classOf(load(words, frameAt + Frame.state)) || classOf(words[arena.spareAt(saved - 1) + Spare.stamp]!)
  )
}
