/**
 * Taking a slot to attach. The slot of a thread that has ended is freed when the flush worker has recovered it, some
 * milliseconds after the end is detected. So if all slots are in use, and one of them is a dead thread's, attaching waits for
 * it.
 */
import { performance } from 'node:perf_hooks'
import { load, wait } from '#atomics'
import { notOpenError } from '../core/context.js'
import { buryGone } from '../core/wait/deaths.js'
import type { Arena } from '../shared/arena.js'
import { CacheError } from '../shared/errors.js'
import { type ThreadSlot, tryAttachSlot } from '../shared/slot.js'
import { EngineState, Header, Slot, SlotState } from '../shared/words.js'

/**
 * Milliseconds that a thread that may block waits for the flush worker, which may be in a long round; and one that may not.
 */
const PATIENCE_MS = 5000
const SHORT_PATIENCE_MS = 50
/** The operating system may know a thread for a moment after Node has reported its end. */
const LINGER_MS = 20
const LOOK_MS = 5

/**
 * Takes a slot from `first` on for the calling thread. May block.
 * @throws ERR_DCACHE_THREADS, and the error of notOpenError if the cache is not open
 */
export function waitForSlot(
  arena: Arena,
  first: number,
  threadId: number,
  name: string | undefined,
  mayBlock: boolean,
): ThreadSlot {
  const { words, geometry } = arena
  const startMs = performance.now()
  const patienceMs = mayBlock ? PATIENCE_MS : SHORT_PATIENCE_MS
  for (;;) {
    const slot = tryAttachSlot(arena, first, geometry.slots, threadId, name)
    if (slot !== undefined) return slot
    if (load(words, Header.state) !== EngineState.OPEN) throw notOpenError(words)
    const waitedMs = performance.now() - startMs
    buryGone(arena)
    const dead = deadSlot(arena, first)
    if (dead < 0 ? waitedMs > LINGER_MS : waitedMs > patienceMs)
      throw allTaken(geometry.slots - first, dead, waitedMs)
    // When a dead slot is freed, its state word is notified. Other slots are checked again after a while.
    const stateAt = arena.slotAt(dead < 0 ? first : dead) + Slot.state
    wait(words, stateAt, dead < 0 ? SlotState.LIVE : SlotState.DEAD, LOOK_MS)
  }
}

function deadSlot(arena: Arena, first: number): number {
  const { words, geometry } = arena
  for (let slot = first; slot < geometry.slots; slot++)
    if (load(words, arena.slotAt(slot) + Slot.state) === SlotState.DEAD) return slot
  return -1
}

function allTaken(slots: number, dead: number, waitedMs: number): CacheError {
  const what = `all ${slots} thread slots are in use`
  return new CacheError(
    'ERR_DCACHE_THREADS',
    dead < 0
      ? `${what}; detach a thread, or open the cache with more threads`
      : `${what}, slot ${dead} by a thread that has ended and is not recovered yet (waited ${Math.round(waitedMs)} ms); try again`,
  )
}
