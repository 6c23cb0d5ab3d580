/**
 * The flush worker's search for attached threads that the operating system does not know any more, and whose end Node
 * reported to no attached thread. Once per second while a thread is attached, and soon after a dead slot was marked, because
 * the threads that a dead thread created end with it. Costs about 50 microseconds per attached thread.
 */
import { performance } from 'node:perf_hooks'
import { load } from '#atomics'
import { buryGone } from '../core/wait/deaths.js'
import type { Arena } from '../shared/arena.js'
import { Slot, SlotState } from '../shared/words.js'

const PERIOD_MS = 1000
/** While a slot is DEAD. */
const SOON_MS = 20

export class Census {
  readonly #arena: Arena
  readonly #firstClient: number
  #lookedAtMs = -Infinity

  constructor(arena: Arena, firstClient: number) {
    this.#arena = arena
    this.#firstClient = firstClient
  }

  /** Marks the slots of threads that are gone, if a search is due. */
  look(): void {
    const nowMs = performance.now()
    if (nowMs - this.#lookedAtMs < SOON_MS || (this.idleMs() > 0 && !this.#hasClient(SlotState.DEAD))) return
    buryGone(this.#arena)
    this.#lookedAtMs = nowMs
  }

  /** Milliseconds until the next search is due; Infinity if no thread is attached. */
  idleMs(): number {
    if (!this.#hasClient()) return Infinity
    return Math.max(0, this.#lookedAtMs + PERIOD_MS - performance.now())
  }

  /** Whether a slot of the attached threads has this state; without `state`, whether one is in use. */
  #hasClient(state?: SlotState): boolean {
    const { words, geometry } = this.#arena
    for (let slot = this.#firstClient; slot < geometry.slots; slot++) {
      const found = load(words, this.#arena.slotAt(slot) + Slot.state)
      if (state === undefined ? found !== SlotState.FREE : found === state) return true
    }
    return false
  }
}
