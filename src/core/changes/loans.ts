/**
 * Loans: frames of the pool that hold images for a while. A group has spares for the changes that are usually under way. Beyond
 * that, a thread that finds no spare takes a clean block's frame, and lends it to the group as one more spare (blocks/borrow.ts);
 * when the group has more free spares than its own, the flush worker returns what was lent. Cost: a miss for each frame that is
 * borrowed, since a block leaves the cache for it.
 *
 * A loan is a spare's record without bytes. The frame that is lent to it names it in `Frame.dirtyNext`; that word alone says that
 * a frame is lent, and repair rebuilds everything else from it. A lent frame has no key, is not on the free list, and looks dirty,
 * so it is no victim; the policy may still have it until its search meets it.
 *
 *   FREE or CLEAN --takeFrame's steps--> MOVING --lend, under the round mutex--> LENT
 *   LENT, its spare free --takeBack, under the policy mutex and the round mutex--> FREE
 */
import { store } from '#atomics'
import type { Arena } from '../../shared/arena.js'
import { LOANS_FROM } from '../../shared/config.js'
import type { FrameIndex, SpareIndex } from '../../shared/indices.js'
import { assertLatched, type Context, enter } from '../context.js'
import { ringBell } from '../wait/bell.js'
import { freeSpare } from './spares.js'
import { DirtyLink, Frame, Group, Spare } from '../../shared/words.js'

/** The spare that a frame is lent to, -1 if it is not lent. Certain with the round mutex of that spare's group. */
export const loanOf = ({ words, arena }: Context, frame: FrameIndex): SpareIndex =>
  Math.max(-1, DirtyLink.LENT - words[arena.frameAt(frame) + Frame.dirtyNext]!)

/** Whether the group can borrow one more frame. A guess without the round mutex. */
export function mayBorrow({ words, arena }: Context, group: number): boolean {
  const at = arena.groupAt(group)
  // There are loans for the largest pool.
  return words[at + Group.loanHead] !== 0 && words[at + Group.lent]! < loansAt(arena)
}

/** How many frames a group may borrow of the frames in use; none of a pool that is too small for loans. */
export const loansAt = ({ geometry, frames }: Arena): number =>
  frames < LOANS_FROM && frames < geometry.blocks
    ? 0
    : Math.ceil((geometry.loans / geometry.groups) * (frames / geometry.blocks))

/** The loans of a group. */
export function loansOf({ arena }: Context, group: number): SpareIndex[] {
  const { spares, loans, groups } = arena.geometry
  return Array.from({ length: loans / groups }, (_, i) => spares + (group * loans) / groups + i)
}

/** How many free spares the group has beyond its own, at most as many as are lent. A guess without the round mutex. */
export function surplusOf({ words, arena }: Context, group: number): number {
  const { spares, groups } = arena.geometry
  const at = arena.groupAt(group)
  return Math.min(words[at + Group.lent]!, words[at + Group.spareCount]! - spares / groups)
}

/**
 * Lends a frame to the group: it becomes a free spare. Returns false if the group has borrowed all that it may.
 * @requires round mutex; the frame's latch, no key
 */
export function lend(context: Context, group: number, frame: FrameIndex): boolean {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  assertLatched(context, frame)
  const { words, arena } = context
  const groupAt = arena.groupAt(group)
  const loan = words[groupAt + Group.loanHead]! - 1
  if (loan < 0 || !mayBorrow(context, group)) return false
  const at = arena.spareAt(loan)
  words[groupAt + Group.loanHead] = words[at + Spare.next]!
  words[groupAt + Group.lent]!++
  words[at + Spare.frame] = frame + 1
  words[arena.frameAt(frame) + Frame.dirtyNext] = DirtyLink.LENT - loan
  freeSpare(context, group, loan)
  return true
}

/**
 * Takes up to `most` frames back whose spares are free: each is then latched by this thread and has no key, and the group has it no more.
 * @requires policy mutex, under which the caller puts them on the free list; round mutex
 */
export function takeBack(context: Context, group: number, most: number): FrameIndex[] {
  context.policyMutex.assertHeld(context.slot.index)
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const groupAt = arena.groupAt(group)
  const frames: FrameIndex[] = []
  let linkAt = groupAt + Group.spareHead
  for (let link = words[linkAt]!; link !== 0 && frames.length < most; link = words[linkAt]!) {
    const at = arena.spareAt(link - 1)
    const frame = words[at + Spare.frame]! - 1
    // A reader whose walk went into another chain may have a pin on it for a moment.
    if (frame < 0 || !enter(context, frame)) {
      linkAt = at + Spare.next
      continue
    }
    words[linkAt] = words[at + Spare.next]!
    words[groupAt + Group.spareCount]!--
    words[groupAt + Group.lent]!--
    words[arena.frameAt(frame) + Frame.dirtyNext] = DirtyLink.NONE
    putLoan(context, group, link - 1)
    frames.push(frame)
  }
  return frames
}

/** Puts a loan without a frame on the group's list of them. @requires round mutex */
export function putLoan(context: Context, group: number, loan: SpareIndex): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.spareAt(loan)
  words[at + Spare.frame] = 0
  words[at + Spare.next] = words[arena.groupAt(group) + Group.loanHead]!
  words[arena.groupAt(group) + Group.loanHead] = loan + 1
}

/** Asks the flush worker to return the free loans of all groups, because the thread finds no frame for a block. */
export function askBack(context: Context): void {
  const { words, arena } = context
  for (let group = 0; group < arena.geometry.groups; group++) {
    const at = arena.groupAt(group)
    if (words[at + Group.lent] === 0) continue
    store(words, at + Group.askedBack, 1)
    ringBell(context)
  }
}
