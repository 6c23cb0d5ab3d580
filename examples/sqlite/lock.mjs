// SQLite's lock of a database file, for the threads of one process: one word of shared memory, and another one to wait on.
//
//   bits 0 - 15   how many connections have a lock, from SHARED on
//   RESERVED      one of them is about to write; others may read, and begin to
//   PENDING       it waits until it is the only one, and is EXCLUSIVE then; no other may begin to read
//
// The word ends with the process, so a crash leaves no lock. But a thread that ends on its own while it has a lock keeps it: a
// program whose threads may end early has to note in shared memory which thread has which lock.

import { capi } from './sqlite.mjs'

const { SQLITE_LOCK_NONE, SQLITE_LOCK_SHARED, SQLITE_LOCK_RESERVED } = capi

const [STATE, RELEASES] = [0, 1]
const RESERVED = 1 << 16
const PENDING = 1 << 17
const CONNECTIONS = RESERVED - 1

export const newLock = () => new SharedArrayBuffer(8)

/** The part of one connection. */
export class FileLock {
  #words
  #level = SQLITE_LOCK_NONE
  #isPending = false
  #seen = 0

  constructor(buffer) {
    this.#words = new Int32Array(buffer)
  }

  /** Changes the word, unless `next` returns undefined. Returns whether it did. */
  #change(next) {
    for (;;) {
      const state = Atomics.load(this.#words, STATE)
      const wanted = next(state)
      if (wanted === undefined) return false
      if (Atomics.compareExchange(this.#words, STATE, state, wanted) === state) return true
    }
  }

  /** Returns whether the connection has the lock now. It never waits: SQLite then calls `waitForRelease`, and asks again. */
  lock(level) {
    this.#seen = Atomics.load(this.#words, RELEASES)
    if (level <= this.#level) return true
    const hasIt =
      level === SQLITE_LOCK_SHARED
        ? this.#change((state) => (state & PENDING ? undefined : state + 1))
        : (this.#level >= SQLITE_LOCK_RESERVED ||
            this.#change((state) => (state & RESERVED ? undefined : state | RESERVED))) &&
          (level === SQLITE_LOCK_RESERVED || this.#lockExclusive())
    if (hasIt) this.#level = level
    return hasIt
  }

  #lockExclusive() {
    this.#level = SQLITE_LOCK_RESERVED
    this.#isPending = this.#change((state) => state | PENDING)
    return (Atomics.load(this.#words, STATE) & CONNECTIONS) === 1
  }

  /** Goes down to SHARED or NONE. */
  unlock(level) {
    if (level >= this.#level) return
    const flags = this.#level >= SQLITE_LOCK_RESERVED ? RESERVED | (this.#isPending ? PENDING : 0) : 0
    const count = level === SQLITE_LOCK_NONE ? 1 : 0
    this.#change((state) => (state & ~flags) - count)
    this.#level = level
    this.#isPending = false
    Atomics.add(this.#words, RELEASES, 1)
    Atomics.notify(this.#words, RELEASES)
  }

  isReserved() {
    return (Atomics.load(this.#words, STATE) & RESERVED) !== 0
  }

  /** Waits for a release since the last attempt. Returns false after `timeoutMs`. SQLite's own busy_timeout polls instead. */
  waitForRelease(timeoutMs) {
    return Atomics.wait(this.#words, RELEASES, this.#seen, timeoutMs) !== 'timed-out'
  }
}
