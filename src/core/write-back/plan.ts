/**
 * Allocates parts of the plan region, in which the flush worker lists the frames that writers must write. A block belongs to
 * one group, so all plans together fit. A group whose plan does not fit in one piece waits until another group's round ends.
 * Private to the flush worker: a replacement starts without rounds, and so with an empty region.
 */
export class PlanSpace {
  readonly #size: number
  readonly #taken: { start: number; count: number }[] = []

  constructor(size: number) {
    this.#size = size
  }

  /** Allocates `count` consecutive entries and returns the first; -1 if there are none. */
  take(count: number): number {
    let start = 0
    let i = 0
    while (i < this.#taken.length && this.#taken[i]!.start - start < count) {
      start = this.#taken[i]!.start + this.#taken[i]!.count
      i++
    }
    if (this.#size - start < count) return -1
    this.#taken.splice(i, 0, { start, count })
    return start
  }

  give(start: number, count: number): void {
    const i = this.#taken.findIndex((room) => room.start === start && room.count === count)
    this.#taken.splice(i, 1)
  }
}
