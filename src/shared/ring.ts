/**
 * A bounded ring of fixed-size records, for many pushing and many popping threads. This is Vyukov's bounded MPMC queue: the
 * sequence number of each place says which thread may use it next.
 *
 *   tail     next place to push        head   next place to pop
 *   pushed   epoch: changes after every push; threads that wait for a record sleep on it
 *   place    sequence = index          EMPTY: the pusher of round `index` may take it
 *            sequence = index + 1      FULL: the popper of that round may take it, and leaves index + capacity
 *
 * A push into a full ring is refused rather than delayed: the records are notifications, and the sender must not be held up.
 * A thread that ends between taking a place and filling it blocks the ring at that place, until `mend`.
 */
import { add, compareExchange, load, notify, store, type Words } from '#atomics'
import { type Deadline, sleep, type Slow, timedOut } from './wait.js'

const TAIL = 0
const HEAD = 1
const PUSHED = 2
const RECORDS = 16
/** First word of a record that was never filled. */
const NOTHING = -(2 ** 31)

export class Ring {
  readonly #words: Words
  readonly #at: number
  readonly #capacity: number
  readonly #stride: number

  /** `capacity` is a power of two. `recordWords` includes the sequence word, so a record carries one word less. */
  constructor(words: Words, at: number, capacity: number, recordWords: number) {
    this.#words = words
    this.#at = at
    this.#capacity = capacity
    this.#stride = recordWords
  }

  /** Called once by the owner, before any other thread has the buffer. */
  init(): void {
    for (let i = 0; i < this.#capacity; i++) this.#words[this.#place(i)] = i
  }

  /** Pushes a record and wakes poppers. Returns false if the ring is full. */
  tryPush(...record: readonly number[]): boolean {
    for (;;) {
      const tail = load(this.#words, this.#at + TAIL)
      const place = this.#place(tail)
      const behind = (load(this.#words, place) - tail) | 0
      if (behind < 0) return false
      if (behind > 0 || compareExchange(this.#words, this.#at + TAIL, tail, (tail + 1) | 0) !== tail) continue
      for (let i = 0; i < record.length; i++) this.#words[place + 1 + i] = record[i]!
      store(this.#words, place, (tail + 1) | 0)
      add(this.#words, this.#at + PUSHED, 1)
      notify(this.#words, this.#at + PUSHED)
      return true
    }
  }

  /** Pops the oldest record; undefined if there is none. */
  tryPop(): number[] | undefined {
    for (;;) {
      const head = load(this.#words, this.#at + HEAD)
      const place = this.#place(head)
      const ahead = (load(this.#words, place) - head - 1) | 0
      if (ahead < 0) return undefined
      if (ahead > 0 || compareExchange(this.#words, this.#at + HEAD, head, (head + 1) | 0) !== head) continue
      const record = [...this.#words.subarray(place + 1, place + this.#stride)]
      store(this.#words, place, (head + this.#capacity) | 0)
      if (record[0] === NOTHING) continue
      return record
    }
  }

  /**
   * Repairs the places that a dead thread took and did not fill: they become empty records, which `tryPop` skips.
   * @requires that no other thread pushes; others may pop
   */
  mend(): void {
    const tail = load(this.#words, this.#at + TAIL)
    for (let index = load(this.#words, this.#at + HEAD); index !== tail; index = (index + 1) | 0) {
      const place = this.#place(index)
      if (load(this.#words, place) !== index) continue
      this.#words[place + 1] = NOTHING
      store(this.#words, place, (index + 1) | 0)
    }
    add(this.#words, this.#at + PUSHED, 1)
    notify(this.#words, this.#at + PUSHED)
  }

  /** Whether there is nothing to pop at this moment. */
  get isEmpty(): boolean {
    return load(this.#words, this.#at + TAIL) === load(this.#words, this.#at + HEAD)
  }

  /** Waits for the oldest record. The epoch is read before the attempt to pop, so that a push in between is not missed. */
  *pop(deadline: Deadline): Slow<number[]> {
    for (;;) {
      const epoch = load(this.#words, this.#at + PUSHED)
      const record = this.tryPop()
      if (record) return record
      yield* sleep(this.#words, this.#at + PUSHED, epoch, deadline, () =>
        timedOut('no record arrived in the ring', deadline.timeoutMs),
      )
    }
  }

  #place(index: number): number {
    return this.#at + RECORDS + (index & (this.#capacity - 1)) * this.#stride
  }
}
