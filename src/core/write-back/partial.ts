/**
 * Partial rounds: what is of the first classes up to one of them becomes durable, and nothing waits for the later ones (decision D71).
 * Changes of a class depend on changes of earlier classes only. So a partial round may run at any time, also while a full round is
 * under way, as soon as that one is past these classes:
 *
 *   full round      cut C1   class 1 | class 2 | class 3 .......................... done = C1
 *   partial round                              cut C2: class 1, 2 | cut C3: class 1 | ...
 *
 * A group has one partial round at a time, run by a thread that flushes (leader.ts) or by the flush worker (writeback.ts). Both
 * begin and end it with the functions below.
 *
 *   - A full round begins only while no partial round is under way: else both could write one block, in any order. If the flush
 *     worker finds one, it sets `yields`, and no thread begins another one first.
 *   - A partition has one writer at a time: an fsync tells of a failed write once. So a partial round does not begin while the full
 *     one still has blocks of one of its partitions (`inRound`).
 *   - No cut may span a change of a block's class. While there may be one (`isFlipped`), the full round that ends before it comes
 *     first.
 *   - `done` does not move, unless nothing is left to write. So a full round comes before 2^22 partial ones are over.
 *   - `bound` is at the cut while the round runs, and moves back when it is over: later changes of blocks of later classes need
 *     not keep an image for a cut that never wrote them. It stays while a class change needs it, or a full round.
 */
import { load, store } from '#atomics'
import { FLUSH_SLOT } from '../../shared/layout.js'
import { epochDistance, isAfter } from '../../shared/stamp.js'
import { want } from '../wait/bell.js'
import type { Context } from '../context.js'
import { isFlipped } from '../changes/dirty-lists.js'
import { failThroughs, finishAll, finishThrough } from '../changes/through.js'
import { addLayered, beginCut, type Cut, listUnwritten } from './cut.js'
import { Group, Led, Partition } from '../../shared/words.js'

/** So many epochs after the last full round no partial one begins before the next. */
const BEHIND_MAX = 2 ** 22

/** A partial round that has begun. */
export interface PartialCut extends Cut {
  readonly through: number
  /** The bound before the round. */
  readonly boundBefore: number
}

/** `Group.partial` while the flush worker runs the round. */
export const BY_FLUSH_WORKER = FLUSH_SLOT + 1

/**
 * Whether a full round allows a partial one now: it is past these classes; or none is under way, and the flush worker does not
 * wait to begin one. As of a moment ago, unless the thread has the round mutex.
 */
export function isPassed({ words, arena }: Context, group: number, through: number): boolean {
  const at = arena.groupAt(group)
  if (load(words, at + Group.leader) !== Led.NONE) return false
  return load(words, at + Group.cut) === 0
    ? load(words, at + Group.yields) === 0
    : load(words, at + Group.stage) > through
}

/**
 * Begins a partial round for a thread, `runner` its slot plus one; undefined if that is not possible now: a full round is not past
 * these classes, or has blocks of a partition; or a block may have images of two classes, and then a full round is asked for.
 * `blocksMax`: a round with more blocks, or with several images of a block, does not begin.
 * @requires round mutex, that no partial round is under way
 */
export function beginPartial(
  context: Context,
  group: number,
  through: number,
  runner: number,
  blocksMax = Infinity,
): PartialCut | undefined {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  const number = words[at + Group.epoch]!
  if (!isPassed(context, group, through)) return undefined
  if (isFlipped(context, group) || isFarBehind(context, group)) {
    want(context, group, number)
    return undefined
  }
  const { unwritten, layered } = listUnwritten(context, group, through)
  if (blocksMax < Infinity && (layered.length > 0 || unwritten.length > blocksMax)) return undefined
  addLayered(context, group, number, layered, unwritten)
  const { frames, jobs } = unwritten.sorted()
  const isInRound = ({ partition }: { partition: number }) =>
    words[arena.partitionAt(partition) + Partition.inRound] !== 0
  if (words[at + Group.cut] !== 0 && jobs.some(isInRound)) return undefined
  const boundBefore = words[at + Group.bound]!
  // The runner first: without one the cut would stay for ever.
  store(words, at + Group.partial, runner)
  words[at + Group.partialThrough] = through
  beginCut(context, group, number, Group.partialCut)
  return { number, spokeFor: number, frames, jobs, through, boundBefore }
}

/** Whether the last full round is so long ago that its epoch and the present one could be too far apart to be compared. */
function isFarBehind({ words, arena }: Context, group: number): boolean {
  const at = arena.groupAt(group)
  // With a fence no full round succeeds, and `failsForAge` sets the limit.
  return (
    words[at + Group.fences] === 0 &&
    epochDistance(words[at + Group.epoch]!, words[at + Group.done]!) > BEHIND_MAX
  )
}

/** Ends a partial round in which everything of its classes became durable. The caller broadcasts. @requires round mutex */
export function concludePartial(context: Context, group: number, cut: PartialCut): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  if (words[at + Group.cut] === 0 && words[at + Group.dirty] === 0) finishAll(context, group, cut.number)
  else finishThrough(context, group, cut.through, cut.number)
  endPartial(context, group)
  moveBoundBack(context, group, cut.boundBefore)
}

/** Ends a partial round that met a failure, with all its images as they were. The caller broadcasts. @requires round mutex */
export function failPartial(context: Context, group: number, spokeFor: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  failThroughs(context, group, spokeFor)
  endPartial(context, group)
}

function endPartial({ words, arena }: Context, group: number): void {
  const at = arena.groupAt(group)
  words[at + Group.rounds]!++
  store(words, at + Group.partialCut, 0)
  store(words, at + Group.partial, Led.NONE)
}

/**
 * While a class change is unwritten, the next cut ends before it and needs each block's image of that time; and a full round needs
 * those of its own cut.
 */
function moveBoundBack(context: Context, group: number, before: number): void {
  if (isFlipped(context, group)) return
  const { words, arena } = context
  const at = arena.groupAt(group)
  const cut = words[at + Group.cut]! - 1
  words[at + Group.bound] = cut >= 0 && isAfter(cut, before) ? cut : before
}
