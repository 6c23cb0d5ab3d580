/**
 * The undo image of a block: the bytes that a change may touch, as they were before it, in a spare. It restores the block after
 * a discard or a death. Its copy is complete before CHANGING is set.
 */
import type { FrameIndex, SpareIndex } from '../../shared/indices.js'
import { type Context, assertLatched, partitionOf } from '../context.js'
import { spareData, takeSpare } from './spares.js'
import { Frame, Spare, Undo } from '../../shared/words.js'

/** The bytes of a block that a change may touch. */
export interface Range {
  readonly start: number
  readonly length: number
}

/**
 * Takes a spare and binds it to the frame as its undo image. Returns false if no spare is free. `keep`: the spare may become the
 * thread's own.
 * @requires round mutex, the frame's latch
 */
export function bindUndo(
  context: Context,
  group: number,
  frame: FrameIndex,
  range: Range,
  keep: boolean,
): boolean {
  const spare = takeSpare(context, group, keep)
  if (spare < 0) return false
  bind(context, frame, spare, range)
  return true
}

/** Binds a spare that this thread has taken. @requires the frame's latch */
export function bind({ words, arena }: Context, frame: FrameIndex, spare: SpareIndex, range: Range): void {
  const at = arena.spareAt(spare)
  words[at + Spare.start] = range.start
  words[at + Spare.length] = range.length
  words[arena.frameAt(frame) + Frame.undo] = spare + 1
}

/** The frame's undo image, -1 if it has none. */
export const undoOf = ({ words, arena }: Context, frame: FrameIndex): SpareIndex =>
  Math.max(Undo.NONE, words[arena.frameAt(frame) + Frame.undo]!) - 1

/** Copies the range that is about to change into the undo image. @requires the frame's latch, an undo image, not CHANGING */
export function fillUndo(context: Context, frame: FrameIndex): void {
  assertLatched(context, frame)
  const { words, arena } = context
  const spare = undoOf(context, frame)
  const at = arena.spareAt(spare)
  arena.copy(frame, spareData(context, spare), words[at + Spare.start]!, words[at + Spare.length]!)
}

/** Copies the undo image back into the frame. @requires the frame's latch, an undo image, CHANGING */
export function applyUndo(context: Context, frame: FrameIndex): void {
  assertLatched(context, frame)
  const { words, arena } = context
  const spare = undoOf(context, frame)
  const at = arena.spareAt(spare)
  arena.copy(spareData(context, spare), frame, words[at + Spare.start]!, words[at + Spare.length]!)
}

/** Completes the undo image of a declared range to a whole block: the other bytes are in the frame, unchanged. */
export function completeUndo(context: Context, frame: FrameIndex, spare: SpareIndex): void {
  const { words, arena } = context
  const at = arena.spareAt(spare)
  const start = words[at + Spare.start]!
  const end = start + words[at + Spare.length]!
  const size = context.partitions.at(partitionOf(words, arena.frameAt(frame))).blockSize
  if (start > 0) arena.copy(frame, spareData(context, spare), 0, start)
  if (end < size) arena.copy(frame, spareData(context, spare), end, size - end)
  words[at + Spare.start] = 0
  words[at + Spare.length] = size
}
