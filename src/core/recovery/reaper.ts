/**
 * The reaper: what a dead thread leaves behind is put right, by the flush worker alone. It may itself be interrupted and
 * run again: every step leaves a state from which all steps can be taken again.
 *
 *   1  mutexes of all dead slots: stolen, and what they guard is rebuilt (repair.ts)
 *   2  frames latched by a dead slot, or offered to it: a change under way is undone, a load under way is forgotten; then
 *      the latch goes to the next waiter
 *   3  pins of its journal: counted out by those of the living, never subtracted; waiters are woken
 *   4  frames that it waited for, or was serving: their waiters are woken and their marks healed (shared/latch-queue.ts)
 *   5  the slot is free
 *
 * Nothing here waits for another thread without a limit. A count that does not settle, because a thread that is not known to
 * have ended stopped between two stores of its journal, leaves its block with the dead thread's pins: it can be read and
 * written to the disk, and not be changed or evicted. The slot stays DEAD, and `reapDead` is called again.
 */
import { load, notify, store, wait } from '#atomics'
import { freeze, pinsOf, thaw, writerOf } from '../../shared/latch.js'
import { GUARDS_MAX } from '../../shared/layout.js'
import { journaledPins } from '../../shared/slot.js'
import { clearWaits, frameIn, recordsOf } from '../../shared/waits.js'
import type { FrameIndex, SlotIndex } from '../../shared/indices.js'
import { type Context, leave, partitionOf } from '../context.js'
import { readmitStray } from '../blocks/frames.js'
import { applyUndo, closeEpochFor, disposeUndo, uncommit } from '../changes/images.js'
import { settleOne } from '../changes/pending.js'
import type { Mutex } from '../../shared/mutex.js'
import { isDead, repairPolicy, repairRound, repairStripe } from './repair.js'
import { seize, seizePolicy, seizeRound } from './seize.js'
import { unlockRound } from '../changes/rounds.js'
import { DelayedKick, Frame, Group, Journal, Latch, Slot, SlotState, State } from '../../shared/words.js'

/** How long a thread between two stores of its journal is given before it is looked at again. */
const UNSETTLED_MS = 1
/** How often that is done in one call of `reapDead`. */
const UNSETTLED_MAX = 20

/**
 * Reaps the dead slots; false when one is left, which another call has to reap. `died` is told of each before its slot is
 * free, a second time where the flush worker ends in between. The flush worker's thread only; waits at most some 20 ms.
 * @takes every mutex, one after the other
 */
export function reapDead(
  context: Context,
  died: (slot: SlotIndex, threadId: number) => void = () => undefined,
): boolean {
  const dead = deadSlots(context)
  if (dead.length === 0) return true
  freeMutexes(context)
  for (let frame = 0; frame < context.arena.geometry.blocks; frame++) {
    const writer = writerOf(load(context.words, context.arena.frameAt(frame) + Frame.latch))
    if (writer >= 0 && dead.includes(writer)) undoFrame(context, frame)
  }
  const patience = { left: UNSETTLED_MAX }
  return dead
    .map((slot) => {
      const isCounted = reapPins(context, slot, patience)
      reapWaits(context, slot)
      if (!isCounted) return false
      died(slot, context.words[context.arena.slotAt(slot) + Slot.threadId]!)
      freeSlot(context, slot)
      return true
    })
    .every((isFree) => isFree)
}

function deadSlots(context: Context): SlotIndex[] {
  return Array.from({ length: context.arena.geometry.slots }, (_, slot) => slot).filter((slot) =>
    isDead(context, slot),
  )
}

/**
 * A new flush worker has the slot of the one before it: what that one held when it died is taken over and put right.
 * @requires the flush worker's thread, before it takes any mutex
 */
export function freeOwnMutexes(context: Context): void {
  const { index } = context.slot
  const isTaken = (mutex: Mutex) => mutex.holder() === index && mutex.steal(index, index)
  if (isTaken(context.policyMutex)) {
    repairPolicy(context)
    context.policyMutex.unlock()
  }
  context.roundMutexes.forEach((mutex, group) => {
    if (!isTaken(mutex)) return
    repairRound(context, group)
    unlockRound(context, group)
  })
  context.stripes.forEach((stripe, i) => {
    if (!isTaken(stripe)) return
    repairStripe(context, i)
    stripe.unlock()
  })
  // Releases that it had settled and not unlatched yet, and a frame whose waiters it was looking after.
  for (let frame = 0; frame < context.arena.geometry.blocks; frame++) {
    if (writerOf(load(context.words, context.arena.frameAt(frame) + Frame.latch)) === index)
      leave(context, frame)
  }
  healServed(context, index)
}

/** Only a mutex that a dead slot has is waited for; the others are none of the reaper's business. */
function freeMutexes(context: Context): void {
  const isDeads = (holder: SlotIndex) => holder >= 0 && isDead(context, holder)
  context.stripes.forEach((stripe, i) => {
    if (!isDeads(stripe.holder())) return
    seize(context, stripe, () => {
      repairStripe(context, i)
    })
    stripe.unlock()
  })
  if (isDeads(context.policyMutex.holder())) {
    seizePolicy(context)
    context.policyMutex.unlock()
  }
  context.roundMutexes.forEach((mutex, group) => {
    if (!isDeads(mutex.holder())) return
    seizeRound(context, group)
    unlockRound(context, group)
  })
}

/**
 * A frame that a dead thread had alone. A release that it had left to others happened; a change it had not released did
 * not; contents it was reading are not there.
 * @takes round mutex
 */
function undoFrame(context: Context, frame: FrameIndex): void {
  const { words, arena, partitions } = context
  const at = arena.frameAt(frame)
  const partition = partitions[partitionOf(words, at)]
  const isOffer = (load(words, at + Frame.latch) & Latch.HANDED) !== 0
  if (partition === undefined || isOffer) {
    leaveFor(context, frame)
    return
  }
  seizeRound(context, partition.group)
  if (isDead(context, writerOf(load(words, at + Frame.latch)))) {
    const released = words[at + Frame.released]!
    if (released !== 0) {
      if (released > 0) closeEpochFor(context, partition.group, frame, released)
      settleOne(context, partition.group, frame)
    } else if ((load(words, at + Frame.state) & State.CHANGING) === 0) {
      if (words[at + Frame.undo] !== 0) disposeUndo(context, partition.group, frame)
    } else if (words[at + Frame.undo] === 0) {
      store(words, at + Frame.state, State.ABSENT)
    } else {
      applyUndo(context, frame)
      uncommit(context, partition.group, frame)
    }
    unlockRound(context, partition.group)
    leaveFor(context, frame)
  } else {
    unlockRound(context, partition.group)
  }
}

/** The latch, or the offer, that a dead slot has goes to the next waiter. */
function leaveFor(context: Context, frame: FrameIndex): void {
  context.latches.serveFor(frame)
  context.freed.signal()
}

/** Counts the pins of a dead slot out; false when one is left. */
function reapPins(context: Context, slot: SlotIndex, patience: { left: number }): boolean {
  const { words, arena } = context
  const start = arena.journalAt(slot)
  let isDone = true
  for (let at = start; at < start + GUARDS_MAX; at++) {
    const entry = words[at]!
    if ((entry & 3) === Journal.FREE) continue
    if (countOut(context, entry >>> 2, patience)) words[at] = Journal.FREE
    else isDone = false
  }
  context.freed.signal()
  return isDone
}

/**
 * Sets a frame's pins to those that the living have. While the frame is frozen no pin is added, so a thread that runs
 * settles its entry within some instructions. One that does not leaves the pins as they are, which are too many and never
 * too few; false then.
 */
function countOut(context: Context, frame: FrameIndex, patience: { left: number }): boolean {
  const { words, arena } = context
  const latchAt = arena.frameAt(frame) + Frame.latch
  freeze(words, latchAt)
  for (;;) {
    const word = load(words, latchAt)
    const pins = journaledPins(arena, frame)
    if (pins < 0 && patience.left > 0) {
      patience.left--
      wait(words, latchAt, word, UNSETTLED_MS)
    } else if (thaw(words, latchAt, word, pins < 0 ? pinsOf(word) : pins)) {
      wakeAndHeal(context, frame)
      return pins >= 0
    }
  }
}

/**
 * What a dead slot waited for, and the frame that it was serving: a wakeup may have died with it, or been spent on it. Its
 * records are cleared last, so that a successor of this thread finds them; scans pass over the dead.
 */
function reapWaits(context: Context, slot: SlotIndex): void {
  const { words, arena } = context
  for (const recordAt of recordsOf(arena, slot)) {
    const frame = frameIn(words, recordAt)
    if (frame >= 0 && frame < arena.geometry.blocks) wakeAndHeal(context, frame)
  }
  healServed(context, slot)
  clearWaits(arena, slot)
}

function healServed(context: Context, slot: SlotIndex): void {
  const servesAt = context.arena.slotAt(slot) + Slot.serves
  const served = load(context.words, servesAt)
  if (served === 0) return
  wakeAndHeal(context, served - 1)
  store(context.words, servesAt, 0)
}

function wakeAndHeal({ latches }: Context, frame: FrameIndex): void {
  latches.wakeAll(frame)
  latches.heal(frame)
}

function freeSlot(context: Context, slot: SlotIndex): void {
  const { words, arena } = context
  const at = arena.slotAt(slot)
  words[at + Slot.guards] = 0
  store(words, at + Slot.inIo, 0)
  store(words, at + Slot.state, SlotState.FREE)
  notify(words, at + Slot.state) // a thread may wait for a slot to attach
}

/**
 * The cut that a former flush worker was writing is forgotten. The images stay owed, and the next round makes a new cut.
 * What it made clean and did not readmit any more is readmitted before, so that a death in between leaves it to the next.
 * @requires that no writer is at work for the group
 * @takes policy mutex, round mutex, one after the other
 */
export function forgetCut(context: Context, group: number): void {
  seizePolicy(context)
  readmitStray(context)
  context.policyMutex.unlock()
  seizeRound(context, group)
  const at = context.arena.groupAt(group)
  store(context.words, at + Group.cut, 0)
  // The round may have been one that nobody asked for.
  if (context.words[at + Group.dirty]! > 0 && context.words[at + Group.delayed] === DelayedKick.NONE)
    context.words[at + Group.delayed] = DelayedKick.ASKED
  unlockRound(context, group)
}
