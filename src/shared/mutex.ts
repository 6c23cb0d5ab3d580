/**
 * Mutex in one word. Not recursive, not fair; sections are short and never wait inside.
 *
 *   0                      FREE       nobody holds it
 *   slot + 1               HELD       one holder, nobody asleep: unlock makes no call into the futex
 *   slot + 1 | CONTENDED   CONTENDED  one holder, maybe sleepers: unlock must notify
 *
 * A thread that slept takes it as CONTENDED: others may still be asleep. All sleepers are woken, since one of them may
 * be an await that was given up, or sit on a busy event loop. The holder's slot is in the word, so that a deadline
 * can name it and a death can be repaired.
 *
 * Lock order: RANK. A thread takes a mutex only of a higher rank than those it has; debug builds assert it.
 */
import { compareExchange, exchange, load, notify, type Words } from '#atomics'
import type { CacheError } from './errors.js'
import type { SlotIndex } from './indices.js'
import { type Deadline, sleep, type Slow, timedOut } from './wait.js'

/** Latches come first: a stripe's, the policy's and a round's mutex may be taken with latches held, never the reverse. */
export const RANK = { latch: 1, stripe: 2, policy: 3, round: 4 } as const

const CONTENDED = 0x100
const HOLDER = 0xff
const SPINS = 200

/** DCACHE_DEBUG=1 asserts the locking contracts at run time: the order of ranks, and who holds what. */
export const DEBUG = process.env['DCACHE_DEBUG'] === '1'
/** What this thread took. A word that does not name the slot any more was stolen, or is another run's. */
let held: { readonly mutex: Mutex; readonly slot: SlotIndex }[] = []

export class Mutex {
  readonly words: Words
  readonly at: number
  readonly rank: number
  readonly name: string

  /** One of these a thread: they share the word, not the object. */
  constructor(words: Words, at: number, rank: number, name: string) {
    this.words = words
    this.at = at
    this.rank = rank
    this.name = name
  }

  /** Takes it if nobody has it, after a short spin; for every thread. */
  tryLock(slot: SlotIndex): boolean {
    for (let spin = 0; spin < SPINS; spin++) {
      if (this.words[this.at] === 0 && compareExchange(this.words, this.at, 0, slot + 1) === 0) {
        if (DEBUG) this.#taken(slot)
        return true
      }
    }
    return false
  }

  /** Takes it, waiting as long as it needs. @throws what `expired` makes of the holder's slot, when the deadline is over */
  *lock(
    slot: SlotIndex,
    deadline: Deadline,
    expired: (holder: SlotIndex) => CacheError = (holder) => this.#expired(holder, deadline),
  ): Slow<void> {
    if (this.tryLock(slot)) return
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
  }

  /** @requires this mutex, held by the caller */
  unlock(): void {
    if (DEBUG) held = held.filter(({ mutex }) => mutex !== this)
    if ((exchange(this.words, this.at, 0) & CONTENDED) !== 0) notify(this.words, this.at)
  }

  /**
   * Takes it from a dead thread; false if that thread no longer has it. What it guards may be half-changed.
   * @requires that the slot `from` is dead; the reaper's thread
   */
  steal(from: SlotIndex, slot: SlotIndex): boolean {
    const word = load(this.words, this.at)
    if ((word & HOLDER) - 1 !== from) return false
    // CONTENDED: somebody may have gone to sleep on the dead holder's word.
    if (compareExchange(this.words, this.at, word, (slot + 1) | CONTENDED) !== word) return false
    if (DEBUG) held.push({ mutex: this, slot })
    return true
  }

  /** The slot that has it, -1 if nobody. */
  holder(): number {
    return (load(this.words, this.at) & HOLDER) - 1
  }

  /** Whether two objects are the same mutex. */
  isSame({ words, at }: Mutex): boolean {
    return this.at === at && this.words.buffer === words.buffer
  }

  /** Throws in debug builds unless `slot` holds it. */
  assertHeld(slot: SlotIndex): void {
    if (DEBUG && this.holder() !== slot)
      throw new Error(`contract: '${this.name}' is not held by slot ${slot}`)
  }

  #expired(holder: SlotIndex, { timeoutMs }: Deadline): CacheError {
    return timedOut(`the lock '${this.name}' is held by slot ${holder}`, timeoutMs)
  }

  #taken(slot: SlotIndex): void {
    held = held.filter(({ mutex, slot }) => mutex.holder() === slot && !mutex.isSame(this))
    const above = held.find(({ mutex }) => mutex.rank >= this.rank)
    if (above)
      throw new Error(`lock order: slot ${slot} takes '${this.name}' while it has '${above.mutex.name}'`)
    held.push({ mutex: this, slot })
  }
}
