/**
 * Allocates parts of the plan region, in which the flush worker lists the frames that writers must write. A block belongs to
 * one group, so all plans together fit. A group whose plan does not fit in one piece waits until another group's round ends.
 * Private to the flush worker. A replacement starts without rounds, but jobs of the former one may wait or be under way, whose
 * writers read their lists while it begins rounds of other groups: so these stay taken until the jobs are over.
 */

/** A part of the region. */
interface Room {
  readonly start: number
  readonly count: number
}

/** The list of a job that a former flush worker gave. */
export interface Inherited extends Room {
  readonly isOver: () => boolean
}

/** What of the region is taken. */
export class PlanSpace {
  readonly #size: number
  readonly #taken: Room[]
  #inherited: readonly Inherited[]

  constructor(size: number, inherited: readonly Inherited[] = []) {
    this.#size = size
    this.#inherited = inherited
    this.#taken = [...inherited].sort((a, b) => a.start - b.start)
  }

  /** Allocates `count` consecutive entries and returns the first; -1 if there are none. */
  take(count: number): number {
    this.#giveInherited()
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

  #giveInherited(): void {
    if (this.#inherited.length === 0) return
    for (const { start, count } of this.#inherited.filter((room) => room.isOver())) this.give(start, count)
    this.#inherited = this.#inherited.filter((room) => this.#taken.includes(room))
  }
}
