/**
 * Spares: frames for images. Each group has an equal, contiguous part of them, and a list of those that are free. A group that has
 * none left borrows frames from the pool (loans.ts); what it borrowed is in the same list.
 *
 * A thread that changes dirty blocks of the first class keeps up to OWN_MAX spares of a group as its own, for its undo images
 * (decision D48). Such a spare is not in the free list between two changes, so the next change binds it without the round mutex,
 * and it stays in the processor's caches. `Spare.next` then names the thread's slot. A thread takes a spare as its own only while
 * half of the group's spares are free. A spare stays the slot's when its thread ends; the next thread in the slot finds it.
 */
import type { SpareIndex } from '../../shared/indices.js'
import type { Context, OwnSpares } from '../context.js'
import { Group, Spare } from '../../shared/words.js'

const OWN_MAX = 2

/** What `Spare.next` is while a spare is the own one of a slot. */
const markOf = (slot: number): number => -1 - slot

/** Whether the spare is some thread's own: in use, or kept for its next change. */
export const isOwned = ({ words, arena }: Context, spare: SpareIndex): boolean =>
  words[arena.spareAt(spare) + Spare.next]! < 0

/** Whether the spare is this thread's own. */
export const isOwn = ({ words, arena, slot }: Context, spare: SpareIndex): boolean =>
  words[arena.spareAt(spare) + Spare.next] === markOf(slot.index)

/** Notes, for `freeSpares` only, that no block uses a spare of this thread's own. */
export function setIdle({ words, arena }: Context, spare: SpareIndex): void {
  words[arena.spareAt(spare) + Spare.length] = 0
}

/** How many spares of a group hold no image. Changes under way may be counted or not. Costs a look at each spare. */
export function freeSpares(context: Context, group: number): number {
  const { words, arena } = context
  let free = words[arena.groupAt(group) + Group.spareCount]!
  const first = group * perGroup(context)
  for (let spare = first; spare < first + perGroup(context); spare++)
    if (isOwned(context, spare) && words[arena.spareAt(spare) + Spare.length] === 0) free++
  return free
}

/** The spares of a group, without what it borrowed. */
export function sparesOf(context: Context, group: number): SpareIndex[] {
  const { spares, groups } = context.arena.geometry
  return Array.from({ length: spares / groups }, (_, i) => (group * spares) / groups + i)
}

/** The index of a spare's bytes among the frames. */
export function spareData({ words, arena }: Context, spare: SpareIndex): number {
  const { blocks, spares } = arena.geometry
  return spare < spares ? blocks + spare : words[arena.spareAt(spare) + Spare.frame]! - 1
}

/**
 * Takes a free spare, or an idle one of the thread's own; -1 if there is none. With `keep` it becomes the thread's own, if that
 * is allowed.
 * @requires round mutex
 */
export function takeSpare(context: Context, group: number, keep: boolean): SpareIndex {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena, slot } = context
  const own = context.ownSpares[group]!
  if (keep && own.count < 0) adopt(context, group, own)
  const groupAt = arena.groupAt(group)
  const spare = words[groupAt + Group.spareHead]! - 1
  if (own.idle.length > 0 && (keep || spare < 0)) return own.idle.pop()!
  if (spare < 0) return -1
  const at = arena.spareAt(spare)
  const isBorrowed = words[at + Spare.frame] !== 0
  // What is lent may all be among the free ones.
  const free = words[groupAt + Group.spareCount]! - words[groupAt + Group.lent]!
  const isKept = keep && !isBorrowed && own.count < OWN_MAX && 2 * free > perGroup(context)
  if (isKept) own.count++
  words[groupAt + Group.spareHead] = words[at + Spare.next]!
  words[groupAt + Group.spareCount]!--
  words[at + Spare.stamp] = 0
  words[at + Spare.next] = isKept ? markOf(slot.index) : 0
  return spare
}

/** Finds the spares that the former thread of this slot kept. It had ended or detached, so no block uses them. */
function adopt(context: Context, group: number, own: OwnSpares): void {
  own.idle.push(...sparesOf(context, group).filter((spare) => isOwn(context, spare)))
  own.count = own.idle.length
}

const perGroup = ({ arena }: Context): number => arena.geometry.spares / arena.geometry.groups

/** Adds a spare to the free list. @requires round mutex */
export function freeSpare(context: Context, group: number, spare: SpareIndex): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const groupAt = arena.groupAt(group)
  const at = arena.spareAt(spare)
  words[at + Spare.stamp] = 0
  words[at + Spare.next] = words[groupAt + Group.spareHead]!
  words[groupAt + Group.spareHead] = spare + 1
  words[groupAt + Group.spareCount]!++
  context.spareFreedDue = true
}
