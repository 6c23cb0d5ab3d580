/**
 * Room in the plan region, where the flush worker lists the frames that writers are to write. Blocks owed by one group
 * can't be owed by another, so all plans together fit; a group whose plan finds no room in one piece waits for another's
 * round to end. Private to the flush worker: a replaced one begins with no rounds, and so with an empty region.
 */
export class PlanSpace {
  readonly #size: number
  readonly #taken: { start: number; count: number }[] = []

  constructor(size: number) {
    this.#size = size
  }

  /** The first place of `count` free ones in a row, -1 if there are none. */
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
