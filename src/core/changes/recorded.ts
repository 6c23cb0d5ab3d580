/**
 * Groups with a journal: which images are kept, and when an epoch ends. A change there has no class of `writeOrder`. It has one of two
 * others, which say how far it is on its way, so the lists of dirty blocks tell the two apart:
 *
 *   commit --> RECORD --a record with it is durable--> PLACE --written in place, and synced--> clean
 *                 ^--------------changed again------------'
 *
 * Which image a later change keeps (decision D78):
 *
 *   RECORD, up to the bound    a record that is being written has it
 *   PLACE, up to `owedTo`      the older half of the journal has it, and has to get free
 *   PLACE, later, and an epoch has ended that has no record yet: its record may be the first of the next half, and this change is
 *                              not in it; so the half that has the image may have to get free before the change has a record
 *   PLACE, else                none: the block's next record goes to the half in use, or is the first of the half after it
 *
 * A record must fit into one half. So an epoch ends before it has more blocks than that: a cut may end there.
 */
import { load, store } from '#atomics'
import {
  epochOf,
  classOf,
  isAfter,
  isUnwritten,
  nextEpoch,
  PLACE_CLASS,
  previousEpoch,
  RECORD_CLASS,
} from '../../shared/stamp.js'
import type { Context } from '../context.js'
import { want } from '../wait/bell.js'
import { DirtyLink, Group } from '../../shared/words.js'

type Memory = Pick<Context, 'words' | 'arena'>

export const hasJournal = ({ words, arena }: Memory, group: number): boolean =>
  words[arena.groupAt(group) + Group.recordMax] !== 0

/** The class that a change gets: that of the caller, unless the group has a journal. */
export const classIn = (context: Memory, group: number, writeClass: number): number =>
  hasJournal(context, group) ? RECORD_CLASS : writeClass

/** Whether a change keeps the image that it replaces, which has this stamp. @requires round mutex */
export function isNeeded(context: Memory, group: number, stamp: number): boolean {
  if (classOf(stamp) === PLACE_CLASS && hasJournal(context, group))
    return isOwed(context, group, stamp) || hasClosed(context, group)
  return isUnwritten(stamp, context.words[context.arena.groupAt(group) + Group.bound]!)
}

/** Whether an image is kept until it is durable in place, although the block is changed. @requires round mutex */
export function isOwed({ words, arena }: Memory, group: number, stamp: number): boolean {
  const at = arena.groupAt(group)
  return words[at + Group.owes] === 1 && !isAfter(epochOf(stamp), words[at + Group.owedTo]!)
}

/** Counts a change for `closeFullEpoch`: the block had this stamp, and gets the present epoch. @requires round mutex */
export function countInEpoch({ words, arena }: Memory, group: number, stamp: number): void {
  const at = arena.groupAt(group)
  const isCounted = classOf(stamp) === RECORD_CLASS && epochOf(stamp) === words[at + Group.epoch]
  if (!isCounted) words[at + Group.inEpoch]!++
}

/**
 * Ends the epoch if `count` more blocks would make it too large for a record. To be called before changes that belong together, since
 * they get one epoch. @requires round mutex
 */
export function closeFullEpoch(context: Context, group: number, count: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  if (words[at + Group.inEpoch]! + count <= words[at + Group.recordMax]!) return
  const bound = words[at + Group.epoch]!
  store(words, at + Group.epoch, nextEpoch(bound))
  words[at + Group.bound] = bound
  words[at + Group.inEpoch] = 0
  want(context, group, bound)
}

/** Whether an epoch has ended whose changes are in no durable record. As of a moment ago, unless the thread has the round mutex. */
const hasClosed = ({ words, arena }: Memory, group: number): boolean => {
  const at = arena.groupAt(group)
  return isAfter(previousEpoch(load(words, at + Group.epoch)), load(words, at + Group.done))
}

/** Whether changes of a group with a journal are in no durable record. As of a moment ago, unless the thread has the round mutex. */
export function hasUnrecorded({ words, arena }: Memory, group: number): boolean {
  return words[arena.groupAt(group) + Group.inEpoch]! > 0 || hasClosed({ words, arena }, group)
}

/** Whether an image may have this stamp; without a journal there is no rule. @requires round mutex */
export function hasStage({ words, arena }: Memory, group: number, stamp: number): boolean {
  if (!hasJournal({ words, arena }, group)) return true
  const lastCut = previousEpoch(words[arena.groupAt(group) + Group.epoch]!)
  return classOf(stamp) === RECORD_CLASS || (classOf(stamp) === PLACE_CLASS && isUnwritten(stamp, lastCut))
}

/** Whether the newest image of a block has this class. As of a moment ago, unless the thread has the round mutex. */
export const hasInClass = ({ words, arena }: Memory, group: number, writeClass: number): boolean =>
  load(words, arena.groupAt(group) + Group.dirtyHeads + writeClass - 1) !== DirtyLink.END
