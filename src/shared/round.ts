/**
 * Numbered rounds of work that threads request and wait for: four words and a condition.
 *
 *   want       work is requested up to this number
 *   done       everything up to this number is finished
 *   failures   number of rounds that failed
 *   failedTo   the last failed round covered everything up to this number
 *
 *   IDLE    want = done           nothing is requested
 *   WANTED  want is after done    the worker runs rounds, each up to a number of its choice, until done reaches want:
 *             --finish(number)--> done = number: IDLE, or WANTED if that is before want. A round that was not requested
 *                                 advances want too
 *             --fail(number)----> the waiters for numbers up to that one fail. Still WANTED if a later number is requested:
 *                                 a round that failed before a request was made says nothing about that request
 *
 * A waiter keeps the number that it requested and the count of failures at that time, both read under the lock that guards
 * the words. Numbers wrap; see stamp.ts.
 */
import { load, store, type Words } from '#atomics'
import { Condition } from './condition.js'
import type { CacheError } from './errors.js'
import { isAfter } from './stamp.js'
import type { Deadline, Slow } from './wait.js'

/** The indices of a round's words. */
export interface RoundWords {
  readonly want: number
  readonly done: number
  readonly failures: number
  readonly failedTo: number
  readonly turn: number
  readonly turnWaiters: number
}

/** What a waiter requested, and how many rounds had failed by then. */
export interface Ticket {
  readonly number: number
  readonly failures: number
}

export class Round extends Condition {
  readonly #at: RoundWords

  constructor(words: Words, at: RoundWords) {
    super(words, at.turn, at.turnWaiters)
    this.#at = at
  }

  /** Whether the worker has something to do. */
  get isWanted(): boolean {
    return isAfter(load(this.words, this.#at.want), load(this.words, this.#at.done))
  }

  get failures(): number {
    return load(this.words, this.#at.failures)
  }

  /** Requests work up to `number`; returns false if it was requested before. @requires the lock of the words */
  ask(number: number): boolean {
    if (!isAfter(number, this.words[this.#at.want]!)) return false
    this.words[this.#at.want] = number
    return true
  }

  /** Returns what a waiter for `number` has to keep. @requires the lock of the words */
  ticket(number: number): Ticket {
    return { number, failures: this.words[this.#at.failures]! }
  }

  /**
   * Records that a round up to `number` succeeded. The caller broadcasts after it has unlocked. @requires the lock of the
   * words
   */
  finish(number: number): void {
    // Waiters read it without the lock. If this thread dies next, its successor looks for sleeping waiters once: one that goes to
    // sleep after that must not read an older number.
    store(this.words, this.#at.done, number)
    // Rounds that were not requested: `want` must not fall so far behind that numbers wrap.
    if (!isAfter(this.words[this.#at.want]!, number)) this.words[this.#at.want] = number
  }

  /**
   * Records that a round up to `number` failed. The caller broadcasts after it has unlocked. @requires the lock of the words
   */
  fail(number: number): void {
    this.words[this.#at.failedTo] = number
    // First: if this thread dies next, the waiters know, and a round too many is run. The other way round nothing would be wanted, and
    // the waiters would not be told.
    store(this.words, this.#at.failures, this.words[this.#at.failures]! + 1)
    if (!isAfter(this.words[this.#at.want]!, number)) this.words[this.#at.want] = this.words[this.#at.done]!
  }

  /**
   * Counts a failure that is none of a round, for those that wait for something else than a number. The caller broadcasts.
   * @requires the lock of the words
   */
  countFailure(): void {
    store(this.words, this.#at.failures, this.words[this.#at.failures]! + 1)
  }

  /** The result of a ticket; undefined while it is open. */
  outcome({ number, failures }: Ticket): 'done' | 'failed' | undefined {
    if (!isAfter(number, load(this.words, this.#at.done))) return 'done'
    const isTold = this.failures !== failures && !isAfter(number, load(this.words, this.#at.failedTo))
    return isTold ? 'failed' : undefined
  }

  /** Waits for the result of a ticket. `look` is called before each sleep: it returns the deadline, and may throw. */
  *settled(ticket: Ticket, look: () => Deadline, expired: () => CacheError): Slow<'done' | 'failed'> {
    return yield* this.until(() => this.outcome(ticket), look, expired)
  }
}
