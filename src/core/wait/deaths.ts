/**
 * Marks the slots of threads that have ended, and rings the bell; the flush worker recovers the slots (reaper.ts). The end of
 * a thread is detected in two ways:
 *
 *   buryThread   Node reported it to the thread that created the worker (workers/adopt.ts)
 *   buryGone     the operating system does not know the thread any more. This also finds threads whose creator ended with them,
 *                or does not use the cache. Linux only
 *
 * A thread counts as dead when it can no longer access shared memory, not even by a read that it started. Any thread may mark
 * slots. Those of the owner and of the flush worker are never marked, because the reaper does not recover them.
 */
import { compareExchange, load } from '#atomics'
import type { Arena } from '../../shared/arena.js'
import type { SlotIndex } from '../../shared/indices.js'
import { isGone, osThreadId } from '../../shared/os-thread.js'
import { ringBell } from './bell.js'
import { Slot, SlotState } from '../../shared/words.js'

/** Slots 0 and 1 belong to the owner and the flush worker. */
const FIRST_MORTAL = 2

/** Marks the slot of the thread with this id of Node's. @requires that the thread has ended */
export function buryThread(arena: Arena, threadId: number): void {
  bury(arena, (slot, claim) => (claim < 0 ? threadOf(arena, slot) : claim) === threadId, osThreadId() === 0)
}

/**
 * Marks the slots of all threads that the operating system does not know any more. Costs one system call per attached thread,
 * about 10 microseconds each.
 */
export function buryGone(arena: Arena): void {
  bury(arena, (slot, claim) => isGone(claim < 0 ? osThreadOf(arena, slot) : claim), true)
}

/** Whether the thread of a slot has ended: the slot is marked, or the operating system does not know the thread. */
export function hasEnded(arena: Arena, slot: SlotIndex): boolean {
  const state = load(arena.words, arena.slotAt(slot) + Slot.state)
  return state !== SlotState.LIVE || isGone(osThreadOf(arena, slot))
}

const threadOf = (arena: Arena, slot: SlotIndex): number => arena.words[arena.slotAt(slot) + Slot.threadId]!
const osThreadOf = (arena: Arena, slot: SlotIndex): number => arena.words[arena.slotAt(slot) + Slot.osThread]!

/** `isDead` is called for each slot in use; `claim` is the thread id in a claim, -1 if the slot is LIVE. */
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
      compareExchange(words, stateAt, state, SlotState.FREE) // it holds nothing yet
    }
  }
  if (isAny) ringBell(arena)
}

const CLAIM_MASK = (1 << SlotState.CLAIM_SHIFT) - 1
/** Whether a thread is attaching to the slot: its id is in the state. */
export const isClaim = (state: number): boolean => (state & CLAIM_MASK) === SlotState.ATTACHING
