/**
 * A condition: an epoch word, and a flag that says whether any thread waits, so that a signal without waiters costs one load.
 *
 *   epoch     counts broadcasts; a waiter sleeps on the value that it read before it checked its predicate
 *   waiters   1: a thread may be asleep, or about to check once more; a broadcast clears it
 *
 * No wakeup is lost. The waiter reads the epoch, sets the flag, then checks its predicate. The signaller changes what the
 * predicate reads, then reads the flag. A broadcast clears the flag, then changes the epoch. If the signaller sees no flag,
 * either the flag was not set yet, and the check sees the change; or a broadcast has cleared it, which changes the epoch
 * after the waiter read it. (If the waiter set the flag first and read the epoch after it, a broadcast would fit in between,
 * and the waiter would sleep on the new epoch with its flag cleared.) The flag is not a count, so a waiter that ends costs
 * one superfluous broadcast at most.
 */
import { add, load, loadInOrder, notify, store, type Words } from '#atomics'
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

  /** Announces that the caller is about to check its predicate. Returns the epoch, which the next signal changes. */
  enter(): number {
    const epoch = load(this.words, this.#epochAt)
    store(this.words, this.#waitersAt, 1)
    return epoch
  }

  /** Wakes all waiters. Any thread may call it. One load if there are none. @requires that an atomic operation precedes it */
  signal(): void {
    if (loadInOrder(this.words, this.#waitersAt) !== 0) this.broadcast()
  }

  broadcast(): void {
    store(this.words, this.#waitersAt, 0)
    add(this.words, this.#epochAt, 1)
    notify(this.words, this.#epochAt)
  }

  /**
   * Waits until `ready` returns a value other than undefined. It is called after every signal and at least once per slice.
   * `look` returns the deadline, and may throw; it is called before each sleep.
   * @throws what `look` throws; what `expired` returns when the deadline has passed
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
