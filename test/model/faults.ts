// Which failures a run must accept: those of devices that failed on its own request, and refusals of calls that would have
// had to wait.

import { CacheError } from 'dcache'
import type { InlineControls } from './driver.js'

export class Faults {
  readonly #inline: InlineControls | undefined
  #seen = 0
  /** A device has failed, and some changes are still unwritten. */
  #isFaulty = false

  constructor(inline: InlineControls | undefined) {
    this.#inline = inline
  }

  /** A failure is pending or not repaired, so that no command may wait for write-back. */
  get isDisturbed(): boolean {
    return this.#isFaultyNow || this.#inline?.isArmed === true
  }

  /** Ends the failures of the devices, and writes everything. */
  repair(partitions: number): void {
    const inline = this.#inline
    if (!inline || !this.isDisturbed) return
    inline.disarm()
    // A round that has failed already without having noticed.
    inline.settle()
    for (const isLast of [false, true]) {
      for (let partition = 0; partition < partitions; partition++) {
        try {
          inline.retry(partition)
        } catch (error) {
          // The other partition of the group may still be fenced.
          if (isLast) throw error
          this.assertFenced(error)
        }
      }
    }
    this.#isFaulty = false
    this.#seen = inline.failures
  }

  /** A flush may fail only if a device did. */
  assertFenced(error: unknown): void {
    if (!(this.#isFaultyNow && error instanceof CacheError && error.code === 'ERR_DCACHE_FENCED')) throw error
  }

  /** Whether a call may fail with this error. */
  assertRefusal(error: unknown, isImpatient: boolean, isInTheWay: boolean): void {
    if (!(error instanceof CacheError)) throw error
    const allowed = [
      ...(isImpatient ? ['ERR_DCACHE_TIMEOUT', 'ERR_DCACHE_EXHAUSTED'] : []),
      ...(isInTheWay ? ['ERR_DCACHE_DEADLOCK'] : []),
      ...(this.#isFaultyNow ? ['ERR_DCACHE_FENCED', 'ERR_DCACHE_READ_FAILED'] : []),
    ]
    if (!allowed.includes(error.code)) throw error
  }

  get #isFaultyNow(): boolean {
    if (this.#inline && this.#inline.failures !== this.#seen) this.#isFaulty = true
    return this.#isFaulty
  }
}
