/**
 * Marks the slots of threads that ended, and rings: the flush worker does the rest (reaper.ts). The end of a thread is found
 * out in two ways:
 *
 *   buryThread   Node told the thread that created it (workers/adopt.ts)
 *   buryGone     the system does not know the thread any more. Finds also threads whose creator ended with them, or does not
 *                use the cache; on Linux only
 *
 * A thread counts as dead when it can't touch shared memory any more, reads that it started included. Any thread may mark;
 * the owner and the flush worker are left out, because their slots are not reaped.
 */
import { compareExchange, load } from '#atomics'
import type { Arena } from '../../shared/arena.js'
import type { SlotIndex } from '../../shared/indices.js'
import { isGone, osThreadId } from '../../shared/os-thread.js'
import { ringBell } from './bell.js'
import { Slot, SlotState } from '../../shared/words.js'

/** Slots 0 and 1 are those of the owner and of the flush worker. */
const FIRST_MORTAL = 2

/** Marks the slot of the thread with that number of Node's, which has ended. */
export function buryThread(arena: Arena, threadId: number): void {
  bury(arena, (slot, claim) => (claim < 0 ? threadOf(arena, slot) : claim) === threadId, osThreadId() === 0)
}

/**
 * Marks the slots of all threads that the system does not know any more. Costs a system call for each attached thread, some
 * 10 microseconds.
 */
export function buryGone(arena: Arena): void {
  bury(arena, (slot, claim) => isGone(claim < 0 ? osThreadOf(arena, slot) : claim), true)
}

/** Whether the thread of a slot has ended: it is marked, or the system does not know the thread. */
export function hasEnded(arena: Arena, slot: SlotIndex): boolean {
  const state = load(arena.words, arena.slotAt(slot) + Slot.state)
  return state !== SlotState.LIVE || isGone(osThreadOf(arena, slot))
}

const threadOf = (arena: Arena, slot: SlotIndex): number => arena.words[arena.slotAt(slot) + Slot.threadId]!
const osThreadOf = (arena: Arena, slot: SlotIndex): number => arena.words[arena.slotAt(slot) + Slot.osThread]!

/** `isDead` is asked of each slot in use; `claim` is the number in a claim, -1 where the slot is LIVE. */
function bury(arena: Arena, isDead: (slot: SlotIndex, claim: number) => boolean, readsClaims: boolean): void {
  const { words, geometry } = arena
  let isAny = false
  for (let slot = FIRST_MORTAL; slot < geometry.slots; slot++) {
    const stateAt = arena.slotAt(slot) + Slot.state
    const state = load(words, stateAt)
    if (state === SlotState.LIVE) {
      if (!isDead(slot, -1)) continue
      if (compareExchange(words, stateAt, state, SlotState.DEAD) === state) isAny = true
    } else if (readsClaims && isClaim(state) && isDead(slot, state >>> SlotState.CLAIM_SHIFT)) {
      compareExchange(words, stateAt, state, SlotState.FREE) // nothing is held yet
    }
  }
  if (isAny) ringBell(arena)
}

const CLAIM_MASK = (1 << SlotState.CLAIM_SHIFT) - 1
const isClaim = (state: number): boolean => (state & CLAIM_MASK) === SlotState.ATTACHING
