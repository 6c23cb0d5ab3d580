/**
 * Getting a slot to attach. A thread that ended has its slot until the flush worker has reaped it, some milliseconds after
 * its end is known. So where all slots are taken, and one of them is a dead thread's, attaching waits for it.
 */
import { performance } from 'node:perf_hooks'
import { load, wait } from '#atomics'
import { notOpenError } from '../core/context.js'
import { buryGone } from '../core/wait/deaths.js'
import type { Arena } from '../shared/arena.js'
import { CacheError } from '../shared/errors.js'
import { type ThreadSlot, tryAttachSlot } from '../shared/slot.js'
import { EngineState, Header, Slot, SlotState } from '../shared/words.js'

/** How long a thread that may block waits for the flush worker, which may be in a long round; and one that may not. */
const PATIENCE_MS = 5000
const SHORT_PATIENCE_MS = 50
/** The system may know a thread for a moment after Node said that it ended. */
const LINGER_MS = 20
const LOOK_MS = 5

/**
 * A slot of `first` and above for the calling thread.
 * @throws ERR_DCACHE_THREADS, and what is wrong with a cache that is not open
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
    // The state of a dead slot changes, and notifies, when the slot is free. Other slots are looked at after a while.
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
  const what = `all ${slots} thread slots are taken`
  return new CacheError(
    'ERR_DCACHE_THREADS',
    dead < 0
      ? `${what}; detach a thread, or open the cache with more threads`
      : `${what}, slot ${dead} by a thread that ended and is not reaped yet (waited ${Math.round(waitedMs)} ms); try again`,
  )
}
