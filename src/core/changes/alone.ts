/**
 * Changes that take no lock except the block's latch (decision D48). Nothing precedes the first class (to-write.ts), so a change
 * of a dirty block that has one unwritten image, of the first class, needs no saved image, and its frame is in the dirty list
 * already. All that its release has to do is a new stamp, and one compare-and-swap of the state word does that:
 *
 *   latch, bind a spare of the thread's own, copy the undo image, set CHANGING
 *   change the bytes
 *   read the state word, then the epoch; swap the state word; clear `undo`; unlatch
 *
 * Why a round under way misses nothing. If its cut was made before the epoch was read, the new stamp is past the cut, and the
 * block stays dirty after the round. If it was made later, the writer takes the block after that: either it finds the block
 * released, and writes the new bytes; or it finds it CHANGING, sets TAKEN and copies the undo image under the round mutex. Then
 * the swap fails, and the release takes the mutex, under which its stamp is past the cut. The swap also fails if the flush worker
 * has made the block clean, since the block has to enter the dirty list again.
 *
 * The bit OLDER is set if the replaced image is of an earlier epoch: a cut may lie between the two.
 *
 * A thread that dies before the swap leaves CHANGING and the undo image, as with every change; one that dies after it leaves a
 * block that is released, with an undo image that is no longer needed.
 */
import { compareExchange, load } from '#atomics'
import { classOf, epochOf, FIRST_CLASS, stampOf } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { type Context, assertLatched } from '../context.js'
import { isOwn, setIdle } from './spares.js'
import { isOlder } from './to-write.js'
import { bind, fillUndo, type Range, undoOf } from './undo.js'
import { Frame, Group, State, Undo } from '../../shared/words.js'

/** Whether the block has one unwritten image, of the first class. @requires the frame's latch, under which that stays so */
export function isAlone({ words, arena }: Context, frame: FrameIndex): boolean {
  const at = arena.frameAt(frame)
  return classOf(load(words, at + Frame.state)) === FIRST_CLASS && words[at + Frame.saved] === 0
}

/**
 * Takes an undo image into a spare of the thread's own; false if there is none.
 * @requires the frame's latch, isAlone
 */
export function takeOwnUndo(context: Context, group: number, frame: FrameIndex, range: Range): boolean {
  assertLatched(context, frame)
  const spare = context.ownSpares[group]!.idle.pop()
  if (spare === undefined) return false
  bind(context, frame, spare, range)
  fillUndo(context, frame)
  return true
}

/**
 * Notes that the change about to be made in one copy needs no undo image: no end of a thread interrupts a built-in copy, so the
 * reaper rolls it forward.
 * @requires the frame's latch, isAlone, not CHANGING
 */
export function intend({ words, arena }: Context, frame: FrameIndex): void {
  words[arena.frameAt(frame) + Frame.undo] = Undo.INTENT
}

/**
 * Commits a change to the first class without the round mutex. Returns false, with nothing changed, if that is not possible.
 * @requires the frame's latch, CHANGING
 */
export function commitAlone(context: Context, group: number, frame: FrameIndex): boolean {
  assertLatched(context, frame)
  const { words, arena } = context
  const stateAt = arena.frameAt(frame) + Frame.state
  const old = load(words, stateAt)
  if (!mayEndAlone(context, frame, old)) return false
  const epoch = load(words, arena.groupAt(group) + Group.epoch)
  const older = isOlder(old) || epochOf(old) !== epoch ? State.OLDER : 0
  if (compareExchange(words, stateAt, old, stampOf(epoch, FIRST_CLASS) | older) !== old) return false
  returnUndo(context, group, frame)
  return true
}

/**
 * Ends a change that did not happen, or was undone, without the round mutex. Returns false if that is not possible.
 * @requires the frame's latch, CHANGING, the frame's bytes as they were before the change
 */
export function uncommitAlone(context: Context, group: number, frame: FrameIndex): boolean {
  assertLatched(context, frame)
  const { words, arena } = context
  const stateAt = arena.frameAt(frame) + Frame.state
  const old = load(words, stateAt)
  if (!mayEndAlone(context, frame, old)) return false
  if (compareExchange(words, stateAt, old, old & ~State.CHANGING) !== old) return false
  returnUndo(context, group, frame)
  return true
}

/** Whether a change can end without the mutex, by the state word as it was read. */
function mayEndAlone(context: Context, frame: FrameIndex, state: number): boolean {
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const undo = words[at + Frame.undo]!
  if (undo !== Undo.INTENT && (undo === Undo.NONE || !isOwn(context, undo - 1))) return false
  return (
    (state & (State.CLASS_MASK | State.TAKEN)) === FIRST_CLASS << State.CLASS_SHIFT &&
    words[at + Frame.saved] === 0
  )
}

/** The frame has no undo image any more, and the spare is idle. */
function returnUndo(context: Context, group: number, frame: FrameIndex): void {
  const spare = undoOf(context, frame)
  if (spare >= 0) setIdle(context, spare)
  context.words[context.arena.frameAt(frame) + Frame.undo] = Undo.NONE
  if (spare >= 0) context.ownSpares[group]!.idle.push(spare)
}

/** To be called before a change ends under the mutex: its spare may then pass to the group. @requires the frame's latch */
export function loseUndo(context: Context, group: number, frame: FrameIndex): void {
  const spare = undoOf(context, frame)
  if (spare >= 0 && isOwn(context, spare)) context.ownSpares[group]!.count--
}
