/**
 * Condition: an epoch word, and beside it a flag that somebody waits, so that a signal nobody waits for costs one load.
 *
 *   epoch     counts signals; who waits sleeps on the value it read before it looked at what it waits for
 *   waiters   1: somebody may be asleep, or about to look once more; whoever signals clears it
 *
 * No wakeup is lost. The waiter reads the epoch, then sets the flag, then looks; who signals changes what is looked at, then
 * reads the flag; a broadcast clears the flag, then changes the epoch. A signaller that sees no flag came before it was
 * set, and its change is seen by the look; or the flag was cleared by a broadcast that changes the epoch after it was
 * read. (The other way round, the epoch read after the flag is set, a broadcast fits in between: the waiter would sleep
 * on the new epoch with its flag cleared.) A flag and not a count: a waiter that dies leaves one signal too many.
 */
import { add, load, notify, store, type Words } from '#atomics'
import type { CacheError } from './errors.js'
import { type Deadline, sleep, type Slow } from './wait.js'

export class Condition {
  readonly words: Words
  readonly #epochAt: number
  readonly #waitersAt: number

  constructor(words: Words, epochAt: number, waitersAt: number) {
    this.words = words
    this.#epochAt = epochAt
    this.#waitersAt = waitersAt
  }

  get at(): number {
    return this.#epochAt
  }

  /** Says that the caller is about to look: the next signal after it changes the epoch, which is returned. */
  enter(): number {
    const epoch = load(this.words, this.#epochAt)
    store(this.words, this.#waitersAt, 1)
    return epoch
  }

  /** For everyone, from any thread; a plain load when nobody waits. */
  signal(): void {
    if (this.words[this.#waitersAt] !== 0) this.broadcast()
  }

  broadcast(): void {
    store(this.words, this.#waitersAt, 0)
    add(this.words, this.#epochAt, 1)
    notify(this.words, this.#epochAt)
  }

  /**
   * Waits until `ready` says something; it is asked after every signal and at least once a slice. `look` says when the
   * wait has to end, and may throw.
   */
  *until<T>(ready: () => T | undefined, look: () => Deadline, expired: () => CacheError): Slow<T> {
    for (;;) {
      const epoch = this.enter()
      const value = ready()
      if (value !== undefined) return value
      yield* sleep(this.words, this.at, epoch, look(), expired)
    }
  }
}
