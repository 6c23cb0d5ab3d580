/**
 * What follows when images are durable: frames become clean, return to the policy, and the round is done. The flush worker and a
 * thread that leads a round both call these functions, each under a mutex that it takes in its own way.
 */
import { compareExchange, load, store } from '#atomics'
import { isAfter, isUnwritten } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Context } from '../context.js'
import { unlinkDirty } from '../changes/dirty-lists.js'
import { dropSaved } from '../changes/images.js'
import { finishAll } from '../changes/through.js'
import type { Cut } from './cut.js'
import { DelayedKick, Frame, Group, State } from '../../shared/words.js'

/**
 * Makes those frames of the cut from `from` up to `to` clean whose images are durable. Returns the frames that left the dirty
 * list.
 * @requires round mutex
 */
export function markAllClean(
  context: Context,
  group: number,
  cut: Cut,
  from: number,
  to: number,
): FrameIndex[] {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const isDurable = (stamp: number) => isUnwritten(stamp, cut.number)
  const cleaned: FrameIndex[] = []
  for (let i = from; i < to; i++) {
    const frame = cut.frames[i]!
    if (words[arena.frameAt(frame) + Frame.saved] !== 0) dropSaved(context, group, frame, isDurable)
    if (markClean(context, group, frame, cut.number)) cleaned.push(frame)
  }
  return cleaned
}

/**
 * Marks the frame's own image as durable, if it is within the cut. Returns whether the frame left the dirty list. @requires
 * round mutex
 */
function markClean(context: Context, group: number, frame: FrameIndex, cut: number): boolean {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const stateAt = context.arena.frameAt(frame) + Frame.state
  const { words } = context
  // What an image stands for is durable up to the cut, and there is nothing else unless the bound is later.
  const keeps = isAfter(words[context.arena.groupAt(group) + Group.bound]!, cut) ? State.OLDER : 0
  // The holder of the latch may set CHANGING, or release the block with a new stamp (changes/alone.ts).
  for (;;) {
    const state = load(words, stateAt)
    const isClean = (state & State.CLASS_MASK) === 0 || isUnwritten(state, cut)
    const rest = isClean ? state & ~State.CLASS_MASK : state
    const next = rest & (~State.OLDER | keeps)
    if (next !== state && compareExchange(words, stateAt, state, next) !== state) continue
    if (isClean) unlinkDirty(context, group, frame)
    return isClean
  }
}

/** Readmits clean frames that the search for victims has removed from the policy. @requires policy mutex */
export function readmit(context: Context, frames: readonly FrameIndex[]): void {
  context.policyMutex.assertHeld(context.slot.index)
  const { words, arena, policy } = context
  for (const frame of frames) {
    if (words[arena.frameAt(frame) + Frame.keyHigh] !== 0 && !policy.has(frame)) policy.readmit(frame)
  }
}

/** Ends a round in which everything of the cut became durable. The caller broadcasts. @requires round mutex */
export function concludeRound(context: Context, group: number, cut: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  finishAll(context, group, cut)
  store(words, at + Group.cut, 0)
  store(words, at + Group.stage, 0)
  words[at + Group.rounds]!++
  if (words[at + Group.dirty]! > 0 && words[at + Group.delayed] === DelayedKick.NONE)
    words[at + Group.delayed] = DelayedKick.ASKED
}
