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
}

/** An epoch word without a count of waiters: for signals that are rare, or that nearly always have somebody waiting. */
export function ring(words: Words, at: number): void {
  add(words, at, 1)
  notify(words, at)
}
