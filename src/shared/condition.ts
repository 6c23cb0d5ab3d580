/**
 * Condition: an epoch word, and beside it the number of those who wait, so that a signal nobody waits for costs
 * one load.
 *
 *   epoch     counts signals; who waits sleeps on the value it read before it looked at what it waits for
 *   waiters   how many are between `enter` and `leave`
 *
 * No wakeup is lost: the waiter counts itself in before it reads the epoch and looks; whoever changes what it looks at
 * does so before it reads `waiters`. Either the signaller sees the waiter and changes the epoch, or the waiter, who
 * looked later, sees the change. (The counting is an atomic read-modify-write on both sides or next to one; a signal
 * lost to a death costs a slice.)
 */
import { add, load, notify, sub, type Words } from '#atomics'
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

  /** Counts the caller in. From here on every signal changes the epoch. */
  enter(): void {
    add(this.words, this.#waitersAt, 1)
  }

  leave(): void {
    sub(this.words, this.#waitersAt, 1)
  }

  /** Read after `enter` and before the look at what is waited for. */
  epoch(): number {
    return load(this.words, this.#epochAt)
  }

  /** For everyone, from any thread; a plain load when nobody waits. */
  signal(): void {
    if (this.words[this.#waitersAt] !== 0) this.broadcast()
  }

  broadcast(): void {
    add(this.words, this.#epochAt, 1)
    notify(this.words, this.#epochAt)
  }

  /**
   * Waits until `ready` says something; it is asked after every signal and at least once a slice. `look` says when the
   * wait has to end, and may throw.
   */
  *until<T>(ready: () => T | undefined, look: () => Deadline, expired: () => CacheError): Slow<T> {
    this.enter()
    try {
      for (;;) {
        const epoch = this.epoch()
        const value = ready()
        if (value !== undefined) return value
        yield* sleep(this.words, this.at, epoch, look(), expired)
      }
    } finally {
      this.leave()
    }
  }
}
