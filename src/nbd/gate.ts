/**
 * A counting semaphore: up to `most` jobs run at a time, and the others wait in order of arrival. It exists because a
 * thread may hold a limited number of guards, and clients may ask for more blocks at once.
 */
/** A gate's limit for a thread: below the limit of guards (docs/platforms.md), with some left for the fast path. */
export const BLOCKS_AT_ONCE = 192

export class Gate {
  readonly #most: number
  readonly #waiting: (() => void)[] = []
  #inside = 0

  constructor(most: number) {
    this.#most = most
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside < this.#most) this.#inside++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#inside--
      else next()
    }
  }
}
