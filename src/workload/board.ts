/**
 * The shared memory between the host of a load and its threads. The threads do not return to their event loops while
 * they run, so start, stop and progress are words in shared memory instead of messages.
 */
import { add, load, notify, store, wait, type Words } from '#atomics'

const READY = 0
const STARTED = 1
const STOPPED = 2
const TAKEN = 3
const WORDS = 16

/** The counters of each thread. A thread writes only its own. */
const COUNTERS = [
  'reads',
  'writes',
  /** Of the writes: begun and discarded. */
  'discards',
  /** Of the writes: released unchanged, because a byte-range write of another thread was in progress. */
  'gaveWay',
  /** Of the writes: marked with a class other than the block's own. */
  'classChanges',
  /** Reads without a guard that could not be compared, because their block changed during the read. */
  'unchecked',
  /** Lookups of a block that the same access has just looked up. */
  'repeated',
  'bytesRead',
  'bytesWritten',
  'mismatched',
] as const

export type LoadCounter = (typeof COUNTERS)[number]
export type LoadCounts = Record<LoadCounter, number>

export class Board {
  readonly buffer: SharedArrayBuffer
  readonly threads: number
  readonly #words: Words
  readonly #counts: Float64Array

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer
    this.#words = new Int32Array(buffer, 0, WORDS)
    this.#counts = new Float64Array(buffer, WORDS * 4)
    this.threads = this.#counts.length / COUNTERS.length
  }

  static create(threads: number): Board {
    return new Board(new SharedArrayBuffer(WORDS * 4 + threads * COUNTERS.length * 8))
  }

  /** Called by a load thread: reports it ready and blocks until the start. Returns false if the stop came first. */
  awaitStart(): boolean {
    add(this.#words, READY, 1)
    // With a timeout, although `stop` wakes the thread: it must also end if the host dies without calling `stop`.
    while (load(this.#words, STARTED) === 0 && !this.isStopped) wait(this.#words, STARTED, 0, 250)
    return !this.isStopped
  }

  get ready(): number {
    return load(this.#words, READY)
  }

  start(): void {
    store(this.#words, STARTED, 1)
    notify(this.#words, STARTED)
  }

  stop(): void {
    store(this.#words, STOPPED, 1)
    notify(this.#words, STARTED)
    notify(this.#words, STOPPED)
  }

  /** Blocks the thread for this time, or until the stop. */
  doze(milliseconds: number): void {
    wait(this.#words, STOPPED, 0, milliseconds)
  }

  get isStopped(): boolean {
    return load(this.#words, STOPPED) !== 0
  }

  /** Takes the number of the next access, counted over all threads. */
  take(): number {
    return add(this.#words, TAKEN, 1) >>> 0
  }

  /** How many access numbers have been taken. */
  get taken(): number {
    return load(this.#words, TAKEN) >>> 0
  }

  count(thread: number, counter: LoadCounter, by: number): void {
    this.#counts[thread * COUNTERS.length + COUNTERS.indexOf(counter)]! += by
  }

  /** The counters, summed over all threads. */
  sums(): LoadCounts {
    const sums = Object.fromEntries(COUNTERS.map((counter) => [counter, 0])) as LoadCounts
    for (let thread = 0; thread < this.threads; thread++)
      for (const [i, counter] of COUNTERS.entries())
        sums[counter] += this.#counts[thread * COUNTERS.length + i]!
    return sums
  }
}
