/**
 * A doubly linked circular list of records in shared memory: items are added at either end and removed anywhere, and the list
 * can be rotated. Each item has two words for its links, at the same offsets in its record; a link is the item's index plus
 * one.
 *
 *   head    the oldest item plus one; 0 if the list is empty
 *   newer   the next newer item; of the newest, the oldest. 0 if the item is in no list
 *   older   the opposite direction
 */
import type { Words } from '#atomics'
import { PIECE, type Steps } from '../../shared/steps.js'

/** How many of the items that a look saw first it looks at again in the end: those are the next to leave. */
const AGAIN = 4 * PIECE

export interface LoopPlace {
  /** Address of the head. */
  readonly headAt: number
  /** Address of the first item's record, and the size of a record in words. */
  readonly itemsAt: number
  readonly stride: number
  /** Offsets of the two links in a record. */
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

  /** Whether an item is in this list, or in another list that uses the same two words. */
  isLinked(item: number): boolean {
    const newer = this.#newer(item)
    return newer >= 0 && this.#words[this.#olderAt + newer * this.#stride] === item + 1
  }

  /** Adds an item as the newest. */
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

  /** Adds an item as the oldest. */
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

  /** Makes the oldest item the newest. @requires an item */
  turn(): void {
    this.#words[this.#headAt] = this.#words[this.#newerAt + this.oldest() * this.#stride]!
  }

  /** The items from the oldest to the newest, up to `limit`. If the list is corrupt, it ends where a link is broken. */
  *items(limit: number): Generator<number> {
    const first = this.oldest()
    for (let item = first, left = limit; item >= 0 && left > 0; left--) {
      yield item
      item = this.#newer(item)
      if (item === first) return
    }
  }

  /**
   * Walks the list piece by piece, and returns whether it looks sound: whether it is a loop of as many items as `count` says, all of
   * which `isOwn`. Writes `mark` into `seen` for each. The list may be changed between two pieces: items are added only between
   * the newest and the oldest, which the walk reaches last, and most that leave are the oldest. After other changes it may look
   * unsound, but it never looks sound if it is broken, and was before the look began.
   */
  *look(
    seen: Uint8Array | Uint16Array,
    mark: number,
    isOwn: (item: number) => boolean,
    count: () => number,
  ): Steps<boolean> {
    const isInside = (item: number) => isOwn(item) && this.isLinked(item)
    const first: number[] = []
    let walked = 0
    for (let item = this.oldest(); item >= 0 && seen[item] !== mark; item = this.#newer(item)) {
      if (!isInside(item) || walked === seen.length) return false
      seen[item] = mark
      if (first.length < AGAIN) first.push(item)
      if (++walked % PIECE > 0) continue
      yield
      if (!isInside(item)) return false
    }
    return walked - first.filter((item) => !isInside(item)).length === count()
  }

  #newer(item: number): number {
    return this.#words[this.#newerAt + item * this.#stride]! - 1
  }

  #link(older: number, newer: number): void {
    this.#words[this.#newerAt + older * this.#stride] = newer + 1
    this.#words[this.#olderAt + newer * this.#stride] = older + 1
  }
}
