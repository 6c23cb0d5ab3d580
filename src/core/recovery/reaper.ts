/**
 * The reaper: recovers what a dead thread leaves behind. Only the flush worker runs it. It may itself be interrupted and run
 * again: after every step, all steps can be repeated.
 *
 *   1  mutexes of all dead slots: stolen, and what they guard is rebuilt (repair.ts)
 *   2  frames latched by a dead slot, or offered to it: a change under way is undone, a fill under way is dropped; then the latch
 *      passes to the next waiter. Releases on the pending stack are settled before that: being on the stack is their commit.
 *      The dead are listed before that: a slot that is found dead afterwards may have pushed in between
 *   3  pins in its journal: the pins of these frames are set to the number in live journals, never subtracted; waiters are woken
 *   4  frames that it waited for, or was serving: their waiters are woken and their marks healed (shared/latch-queue.ts)
 *   5  the round that it led is dropped, full or partial (write-back/leader.ts)
 *   6  the slot becomes free
 *
 * Nothing here waits for another thread without a limit. If a count does not settle, because a thread that is not known to
 * have ended stopped between two stores to its journal, the block keeps the dead thread's pins: it can be read and written to
 * the disk, but not changed or evicted. The slot stays DEAD, and `reapDead` is called again.
 */
import { add, load, notify, store, wait } from '#atomics'
import { freeze, pinsOf, thaw, writerOf } from '../../shared/latch.js'
import { Counter } from '../../shared/counter-words.js'
import { GUARDS_MAX } from '../../shared/layout.js'
import { journaledPins } from '../../shared/slot.js'
import { clearWaits, frameIn, recordsOf } from '../../shared/waits.js'
import type { FrameIndex, SlotIndex } from '../../shared/indices.js'
import { FIRST_CLASS } from '../../shared/stamp.js'
import { type Context, leave, partitionOf } from '../context.js'
import { readmitStray } from '../blocks/victims.js'
import { commit, disposeUndo, uncommit } from '../changes/images.js'
import { hasJournal } from '../changes/recorded.js'
import { applyUndo } from '../changes/undo.js'
import type { Mutex } from '../../shared/mutex.js'
import { isDead, repairPolicy, repairRound, repairStripe } from './repair.js'
import { seize, seizePolicy, seizeRound } from './seize.js'
import { unlockRound } from '../changes/rounds.js'
import {
  DelayedKick,
  Frame,
  Group,
  Journal,
  Latch,
  Led,
  Partition,
  Slot,
  SlotState,
  State,
  Undo,
} from '../../shared/words.js'

/** Milliseconds to wait for a thread between two stores to its journal, before counting again. */
const UNSETTLED_MS = 1
/** How often to wait so in one call of `reapDead`. */
const UNSETTLED_MAX = 20

/**
 * Recovers the dead slots. Returns false if one is left, so that it must be called again. `died` is called for each slot
 * before it is freed; a second time if the flush worker ends in between. Called by the flush worker; waits about 20 ms at
 * most.
 * @takes every mutex, one after the other
 */
export function reapDead(
  context: Context,
  died: (slot: SlotIndex, threadId: number) => void = () => undefined,
): boolean {
  const dead = deadSlots(context)
  if (dead.length === 0) return true
  freeMutexes(context)
  for (let frame = 0; frame < context.arena.frames; frame++) {
    const writer = writerOf(load(context.words, context.arena.frameAt(frame) + Frame.latch))
    if (writer >= 0 && dead.includes(writer)) undoFrame(context, frame, dead)
  }
  const patience = { left: UNSETTLED_MAX }
  return dead
    .map((slot) => {
      const isCounted = reapPins(context, slot, patience)
      reapWaits(context, slot)
      reapLeads(context, slot)
      if (!isCounted) return false
      died(slot, context.words[context.arena.slotAt(slot) + Slot.threadId]!)
      freeSlot(context, slot)
      context.slot.count(Counter.deaths)
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
 * Recovers what the former flush worker held when it died. The new one has the same slot.
 * @requires the flush worker's thread, before it takes any mutex
 */
export function freeOwnMutexes(context: Context): void {
  const { index } = context.slot
  // First: a thread that releases latches stores into this record of what its predecessor was serving.
  healServed(context, index)
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
  // Releases that it had settled but not unlatched yet.
  for (let frame = 0; frame < context.arena.frames; frame++) {
    if (writerOf(load(context.words, context.arena.frameAt(frame) + Frame.latch)) === index)
      leave(context, frame)
  }
}

/** Frees the mutexes that dead slots hold. Does not wait for any other mutex. */
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
 * Recovers a frame that a slot of `dead` has latched. `seizeRound` settles what is on the pending stack first, and these slots
 * push no more: so what they still have latched was not released. It is undone, except a change by one copy without an undo
 * image, which is finished; contents that were being read are dropped. `Frame.released` says nothing here: a thread stores it
 * before it pushes.
 * @takes round mutex
 */
function undoFrame(context: Context, frame: FrameIndex, dead: readonly SlotIndex[]): void {
  const { words, arena, partitions } = context
  const at = arena.frameAt(frame)
  const partition = partitions.find(partitionOf(words, at))
  const isOffer = (load(words, at + Frame.latch) & Latch.HANDED) !== 0
  if (partition === undefined || isOffer) {
    leaveFor(context, frame)
    return
  }
  seizeRound(context, partition.group)
  if (!dead.includes(writerOf(load(words, at + Frame.latch)))) {
    unlockRound(context, partition.group)
    return
  }
  if ((load(words, at + Frame.state) & State.CHANGING) === 0) {
    if (words[at + Frame.undo] !== 0) disposeUndo(context, partition.group, frame)
  } else if (words[at + Frame.undo] === Undo.NONE) {
    store(words, at + Frame.state, State.ABSENT)
  } else if (words[at + Frame.undo] === Undo.INTENT) {
    commit(context, partition.group, frame, FIRST_CLASS)
  } else {
    applyUndo(context, frame)
    uncommit(context, partition.group, frame)
  }
  store(words, at + Frame.released, 0)
  unlockRound(context, partition.group)
  leaveFor(context, frame)
}

/** Passes the latch that a dead slot held, or was offered, to the next waiter. */
function leaveFor(context: Context, frame: FrameIndex): void {
  context.latches.serveFor(frame)
  context.freed.signal()
}

/** Removes the pins of a dead slot; returns false if one is left. */
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
 * Sets a frame's pins to the number that live slots have. While the frame is frozen no pin is added, so a running thread
 * settles its journal entry within a few instructions. If one does not, the pins stay as they are, too many but never too
 * few, and the result is false.
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
 * Wakes the waiters of the frames that a dead slot waited for or was serving: a wakeup may have been lost with it, or been
 * sent to it. Its records are cleared last, so that a successor of this thread still finds them; scans skip dead slots.
 */
function reapWaits(context: Context, slot: SlotIndex): void {
  const { words, arena } = context
  for (const recordAt of recordsOf(arena, slot)) {
    const frame = frameIn(words, recordAt)
    if (frame >= 0 && frame < arena.frames) wakeAndHeal(context, frame)
  }
  healServed(context, slot)
  clearWaits(arena, slot)
}

/** Drops the rounds that a dead slot was leading. */
function reapLeads(context: Context, slot: SlotIndex): void {
  const { words, arena } = context
  for (let group = 0; group < arena.geometry.groups; group++) {
    if (load(words, arena.groupAt(group) + Group.leader) === slot + 1) forgetCut(context, group, slot + 1)
    if (load(words, arena.groupAt(group) + Group.partial) === slot + 1)
      forgetPartial(context, group, slot + 1)
  }
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
 * Drops the cut that a former flush worker was writing; or with `leader`, that of a leader that is dead or gave its round up
 * (write-back/leader.ts). Its images stay unwritten, and the next round makes a new cut. Blocks that were made clean but not
 * readmitted are readmitted first, so that if this thread dies too, its successor finds the cut.
 * @requires that no writer is at work for the group
 * @takes policy mutex, round mutex, one after the other
 */
export function forgetCut(context: Context, group: number, leader: number = Led.NONE): void {
  seizePolicy(context)
  readmitStray(context)
  context.policyMutex.unlock()
  seizeRound(context, group)
  if (context.words[context.arena.groupAt(group) + Group.leader] === leader) dropCut(context, group)
  unlockRound(context, group)
  context.rounds[group]!.signal()
}

/** Drops a partial round in the same way: that of a dead runner, or of one that gave it up. `runner` is `Group.partial`. */
export function forgetPartial(context: Context, group: number, runner: number): void {
  const { words, arena } = context
  const at = arena.groupAt(group)
  if (load(words, at + Group.partial) !== runner) return
  seizePolicy(context)
  readmitStray(context)
  context.policyMutex.unlock()
  seizeRound(context, group)
  if (words[at + Group.partial] === runner) {
    endCalls(context, group)
    store(words, at + Group.partialCut, 0)
    store(words, at + Group.partial, Led.NONE)
  }
  unlockRound(context, group)
  context.rounds[group]!.signal()
}

/** @requires round mutex */
function dropCut(context: Context, group: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const at = context.arena.groupAt(group)
  for (const { index } of context.partitions.ofGroup(group))
    context.words[context.arena.partitionAt(index) + Partition.inRound] = 0
  // A leader of a record makes no call of a partition; a writer may be inside one.
  if (context.words[at + Group.leader] !== Led.NONE && !hasJournal(context, group)) endCalls(context, group)
  store(context.words, at + Group.cut, 0)
  store(context.words, at + Group.stage, 0)
  store(context.words, at + Group.leader, Led.NONE)
  // The dropped round may have been a background round, which nothing else would start again.
  if (context.words[at + Group.dirty]! > 0 && context.words[at + Group.delayed] === DelayedKick.NONE)
    context.words[at + Group.delayed] = DelayedKick.ASKED
}

/** A leader that died inside a call did not count its end. Writers of a full round are at work in other partitions. */
function endCalls({ words, arena, partitions }: Context, group: number): void {
  for (const { index } of partitions.ofGroup(group)) {
    if (words[arena.partitionAt(index) + Partition.inRound] !== 0) continue
    const callsAt = arena.partitionAt(index) + Partition.calls
    if ((load(words, callsAt) & 1) !== 0) add(words, callsAt, 1)
  }
}
