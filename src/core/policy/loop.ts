/**
 * A list of records in shared memory, linked both ways into a loop: put in at either end, take out anywhere, turn. Each
 * item has two words for it, at the same places in its record; links are the item's index plus one.
 *
 *   head    the oldest item plus one; 0 the list is empty
 *   newer   the next younger item; of the youngest, the oldest. 0 the item is in no list
 *   older   the other way round
 */
import type { Words } from '#atomics'

export interface LoopPlace {
  /** The word that is the head. */
  readonly headAt: number
  /** The first item's record, and the words from one to the next. */
  readonly itemsAt: number
  readonly stride: number
  /** Places of the two links in a record. */
  readonly newer: number
  readonly older: number
}

export class Loop {
  readonly #words: Words
  readonly #headAt: number
  readonly #newerAt: number
  readonly #olderAt: number
  readonly #stride: number

  constructor(words: Words, { headAt, itemsAt, stride, newer, older }: LoopPlace) {
    this.#words = words
    this.#headAt = headAt
    this.#newerAt = itemsAt + newer
    this.#olderAt = itemsAt + older
    this.#stride = stride
  }

  /** The oldest item, -1 if there is none. */
  oldest(): number {
    return this.#words[this.#headAt]! - 1
  }

  /** Whether an item is in this list, or in another over the same two words. */
  isLinked(item: number): boolean {
    const newer = this.#words[this.#newerAt + item * this.#stride]! - 1
    return newer >= 0 && this.#words[this.#olderAt + newer * this.#stride] === item + 1
  }

  /** Puts an item in as the youngest. */
  addNewest(item: number): void {
    const oldest = this.oldest()
    if (oldest < 0) {
      this.#link(item, item)
      this.#words[this.#headAt] = item + 1
      return
    }
    const newest = this.#words[this.#olderAt + oldest * this.#stride]! - 1
    this.#link(newest, item)
    this.#link(item, oldest)
  }

  /** Puts an item in as the oldest. */
  addOldest(item: number): void {
    this.addNewest(item)
    this.#words[this.#headAt] = item + 1
  }

  remove(item: number): void {
    const newerAt = this.#newerAt + item * this.#stride
    const newer = this.#words[newerAt]! - 1
    const older = this.#words[this.#olderAt + item * this.#stride]! - 1
    this.#words[newerAt] = 0
    if (newer === item) {
      this.#words[this.#headAt] = 0
      return
    }
    this.#link(older, newer)
    if (this.oldest() === item) this.#words[this.#headAt] = newer + 1
  }

  /** The oldest becomes the youngest. @requires an item */
  turn(): void {
    this.#words[this.#headAt] = this.#words[this.#newerAt + this.oldest() * this.#stride]!
  }

  /** From the oldest to the youngest; a torn list ends where it is torn, and none is longer than `limit`. */
  *items(limit: number): Generator<number> {
    const first = this.oldest()
    for (let item = first, left = limit; item >= 0 && left > 0; left--) {
      yield item
      item = this.#words[this.#newerAt + item * this.#stride]! - 1
      if (item === first) return
    }
  }

  #link(older: number, newer: number): void {
    this.#words[this.#newerAt + older * this.#stride] = newer + 1
    this.#words[this.#olderAt + newer * this.#stride] = older + 1
  }
}
