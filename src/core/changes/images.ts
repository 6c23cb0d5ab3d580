/**
 * Images: the contents of a block before a change, kept in spare frames. An image is taken before a byte can change, and
 * serves two purposes: as the undo image it restores the block after a discard or a death, and as a saved image it is written
 * by a round that still needs the older version. The order of the stores is the protocol of README.md, "The life of a
 * change" (decision D2). All of this happens under the group's round mutex unless stated otherwise.
 */
import { and, load, or, store } from '#atomics'
import { classOf, epochDistance, epochOf, isAfter, nextEpoch, stampOf } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { armDelayedKick, want, wantClean } from '../wait/bell.js'
import { type Context, partitionOf, assertLatched } from '../context.js'
import { dirtyMaxIn } from '../limits.js'
import { closeFullEpoch, countInEpoch, hasJournal, isNeeded } from './recorded.js'
import { freeSpare } from './spares.js'
import { imagesOf, isOlder, replaces } from './to-write.js'
import { linkDirty, relinkDirty } from './dirty-lists.js'
import { completeUndo, undoOf } from './undo.js'
import { DirtyLink, Frame, Group, Partition, Spare, State, Undo } from '../../shared/words.js'

/** So many epochs may be closed by class changes before their rounds are requested: a flush needs one round for each. */
const CLOSED_MAX = 8

/**
 * Commits a change: one store gives the frame's image the current epoch and its class. The undo image becomes a saved image
 * if it is unwritten, within the group's bound, and not replaced by the new image (to-write.ts); else it is freed.
 * @requires round mutex, the frame's latch, CHANGING
 */
export function commit(context: Context, group: number, frame: FrameIndex, writeClass: number): void {
  assertLatched(context, frame)
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const groupAt = arena.groupAt(group)
  const isReplaced = replaces(context, frame, writeClass)
  const epoch = words[groupAt + Group.epoch]!
  const old = load(words, at + Frame.state)
  const older = isReplaced && (isOlder(old) || epochOf(old) !== epoch) ? State.OLDER : 0
  const isKept = !isReplaced && isNeeded(context, group, old)
  stampUndo(context, frame, isKept)
  if (hasJournal(context, group)) countInEpoch(context, group, old)
  else if (isKept && classOf(old) !== writeClass) words[groupAt + Group.flipped] = epoch
  store(words, at + Frame.state, stampOf(epoch, writeClass) | older)
  disposeUndo(context, group, frame)
  if (words[at + Frame.dirtyNext] !== DirtyLink.NONE) {
    if (classOf(old) !== writeClass) relinkDirty(context, group, frame)
  } else {
    linkDirty(context, group, frame)
    const dirty = words[groupAt + Group.dirty]!
    if (dirty === words[groupAt + Group.dirtyBackground]) context.bellDue = true
    if (dirty >= words[groupAt + Group.dirtyMax]! || fillsShare(context, group, frame))
      wantClean(context, group, words[groupAt + Group.epoch]!)
    else armDelayedKick(context, group)
  }
}

/**
 * Whether so much of the frame's partition is dirty that a round must begin: half of what may be in its share, so that the round is
 * under way when changes have to wait; or all of it. @requires round mutex
 */
function fillsShare({ words, arena }: Context, group: number, frame: FrameIndex): boolean {
  const at = arena.partitionAt(partitionOf(words, arena.frameAt(frame)))
  const share = words[at + Partition.share]!
  if (share === 0) return false
  const [dirty, most] = [words[at + Partition.dirty]!, dirtyMaxIn(arena, share, group)]
  return dirty >= most || dirty === Math.ceil(most / 2)
}

/**
 * Ends a change that did not happen, or was undone: the frame's image keeps its stamp.
 * @requires round mutex, the frame's latch, CHANGING, the frame's bytes as they were before the change
 */
export function uncommit(context: Context, group: number, frame: FrameIndex): void {
  assertLatched(context, frame)
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  // The frame itself is the image again, so the undo image can be freed at once: writers copy undo images under the mutex.
  stampUndo(context, frame, false)
  and(context.words, context.arena.frameAt(frame) + Frame.state, ~(State.CHANGING | State.TAKEN))
  disposeUndo(context, group, frame)
}

/**
 * To be called before a block is committed in a class. (With a journal it only ends an epoch that is full.) If the block has an
 * image of another class that no cut covers yet, the
 * epoch is closed, so that no cut spans the change. The epoch advances first, then the bound. No round is requested, because
 * it would cost all threads that use the group; instead the next change of this block waits for one (`awaitsClassChange`).
 * Only when so many epochs have been closed that a flush would need as many rounds are the rounds requested.
 * @requires round mutex, the frame's latch
 */
export function closeEpochFor(context: Context, group: number, frame: FrameIndex, writeClass: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  assertLatched(context, frame)
  const { words, arena } = context
  const groupAt = arena.groupAt(group)
  if (hasJournal(context, group)) {
    closeFullEpoch(context, group, 1)
    return
  }
  const old = load(words, arena.frameAt(frame) + Frame.state)
  const differs = (old & State.CLASS_MASK) !== 0 && classOf(old) !== writeClass
  if (!differs || !isAfter(epochOf(old), words[groupAt + Group.bound]!)) return
  const bound = words[groupAt + Group.epoch]!
  store(words, groupAt + Group.epoch, nextEpoch(bound))
  words[groupAt + Group.bound] = bound
  if (epochDistance(bound, words[groupAt + Group.done]!) >= CLOSED_MAX) want(context, group, bound)
}

/**
 * Whether the block has an unwritten image of another class than its newest image; if so, requests the round that writes it.
 * A change of such a block must wait for that round, so that changing its class never makes a block keep more than one image
 * of another class. While the group has a fence no round can succeed, so no change waits.
 * @requires round mutex, the frame's latch
 */
export function awaitsClassChange(context: Context, group: number, frame: FrameIndex): boolean {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  assertLatched(context, frame)
  const { words, arena } = context
  const groupAt = arena.groupAt(group)
  if (words[arena.frameAt(frame) + Frame.saved] === 0 || words[groupAt + Group.fences] !== 0) return false
  if (hasJournal(context, group)) return false
  const [newest, ...older] = imageStamps(context, frame)
  if (newest === undefined || older.every((stamp) => classOf(stamp) === classOf(newest))) return false
  want(context, group, words[groupAt + Group.bound]!)
  return true
}

/** Frees the saved images of a frame for which `drop` returns true. @requires round mutex */
export function dropSaved(
  context: Context,
  group: number,
  frame: FrameIndex,
  drop: (stamp: number) => boolean,
): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  let linkAt = arena.frameAt(frame) + Frame.saved
  for (let link = words[linkAt]!; link !== 0; link = words[linkAt]!) {
    const at = arena.spareAt(link - 1)
    if (drop(words[at + Spare.stamp]!)) {
      words[linkAt] = words[at + Spare.next]!
      freeSpare(context, group, link - 1)
    } else {
      linkAt = at + Spare.next
    }
  }
}

/** The stamps of a frame's unwritten images, newest first. @requires round mutex */
export const imageStamps = (context: Context, frame: FrameIndex): number[] =>
  imagesOf(context, frame).map(({ stamp }) => stamp)

/** Gives the undo image the frame's stamp if the image has to be kept, else 0. */
function stampUndo(context: Context, frame: FrameIndex, isKept: boolean): void {
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const spare = undoOf(context, frame)
  if (spare < 0) return
  const stamp = load(words, at + Frame.state) & ~(State.CHANGING | State.TAKEN)
  if (isKept) completeUndo(context, frame, spare)
  words[arena.spareAt(spare) + Spare.stamp] = isKept ? stamp : 0
}

/** Makes a stamped undo image the newest saved image, and frees any other. Writers read undo images only under the mutex. */
export function disposeUndo(context: Context, group: number, frame: FrameIndex): void {
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const spare = undoOf(context, frame)
  if (spare < 0) {
    words[at + Frame.undo] = Undo.NONE
    return
  }
  const spareAt = arena.spareAt(spare)
  if (words[spareAt + Spare.stamp] === 0) {
    words[at + Frame.undo] = 0
    freeSpare(context, group, spare)
  } else {
    words[spareAt + Spare.next] = words[at + Frame.saved]!
    words[at + Frame.saved] = spare + 1
    words[at + Frame.undo] = 0
  }
}

/** Lets the holder change bytes from here on. @requires the frame's latch; an undo image, if the frame is dirty */
export function beginChange(context: Context, frame: FrameIndex): void {
  assertLatched(context, frame)
  or(context.words, context.arena.frameAt(frame) + Frame.state, State.CHANGING)
}
