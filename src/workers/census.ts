/**
 * The flush worker's look for attached threads that the system does not know any more: those whose end no thread was told
 * of. Once a second while a thread is attached, and at once where a dead one was marked, because the threads that it created
 * end with it. Costs some 50 microseconds for each attached thread.
 */
import { performance } from 'node:perf_hooks'
import { load } from '#atomics'
import { buryGone } from '../core/wait/deaths.js'
import type { Arena } from '../shared/arena.js'
import { Slot, SlotState } from '../shared/words.js'

const PERIOD_MS = 1000
/** While a dead slot is marked. */
const SOON_MS = 20

export class Census {
  readonly #arena: Arena
  readonly #firstClient: number
  #lookedAtMs = -Infinity

  constructor(arena: Arena, firstClient: number) {
    this.#arena = arena
    this.#firstClient = firstClient
  }

  /** Marks the slots of threads that are gone, when it is time. */
  look(): void {
    const nowMs = performance.now()
    if (nowMs - this.#lookedAtMs < SOON_MS || (this.idleMs() > 0 && !this.#hasClient(SlotState.DEAD))) return
    buryGone(this.#arena)
    this.#lookedAtMs = nowMs
  }

  /** Milliseconds until the next look; Infinity when no thread is attached. */
  idleMs(): number {
    if (!this.#hasClient()) return Infinity
    return Math.max(0, this.#lookedAtMs + PERIOD_MS - performance.now())
  }

  /** Whether a slot of the attached threads has the state; without one, whether a slot is in use. */
  #hasClient(state?: SlotState): boolean {
    const { words, geometry } = this.#arena
    for (let slot = this.#firstClient; slot < geometry.slots; slot++) {
      const found = load(words, this.#arena.slotAt(slot) + Slot.state)
      if (state === undefined ? found !== SlotState.FREE : found === state) return true
    }
    return false
  }
}
