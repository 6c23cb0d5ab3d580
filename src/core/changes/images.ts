/**
 * Images: what a block was before a change, kept in spare frames. One image, taken before a byte can change, serves
 * three: discard and death put it back (undo), and a round that still owes it writes it (aside). The order of the
 * stores is the protocol of README.md, "The life of a change" (decision D2); everything here happens under the group's
 * round mutex unless it says otherwise.
 */
import { and, load, or, store } from '#atomics'
import {
  classOf,
  epochDistance,
  epochOf,
  isAfter,
  isUnwritten,
  nextEpoch,
  previousEpoch,
  stampOf,
} from '../../shared/stamp.js'
import type { FrameIndex, SpareIndex } from '../../shared/indices.js'
import { armDelayedKick, want } from '../wait/bell.js'
import { type Context, partitionOf } from '../context.js'
import { DirtyLink, Frame, Group, Partition, Spare, State } from '../../shared/words.js'

/** So many epochs may end at class changes before their rounds are asked for: a flush needs a round for each. */
const CLOSED_MAX = 8

/** Bytes of a block that a change may touch. */
export interface Range {
  readonly start: number
  readonly length: number
}

/**
 * A spare, bound to the frame as its undo before anybody else can take it; false when none is free.
 * @requires round mutex, the frame's latch
 */
export function bindUndo(context: Context, group: number, frame: FrameIndex, range: Range): boolean {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const groupAt = arena.groupAt(group)
  const spare = words[groupAt + Group.spareHead]! - 1
  if (spare < 0) return false
  const at = arena.spareAt(spare)
  words[groupAt + Group.spareHead] = words[at + Spare.next]!
  words[groupAt + Group.spareCount]!--
  words[at + Spare.stamp] = 0
  words[at + Spare.next] = 0
  words[at + Spare.start] = range.start
  words[at + Spare.length] = range.length
  words[arena.frameAt(frame) + Frame.undo] = spare + 1
  return true
}

/** Copies the range that is about to change into the undo. @requires the frame's latch, an undo, not CHANGING */
export function fillUndo(context: Context, frame: FrameIndex): void {
  const spare = context.words[context.arena.frameAt(frame) + Frame.undo]! - 1
  const at = context.arena.spareAt(spare)
  copyRange(
    context,
    frame,
    spareData(context, spare),
    context.words[at + Spare.start]!,
    context.words[at + Spare.length]!,
  )
}

/** Puts the undo's bytes back in the frame. @requires the frame's latch, an undo, CHANGING */
export function applyUndo(context: Context, frame: FrameIndex): void {
  const spare = context.words[context.arena.frameAt(frame) + Frame.undo]! - 1
  const at = context.arena.spareAt(spare)
  copyRange(
    context,
    spareData(context, spare),
    frame,
    context.words[at + Spare.start]!,
    context.words[at + Spare.length]!,
  )
}

/**
 * The change becomes real: the frame's image gets the present epoch and its class, in one store. What it was before is
 * kept as an aside if a round owes it.
 * @requires round mutex, the frame's latch, CHANGING
 */
export function commit(context: Context, group: number, frame: FrameIndex, writeClass: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const groupAt = arena.groupAt(group)
  stampUndo(context, frame, (stamp) => isUnwritten(stamp, words[groupAt + Group.bound]!))
  store(words, at + Frame.state, stampOf(words[groupAt + Group.epoch]!, writeClass))
  disposeUndo(context, group, frame)
  if (words[at + Frame.dirtyNext] === DirtyLink.NONE) {
    linkDirty(context, group, frame)
    const dirty = words[groupAt + Group.dirty]!
    if (dirty === words[groupAt + Group.dirtyBackground]) context.bellDue = true
    if (dirty >= words[groupAt + Group.dirtyMax]!) want(context, group, words[groupAt + Group.epoch]!)
    else armDelayedKick(context, group)
  }
}

/**
 * A change that was not, or was undone: the frame's image keeps its stamp.
 * @requires round mutex, the frame's latch, CHANGING, the frame's bytes as they were
 */
export function uncommit(context: Context, group: number, frame: FrameIndex): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  // The frame itself is the image again, so the undo is free at once: a writer copies an undo under the mutex.
  stampUndo(context, frame, () => false)
  and(context.words, context.arena.frameAt(frame) + Frame.state, ~State.CHANGING)
  disposeUndo(context, group, frame)
}

/**
 * A dirty block is about to get another class than its image has: if no cut covers that image yet, the epoch ends
 * here, and no cut will span the change. The epoch moves first, then the bound. No round is asked for, because one costs all
 * threads that use the group: the next change of this block waits for it (`awaitsClassChange`). Only where so many epochs
 * have ended that a flush would need as many rounds, the rounds are asked for.
 * @requires round mutex, the frame's latch
 */
export function closeEpochFor(context: Context, group: number, frame: FrameIndex, writeClass: number): void {
  const { words, arena } = context
  const groupAt = arena.groupAt(group)
  const old = load(words, arena.frameAt(frame) + Frame.state)
  const differs = (old & State.CLASS_MASK) !== 0 && classOf(old) !== writeClass
  if (!differs || !isAfter(epochOf(old), words[groupAt + Group.bound]!)) return
  words[groupAt + Group.epoch] = nextEpoch(words[groupAt + Group.epoch]!)
  const bound = previousEpoch(words[groupAt + Group.epoch]!)
  words[groupAt + Group.bound] = bound
  if (epochDistance(bound, words[groupAt + Group.done]!) >= CLOSED_MAX) want(context, group, bound)
}

/**
 * Whether the block has an unwritten image of another class than its newest; the round that writes it is asked for then.
 * A change of such a block waits for that round, so that one block never keeps more than one image of another class by
 * changing its class. While the group has a fence no round would end well, and no change waits.
 * @requires round mutex, the frame's latch
 */
export function awaitsClassChange(context: Context, group: number, frame: FrameIndex): boolean {
  const { words, arena } = context
  const groupAt = arena.groupAt(group)
  if (words[arena.frameAt(frame) + Frame.saved] === 0 || words[groupAt + Group.fences] !== 0) return false
  const [newest, ...older] = imageStamps(context, frame)
  if (newest === undefined || older.every((stamp) => classOf(stamp) === classOf(newest))) return false
  want(context, group, words[groupAt + Group.bound]!)
  return true
}

/** Frees the asides of a frame for which `drop` holds. @requires round mutex */
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

/** Stamps of a frame's owed images, newest first. @requires round mutex */
export function imageStamps(context: Context, frame: FrameIndex): number[] {
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const stamps: number[] = []
  const own = load(words, at + Frame.state)
  if ((own & State.CLASS_MASK) !== 0) stamps.push(own)
  for (let link = words[at + Frame.saved]!; link !== 0; link = words[arena.spareAt(link - 1) + Spare.next]!) {
    const stamp = words[arena.spareAt(link - 1) + Spare.stamp]!
    if ((stamp & State.CLASS_MASK) !== 0) stamps.push(stamp)
  }
  return stamps
}

/** The spares of a group: they are divided evenly, in order. */
export function sparesOf(context: Context, group: number): SpareIndex[] {
  const { spares, groups } = context.arena.geometry
  return Array.from({ length: spares / groups }, (_, i) => (group * spares) / groups + i)
}

/** Index of a spare's bytes among the frames. */
export const spareData = (context: Context, spare: SpareIndex): number =>
  context.arena.geometry.blocks + spare

/** Takes a frame whose images are all durable, or forgotten, out of the dirty list. @requires round mutex */
export function unlinkDirty(context: Context, group: number, frame: FrameIndex): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const groupAt = arena.groupAt(group)
  const at = arena.frameAt(frame)
  const next = words[at + Frame.dirtyNext]!
  const previous = words[at + Frame.dirtyPrevious]!
  if (previous === DirtyLink.END) words[groupAt + Group.dirtyHead] = next
  else words[arena.frameAt(previous - 1) + Frame.dirtyNext] = next
  if (next !== DirtyLink.END) words[arena.frameAt(next - 1) + Frame.dirtyPrevious] = previous
  words[at + Frame.dirtyNext] = DirtyLink.NONE
  words[at + Frame.dirtyPrevious] = DirtyLink.NONE
  words[groupAt + Group.dirty]!--
}

/** Frames with owed images. @requires round mutex */
export function dirtyFrames(context: Context, group: number): FrameIndex[] {
  const { words, arena } = context
  const frames: FrameIndex[] = []
  for (let link = words[arena.groupAt(group) + Group.dirtyHead]!; link !== DirtyLink.END;) {
    frames.push(link - 1)
    link = words[arena.frameAt(link - 1) + Frame.dirtyNext]!
  }
  return frames
}

/** Puts a frame into the dirty list. The first of a partition calls for its writer (needs.ts). @requires round mutex */
export function linkDirty(context: Context, group: number, frame: FrameIndex): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const groupAt = arena.groupAt(group)
  const at = arena.frameAt(frame)
  const first = words[groupAt + Group.dirtyHead]!
  words[at + Frame.dirtyNext] = first
  words[at + Frame.dirtyPrevious] = DirtyLink.END
  if (first !== DirtyLink.END) words[arena.frameAt(first - 1) + Frame.dirtyPrevious] = frame + 1
  words[groupAt + Group.dirtyHead] = frame + 1
  words[groupAt + Group.dirty]!++
  const changedAt = arena.partitionAt(partitionOf(words, at)) + Partition.changed
  if (words[changedAt] !== 0) return
  words[changedAt] = 1
  context.bellDue = true
}

/** The undo's stamp: that of the frame, if it is an image that has to be kept; else 0. */
function stampUndo(context: Context, frame: FrameIndex, isKept: (stamp: number) => boolean): void {
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const spare = words[at + Frame.undo]! - 1
  if (spare < 0) return
  const stamp = load(words, at + Frame.state) & ~State.CHANGING
  if (isKept(stamp)) completeUndo(context, frame, spare)
  words[arena.spareAt(spare) + Spare.stamp] = isKept(stamp) ? stamp : 0
}

/** Makes the undo of a declared range a whole image: the other bytes are in the frame, unchanged. */
function completeUndo(context: Context, frame: FrameIndex, spare: SpareIndex): void {
  const { words, arena } = context
  const at = arena.spareAt(spare)
  const start = words[at + Spare.start]!
  const end = start + words[at + Spare.length]!
  const size = context.partitions[partitionOf(words, arena.frameAt(frame))]!.blockSize
  if (start > 0) copyRange(context, frame, spareData(context, spare), 0, start)
  if (end < size) copyRange(context, frame, spareData(context, spare), end, size - end)
  words[at + Spare.start] = 0
  words[at + Spare.length] = size
}

/** A stamped undo becomes the newest aside, another one is free. No writer reads an undo outside of the mutex. */
export function disposeUndo(context: Context, group: number, frame: FrameIndex): void {
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const spare = words[at + Frame.undo]! - 1
  if (spare < 0) return
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

function freeSpare(context: Context, group: number, spare: SpareIndex): void {
  const { words, arena } = context
  const groupAt = arena.groupAt(group)
  const at = arena.spareAt(spare)
  words[at + Spare.stamp] = 0
  words[at + Spare.next] = words[groupAt + Group.spareHead]!
  words[groupAt + Group.spareHead] = spare + 1
  words[groupAt + Group.spareCount]!++
  context.spareFreedDue = true
}

function copyRange(context: Context, from: number, to: number, start: number, length: number): void {
  const { arena } = context
  const source = arena.offset(from) + start
  const target = arena.segment(to)
  const targetStart = arena.offset(to) + start
  if (arena.segment(from) === target) target.copyWithin(targetStart, source, source + length)
  else target.set(arena.segment(from).subarray(source, source + length), targetStart)
}

/** From here on the holder may change bytes. @requires the frame's latch; an undo, if the frame is dirty */
export function beginChange(context: Context, frame: FrameIndex): void {
  or(context.words, context.arena.frameAt(frame) + Frame.state, State.CHANGING)
}
