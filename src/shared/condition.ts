/**
 * Condition: an epoch word, and beside it a flag that somebody waits, so that a signal nobody waits for costs one load.
 *
 *   epoch     counts signals; who waits sleeps on the value it read before it looked at what it waits for
 *   waiters   1: somebody may be asleep, or about to look once more; whoever signals clears it
 *
 * No wakeup is lost: the waiter sets the flag before it reads the epoch and looks; whoever changes what it looks at does so
 * before it reads the flag. Either the signaller sees the flag and changes the epoch, or the waiter, who looked later,
 * sees the change. A flag and not a count: a waiter that dies leaves nothing behind but one signal too many.
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
    store(this.words, this.#waitersAt, 1)
    return load(this.words, this.#epochAt)
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
