/**
 * Numbered rounds of work that others ask for and wait for. Words beside a condition:
 *
 *   want       work is asked for up to this number
 *   done       everything up to this number is finished
 *   failures   how often a round ended without
 *   failedTo   the last of these spoke for everything up to this number
 *
 *   IDLE    want = done           nothing is asked for
 *   WANTED  want is after done    the worker runs rounds, each up to a number of its choice, until done is there:
 *             --finish(number)--> done = number: IDLE, or WANTED if it fell short of want; one that nobody asked for moves
 *                                 want along
 *             --fail(number)----> who asked for up to that number is told; WANTED still if somebody asked for more: a
 *                                 round that failed before one asked says nothing of what one asked for
 *
 * Who waits keeps the number it asked for and the failures it saw then, both read under the lock that guards the
 * words. Numbers wrap, see stamp.ts.
 */
import { load, type Words } from '#atomics'
import { Condition } from './condition.js'
import type { CacheError } from './errors.js'
import { isAfter } from './stamp.js'
import type { Deadline, Slow } from './wait.js'

/** Word indices of a round. */
export interface RoundWords {
  readonly want: number
  readonly done: number
  readonly failures: number
  readonly failedTo: number
  readonly turn: number
  readonly turnWaiters: number
}

/** What a waiter asked for. */
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

  /** Asks for work up to `number`; true if nobody had yet. @requires the lock of the words */
  ask(number: number): boolean {
    if (!isAfter(number, this.words[this.#at.want]!)) return false
    this.words[this.#at.want] = number
    return true
  }

  /** What a waiter for `number` has to keep. @requires the lock of the words */
  ticket(number: number): Ticket {
    return { number, failures: this.words[this.#at.failures]! }
  }

  /** A round went well up to `number`. @requires the lock of the words; broadcast after it is given up */
  finish(number: number): void {
    this.words[this.#at.done] = number
    // Rounds that nobody asked for: `want` must not stay so far behind that numbers wrap.
    if (!isAfter(this.words[this.#at.want]!, number)) this.words[this.#at.want] = number
  }

  /** A round failed that spoke for everything up to `number`. @requires the lock of the words; broadcast after it */
  fail(number: number): void {
    this.words[this.#at.failedTo] = number
    if (!isAfter(this.words[this.#at.want]!, number)) this.words[this.#at.want] = this.words[this.#at.done]!
    this.words[this.#at.failures]!++
  }

  /** What became of a ticket; undefined while it is open. */
  outcome({ number, failures }: Ticket): 'done' | 'failed' | undefined {
    if (!isAfter(number, load(this.words, this.#at.done))) return 'done'
    const isTold = this.failures !== failures && !isAfter(number, load(this.words, this.#at.failedTo))
    return isTold ? 'failed' : undefined
  }

  /** Waits for the outcome. `look` is called at every turn: it may throw, or say how long to be patient from now. */
  *settled(ticket: Ticket, look: () => Deadline, expired: () => CacheError): Slow<'done' | 'failed'> {
    return yield* this.until(() => this.outcome(ticket), look, expired)
  }
}
