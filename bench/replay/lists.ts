/**
 * Doubly linked lists of block numbers, each from the newest to the oldest. The links are in two arrays, so a list costs no object
 * an entry: 9 bytes for each block of the trace, whichever list it is in. A block is in one of the lists or in none.
 */

/** What `listOf` returns for a block that is in none of the lists. */
export const NOWHERE = 255

export class Lists {
  readonly #newer: Int32Array
  readonly #older: Int32Array
  readonly #list: Uint8Array
  readonly #sizes: Int32Array
  readonly #ids: number

  /** Lists 0 to `count` - 1 of blocks 0 to `ids` - 1. Each list is a ring through an entry of its own, after those of the blocks. */
  constructor(ids: number, count = 1) {
    this.#ids = ids
    this.#newer = new Int32Array(ids + count)
    this.#older = new Int32Array(ids + count)
    this.#list = new Uint8Array(ids).fill(NOWHERE)
    this.#sizes = new Int32Array(count)
    for (let ring = ids; ring < ids + count; ring++) this.#newer[ring] = this.#older[ring] = ring
  }

  listOf(id: number): number {
    return this.#list[id]!
  }

  has(id: number): boolean {
    return this.#list[id] !== NOWHERE
  }

  size(list = 0): number {
    return this.#sizes[list]!
  }

  /** Undefined if the list is empty. */
  newest(list = 0): number | undefined {
    return this.#blockAt(this.#older[this.#ids + list]!)
  }

  /** Undefined if the list is empty. */
  oldest(list = 0): number | undefined {
    return this.#blockAt(this.#newer[this.#ids + list]!)
  }

  /** The next newer block in the list of this one; undefined if this one is the newest. */
  newerThan(id: number): number | undefined {
    return this.#blockAt(this.#newer[id]!)
  }

  /** Makes the block the newest of a list. Takes it out of the list where it is. */
  push(id: number, list = 0): void {
    this.remove(id)
    const ring = this.#ids + list
    const before = this.#older[ring]!
    this.#older[id] = before
    this.#newer[id] = ring
    this.#newer[before] = id
    this.#older[ring] = id
    this.#list[id] = list
    this.#sizes[list]!++
  }

  /** Does nothing if the block is in none of the lists. */
  remove(id: number): void {
    const list = this.#list[id]!
    if (list === NOWHERE) return
    this.#newer[this.#older[id]!] = this.#newer[id]!
    this.#older[this.#newer[id]!] = this.#older[id]!
    this.#list[id] = NOWHERE
    this.#sizes[list]!--
  }

  /** Takes the oldest block out of a list. @requires a list that is not empty */
  shift(list = 0): number {
    const id = this.#newer[this.#ids + list]!
    this.remove(id)
    return id
  }

  #blockAt(entry: number): number | undefined {
    return entry < this.#ids ? entry : undefined
  }
}
