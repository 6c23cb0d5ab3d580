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
import { type Core, leave, partitionOf } from '../context.js'
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
  core: Core,
  died: (slot: SlotIndex, threadId: number) => void = () => undefined,
): boolean {
  const dead = deadSlots(core)
  if (dead.length === 0) return true
  freeMutexes(core)
  for (let frame = 0; frame < core.arena.geometry.blocks; frame++) {
    const writer = writerOf(load(core.words, core.arena.frameAt(frame) + Frame.latch))
    if (writer >= 0 && dead.includes(writer)) undoFrame(core, frame)
  }
  const patience = { left: UNSETTLED_MAX }
  return dead
    .map((slot) => {
      const isCounted = reapPins(core, slot, patience)
      reapWaits(core, slot)
      if (!isCounted) return false
      died(slot, core.words[core.arena.slotAt(slot) + Slot.threadId]!)
      freeSlot(core, slot)
      return true
    })
    .every((isFree) => isFree)
}

function deadSlots(core: Core): SlotIndex[] {
  return Array.from({ length: core.arena.geometry.slots }, (_, slot) => slot).filter((slot) =>
    isDead(core, slot),
  )
}

/**
 * A new flush worker has the slot of the one before it: what that one held when it died is taken over and put right.
 * @requires the flush worker's thread, before it takes any mutex
 */
export function freeOwnMutexes(core: Core): void {
  const { index } = core.slot
  const isTaken = (mutex: Mutex) => mutex.holder() === index && mutex.steal(index, index)
  if (isTaken(core.policyMutex)) {
    repairPolicy(core)
    core.policyMutex.unlock()
  }
  core.rounds.forEach((mutex, group) => {
    if (!isTaken(mutex)) return
    repairRound(core, group)
    unlockRound(core, group)
  })
  core.stripes.forEach((stripe, i) => {
    if (!isTaken(stripe)) return
    repairStripe(core, i)
    stripe.unlock()
  })
  // Releases that it had settled and not unlatched yet, and a frame whose waiters it was looking after.
  for (let frame = 0; frame < core.arena.geometry.blocks; frame++) {
    if (writerOf(load(core.words, core.arena.frameAt(frame) + Frame.latch)) === index) leave(core, frame)
  }
  healServed(core, index)
}

/** Only a mutex that a dead slot has is waited for; the others are none of the reaper's business. */
function freeMutexes(core: Core): void {
  const isDeads = (holder: SlotIndex) => holder >= 0 && isDead(core, holder)
  core.stripes.forEach((stripe, i) => {
    if (!isDeads(stripe.holder())) return
    seize(core, stripe, () => {
      repairStripe(core, i)
    })
    stripe.unlock()
  })
  if (isDeads(core.policyMutex.holder())) {
    seizePolicy(core)
    core.policyMutex.unlock()
  }
  core.rounds.forEach((mutex, group) => {
    if (!isDeads(mutex.holder())) return
    seizeRound(core, group)
    unlockRound(core, group)
  })
}

/**
 * A frame that a dead thread had alone. A release that it had left to others happened; a change it had not released did
 * not; contents it was reading are not there.
 * @takes round mutex
 */
function undoFrame(core: Core, frame: FrameIndex): void {
  const { words, arena, partitions } = core
  const at = arena.frameAt(frame)
  const partition = partitions[partitionOf(words, at)]
  const isOffer = (load(words, at + Frame.latch) & Latch.HANDED) !== 0
  if (partition === undefined || isOffer) {
    leaveFor(core, frame)
    return
  }
  seizeRound(core, partition.group)
  if (isDead(core, writerOf(load(words, at + Frame.latch)))) {
    const released = words[at + Frame.released]!
    if (released !== 0) {
      if (released > 0) closeEpochFor(core, partition.group, frame, released)
      settleOne(core, partition.group, frame)
    } else if ((load(words, at + Frame.state) & State.CHANGING) === 0) {
      if (words[at + Frame.undo] !== 0) disposeUndo(core, partition.group, frame)
    } else if (words[at + Frame.undo] === 0) {
      store(words, at + Frame.state, State.ABSENT)
    } else {
      applyUndo(core, frame)
      uncommit(core, partition.group, frame)
    }
    unlockRound(core, partition.group)
    leaveFor(core, frame)
  } else {
    unlockRound(core, partition.group)
  }
}

/** The latch, or the offer, that a dead slot has goes to the next waiter. */
function leaveFor(core: Core, frame: FrameIndex): void {
  core.latches.serveFor(frame)
  core.freed.signal()
}

/** Counts the pins of a dead slot out; false when one is left. */
function reapPins(core: Core, slot: SlotIndex, patience: { left: number }): boolean {
  const { words, arena } = core
  const start = arena.journalAt(slot)
  let isDone = true
  for (let at = start; at < start + GUARDS_MAX; at++) {
    const entry = words[at]!
    if ((entry & 3) === Journal.FREE) continue
    if (countOut(core, entry >>> 2, patience)) words[at] = Journal.FREE
    else isDone = false
  }
  core.freed.signal()
  return isDone
}

/**
 * Sets a frame's pins to those that the living have. While the frame is frozen no pin is added, so a thread that runs
 * settles its entry within some instructions. One that does not leaves the pins as they are, which are too many and never
 * too few; false then.
 */
function countOut(core: Core, frame: FrameIndex, patience: { left: number }): boolean {
  const { words, arena } = core
  const latchAt = arena.frameAt(frame) + Frame.latch
  freeze(words, latchAt)
  for (;;) {
    const word = load(words, latchAt)
    const pins = journaledPins(arena, frame)
    if (pins < 0 && patience.left > 0) {
      patience.left--
      wait(words, latchAt, word, UNSETTLED_MS)
    } else if (thaw(words, latchAt, word, pins < 0 ? pinsOf(word) : pins)) {
      wakeAndHeal(core, frame)
      return pins >= 0
    }
  }
}

/**
 * What a dead slot waited for, and the frame that it was serving: a wakeup may have died with it, or been spent on it. Its
 * records are cleared last, so that a successor of this thread finds them; scans pass over the dead.
 */
function reapWaits(core: Core, slot: SlotIndex): void {
  const { words, arena } = core
  for (const recordAt of recordsOf(arena, slot)) {
    const frame = frameIn(words, recordAt)
    if (frame >= 0 && frame < arena.geometry.blocks) wakeAndHeal(core, frame)
  }
  healServed(core, slot)
  clearWaits(arena, slot)
}

function healServed(core: Core, slot: SlotIndex): void {
  const servesAt = core.arena.slotAt(slot) + Slot.serves
  const served = load(core.words, servesAt)
  if (served === 0) return
  wakeAndHeal(core, served - 1)
  store(core.words, servesAt, 0)
}

function wakeAndHeal({ latches }: Core, frame: FrameIndex): void {
  latches.wakeAll(frame)
  latches.heal(frame)
}

function freeSlot(core: Core, slot: SlotIndex): void {
  const { words, arena } = core
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
export function forgetCut(core: Core, group: number): void {
  seizePolicy(core)
  readmitStray(core)
  core.policyMutex.unlock()
  seizeRound(core, group)
  const at = core.arena.groupAt(group)
  store(core.words, at + Group.cut, 0)
  // The round may have been one that nobody asked for.
  if (core.words[at + Group.dirty]! > 0 && core.words[at + Group.delayed] === DelayedKick.NONE)
    core.words[at + Group.delayed] = DelayedKick.ASKED
  unlockRound(core, group)
}
