/**
 * The places of a server for clients that have chosen an export. All connection workers count them in shared memory: a
 * word for each thread, and a word for the sum. The sum is compared with the limit; the word of a thread tells how many
 * places to release when the thread dies.
 */
import { add, compareExchange, exchange, load, sub } from '#atomics'

export type PlaceWords = Int32Array<SharedArrayBuffer>

export const placeWords = (threads: number): PlaceWords =>
  new Int32Array(new SharedArrayBuffer(4 * (threads + 1)))

export class Places {
  readonly most: number
  readonly #words: PlaceWords
  readonly #thread: number

  constructor(words: PlaceWords, thread: number, most: number) {
    this.#words = words
    this.#thread = thread
    this.most = most
  }

  get areTaken(): boolean {
    return load(this.#words, this.#sum) >= this.most
  }

  /** Takes a place. Returns false if all are taken. */
  take(): boolean {
    for (;;) {
      const taken = load(this.#words, this.#sum)
      if (taken >= this.most) return false
      if (compareExchange(this.#words, this.#sum, taken, taken + 1) !== taken) continue
      add(this.#words, this.#thread, 1)
      return true
    }
  }

  release(): void {
    sub(this.#words, this.#thread, 1)
    sub(this.#words, this.#sum, 1)
  }

  /** Releases all places of the thread after it has ended. Called by another thread. */
  releaseAll(): void {
    sub(this.#words, this.#sum, exchange(this.#words, this.#thread, 0))
  }

  get #sum(): number {
    return this.#words.length - 1
  }
}
