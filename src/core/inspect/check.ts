/**
 * Checks every invariant; `check()` returns those that are violated. It may run concurrently with other threads. It is made of
 * pieces (shared/steps.ts): what a lock guards is looked at in many short holds of it, in which other threads may change it. What
 * then looks wrong is rechecked, in one hold at last, and a frame that is held is left to the next check. So nothing is reported
 * that a lock did not prove, or that has not persisted.
 *
 *   F1  a frame without a key is free, lent, or in the policy        F2  the free count is the length of the list
 *   D1  a frame with a key is in the chain of that key, once         D2  the frames of a chain hash to it
 *   P1, P2, P4, P5, P7  the policy's own; P6 that of the shares; P3  a clean frame with a key is in the policy
 *   W1  a frame is in its dirty list iff it has unwritten images   W2  the dirty count is the length of the list
 *   W3  a spare has one owner: free list, undo image or saved images W4  the images of a frame are ordered by epoch
 *   W6  a loan has a frame that is lent to it, or is listed as empty W7  with a journal: classes, and what a record may have
 *   W5  a stamp is not after the group's epoch                       L1  pins are those in the journals
 *   L2  an exclusive latch is held by a live slot                    L3  a mark or an offer that keeps threads out is backed by
 *       a published wait, unless a slot is serving the frame
 */
import { load } from '#atomics'
import { pinsOf, writerOf } from '../../shared/latch.js'
import { runSteps, type Steps } from '../../shared/steps.js'
import type { Context } from '../context.js'
import { checkChains, checkFrames } from './check-frames.js'
import { checkGroups } from './check-groups.js'
import { checkFreeList, checkPolicy } from './check-lists.js'
import { Frame, Latch, State } from '../../shared/words.js'

/** Any thread, at once. Takes each lock in turn, never two of a kind, and never sleeps. */
export const check = (context: Context): string[] => runSteps(checkInSteps(context))

/** The same, in pieces, between which it holds nothing. */
export function* checkInSteps(context: Context): Steps<string[]> {
  const check = { context, broken: [] }
  const free = yield* checkFreeList(check)
  yield* checkPolicy(check)
  const chained = yield* checkChains(check)
  yield* checkFrames(check, free, chained)
  yield* checkGroups(check)
  return check.broken
}

/** For tests: also checks that no frame is held. */
export function checkQuiet(context: Context): string[] {
  const broken = check(context)
  for (let frame = 0; frame < context.arena.frames; frame++) {
    const at = context.arena.frameAt(frame)
    const word = load(context.words, at + Frame.latch)
    if (pinsOf(word) !== 0 || writerOf(word) >= 0 || (word & (Latch.FROZEN | Latch.HANDED)) !== 0)
      broken.push(`Q1 ${context.describe(frame)}: still held, offered or frozen`)
    if ((context.words[at + Frame.state]! & (State.CHANGING | State.TAKEN)) !== 0)
      broken.push(`Q2 ${context.describe(frame)}: still CHANGING, or its undo image is still taken`)
    if (context.words[at + Frame.released] !== 0)
      broken.push(`Q3 ${context.describe(frame)}: still says what its release does`)
  }
  return broken
}
