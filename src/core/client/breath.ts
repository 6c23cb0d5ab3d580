/**
 * Long asynchronous copies yield to the event loop after every 256 KiB, or about a millisecond: blocks may be small, and each
 * of them costs a hit. At that moment the call holds no latch, guard or journal entry, and its signal is checked. Cost: a
 * comparison per block, an iteration of the event loop per 256 KiB.
 */
import type { TurnStep } from '../../shared/wait.js'

const BYTES = 2 ** 18

/** What the call yields to let the event loop run. */
export const BREATH: TurnStep = { kind: 'turn', what: 'its event loop', timeoutMs: 0 }

export class Breath {
  #last = 0

  /** Whether the call should yield, now that `done` bytes of the range are copied. */
  isDue(done: number): boolean {
    if (done - this.#last < BYTES) return false
    this.#last = done
    return true
  }
}
