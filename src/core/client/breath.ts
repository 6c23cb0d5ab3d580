/**
 * A long copy of a call that awaits lets the event loop have a turn after each 256 KiB: about a millisecond, since the blocks of a
 * range may be small and each costs a hit. At that moment the call holds no latch, guard or journal entry, and its signal is
 * looked at. Cost: a comparison for each block, a turn of the loop for each 256 KiB.
 */
import type { TurnStep } from '../../shared/wait.js'

const BYTES = 2 ** 18

/** What the call yields. */
export const BREATH: TurnStep = { kind: 'turn', what: 'its event loop', timeoutMs: 0 }

export class Breath {
  #last = 0

  /** Whether the loop is to have its turn, now that so many bytes of the range are done. */
  isDue(done: number): boolean {
    if (done - this.#last < BYTES) return false
    this.#last = done
    return true
  }
}
