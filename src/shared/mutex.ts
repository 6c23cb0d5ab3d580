/**
 * A mutex in one word. Not recursive and not fair. Critical sections are short; they wait for nothing but a mutex of higher rank.
 *
 *   0                      FREE       no thread holds it
 *   slot + 1               HELD       no thread is asleep: unlock makes no system call
 *   slot + 1 | CONTENDED   CONTENDED  threads may be asleep: unlock must notify
 *
 * A thread that has slept takes the mutex as CONTENDED, because others may still be asleep. Unlock wakes all sleepers: any of
 * them may be an asynchronous call that gave up, or whose event loop is busy. The word contains the holder's slot, so that a
 * timeout can name it and the reaper can release the mutex of a dead thread.
 *
 * Lock order: RANK. A thread takes a mutex only if its rank is higher than the ranks of those that it holds. Debug builds
 * assert it.
 */
import { compareExchange, exchange, load, loadInOrder, notify, type Words } from '#atomics'
import type { CacheError } from './errors.js'
import type { SlotIndex } from './indices.js'
import { type Deadline, sleep, type Slow, timedOut } from './wait.js'

/** Latches come first: stripe, policy and round mutexes may be taken while latches are held, never the reverse. */
export const RANK = { latch: 1, stripe: 2, policy: 3, round: 4 } as const

const CONTENDED = 0x100
const HOLDER = 0xff
const SPINS = 200

/** DCACHE_DEBUG=1 turns on run-time assertions of the locking contracts: lock order, and which locks are held. */
export const DEBUG = process.env['DCACHE_DEBUG'] === '1'
/** The mutexes that this thread took. One whose word names another slot was stolen. */
let held: { readonly mutex: Mutex; readonly slot: SlotIndex }[] = []

/** For tests in which a thread dies and begins again: it holds nothing. */
export function forgetHeld(): void {
  held = []
}

export class Mutex {
  readonly words: Words
  readonly at: number
  readonly rank: number
  readonly name: string

  /** Each thread has an object of its own; they share the word. */
  constructor(words: Words, at: number, rank: number, name: string) {
    this.words = words
    this.at = at
    this.rank = rank
    this.name = name
  }

  /**
   * Takes the mutex if it is free, after a short spin; returns whether it did. Never sleeps. A thread that has left work to the
   * holder tries the mutex after that, so it must not find it held by a look from before.
   */
  tryLock(slot: SlotIndex): boolean {
    for (let spin = 0; spin < SPINS; spin++) {
      if (loadInOrder(this.words, this.at) === 0 && compareExchange(this.words, this.at, 0, slot + 1) === 0) {
        if (DEBUG) this.#taken(slot)
        return true
      }
    }
    return false
  }

  /**
   * Takes the mutex; waits until it is free or the deadline has passed. Returns whether it waited.
   * @throws what `expired` returns for the holder's slot; by default ERR_DCACHE_TIMEOUT
   */
  *lock(
    slot: SlotIndex,
    deadline: Deadline,
    expired: (holder: SlotIndex) => CacheError = (holder) => this.#expired(holder, deadline),
  ): Slow<boolean> {
    if (this.tryLock(slot)) return false
    for (;;) {
      const word = load(this.words, this.at)
      if (word === 0) {
        if (compareExchange(this.words, this.at, 0, (slot + 1) | CONTENDED) === 0) break
        continue
      }
      const asleep = word | CONTENDED
      if (word !== asleep && compareExchange(this.words, this.at, word, asleep) !== word) continue
      yield* sleep(this.words, this.at, asleep, deadline, () => expired((word & HOLDER) - 1))
    }
    if (DEBUG) this.#taken(slot)
    return true
  }

  /** @requires this mutex */
  unlock(): void {
    if (DEBUG && this.#seenHolder() < 0) throw new Error(`contract: '${this.name}' is not held`)
    if (DEBUG) held = held.filter(({ mutex }) => mutex !== this)
    if ((exchange(this.words, this.at, 0) & CONTENDED) !== 0) notify(this.words, this.at)
  }

  /**
   * Takes the mutex from a dead thread; returns false if that thread does not hold it. What it guards may be half changed.
   * Called by the reaper. @requires that the slot `from` is dead
   */
  steal(from: SlotIndex, slot: SlotIndex): boolean {
    for (;;) {
      const word = load(this.words, this.at)
      if ((word & HOLDER) - 1 !== from) return false
      // CONTENDED, because threads may have gone to sleep on the dead holder's word. One may mark it at this moment: then again.
      if (compareExchange(this.words, this.at, word, (slot + 1) | CONTENDED) === word) break
    }
    if (DEBUG) held.push({ mutex: this, slot })
    return true
  }

  /** The slot that holds the mutex, -1 if it is free. */
  holder(): number {
    return (load(this.words, this.at) & HOLDER) - 1
  }

  /** Whether two objects are the same mutex. */
  isSame({ words, at }: Mutex): boolean {
    return this.at === at && this.words.buffer === words.buffer
  }

  /** In debug builds, throws unless `slot` holds the mutex. Costs a test of a constant otherwise. */
  assertHeld(slot: SlotIndex): void {
    if (DEBUG && this.#seenHolder() !== slot)
      throw new Error(`contract: '${this.name}' is not held by slot ${slot}`)
  }

  /**
   * The holder as the assertions read it. A plain read, since a thread sees its own stores: so debug builds take the same
   * steps as others where each atomic operation is a step of a schedule.
   */
  #seenHolder(): number {
    return (this.words[this.at]! & HOLDER) - 1
  }

  #expired(holder: SlotIndex, { timeoutMs }: Deadline): CacheError {
    return timedOut(`the lock '${this.name}' is held by slot ${holder}`, timeoutMs)
  }

  #taken(slot: SlotIndex): void {
    held = held.filter(({ mutex, slot }) => mutex.#seenHolder() === slot && !mutex.isSame(this))
    const above = held.find(({ mutex }) => mutex.rank >= this.rank)
    if (above)
      throw new Error(`lock order: slot ${slot} takes '${this.name}' while it holds '${above.mutex.name}'`)
    held.push({ mutex: this, slot })
  }
}
