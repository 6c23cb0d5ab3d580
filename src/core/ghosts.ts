/**
 * Ghosts: the names of blocks that policy `2q` gave up not long ago, and no contents. A fixed number of records in the
 * shared buffer, each in two structures:
 *
 *   order   a loop from the oldest name to the newest; records whose name was taken come first
 *   chain   from a hash head to all names that hash to it; record `i` also carries head `i`, so that there are as many
 *           heads as records
 *
 * A new name takes a record that was never used, else the oldest: so the names are always the newest ones. All of it
 * under the policy mutex.
 */
import type { Words } from '#atomics'
import type { Arena } from '../shared/arena.js'
import { hashOf } from '../shared/hash.js'
import { Loop } from './loop.js'
import { Ghost, Header } from '../shared/words.js'

export class Ghosts {
  readonly #words: Words
  readonly #ghostsAt: number
  readonly #capacity: number
  /** From a hash to a place among the heads. */
  readonly #perHash: number
  readonly #order: Loop

  constructor(arena: Arena) {
    this.#words = arena.words
    this.#ghostsAt = arena.ghostsAt
    this.#capacity = arena.geometry.ghosts
    this.#perHash = arena.geometry.ghosts / 2 ** 32
    this.#order = new Loop(arena.words, {
      headAt: Header.ghostOldest,
      itemsAt: arena.ghostsAt,
      stride: Ghost.WORDS,
      newer: Ghost.newer,
      older: Ghost.older,
    })
  }

  /** Notes a name as the newest. */
  add(place: number, low: number): void {
    const words = this.#words
    this.take(place, low)
    let ghost = words[Header.ghostsUsed]!
    if (ghost < this.#capacity) {
      words[Header.ghostsUsed] = ghost + 1
      this.#order.addNewest(ghost)
    } else {
      ghost = this.#order.oldest()
      if (words[this.#at(ghost) + Ghost.place] !== 0) this.#unchain(ghost)
      this.#order.turn()
    }
    const at = this.#at(ghost)
    words[at + Ghost.place] = place
    words[at + Ghost.blockLow] = low
    const headAt = this.#headAt(place, low)
    words[at + Ghost.next] = words[headAt]!
    words[headAt] = ghost + 1
  }

  /** Takes a name out; false if it is not there. */
  take(place: number, low: number): boolean {
    const words = this.#words
    let ghost = words[this.#headAt(place, low)]! - 1
    while (ghost >= 0 && !this.#isNamed(ghost, place, low)) ghost = words[this.#at(ghost) + Ghost.next]! - 1
    if (ghost < 0) return false
    this.#unchain(ghost)
    words[this.#at(ghost) + Ghost.place] = 0
    this.#order.remove(ghost)
    this.#order.addOldest(ghost)
    return true
  }

  /** Forgets all names. */
  reset(): void {
    this.#words.fill(0, this.#ghostsAt, this.#at(this.#capacity))
    this.#words[Header.ghostOldest] = 0
    this.#words[Header.ghostsUsed] = 0
  }

  /** Every broken invariant, by name: P4 the order has every record in use, P5 the chains have every name once. */
  check(): string[] {
    const words = this.#words
    const broken: string[] = []
    const used = words[Header.ghostsUsed]!
    const inOrder = new Set(this.#order.items(this.#capacity))
    let names = 0
    for (const ghost of inOrder) {
      if (ghost >= used || !this.#order.isLinked(ghost))
        broken.push(`P4 ghost ${ghost}: torn out of the order`)
      if (words[this.#at(ghost) + Ghost.place] !== 0) names++
    }
    if (inOrder.size !== used) broken.push(`P4 ${inOrder.size} ghosts are in order, ${used} in use`)
    const chained = new Set<number>()
    for (let head = 0; head < this.#capacity; head++) {
      for (
        let ghost = words[this.#at(head) + Ghost.head]! - 1;
        ghost >= 0;
        ghost = words[this.#at(ghost) + Ghost.next]! - 1
      ) {
        if (chained.has(ghost)) {
          broken.push(`P5 ghost ${ghost}: chained twice`)
          break
        }
        chained.add(ghost)
        if (this.#headAtOf(ghost) !== this.#at(head) + Ghost.head)
          broken.push(`P5 ghost ${ghost}: in chain ${head}, hashes to another`)
      }
    }
    if (chained.size !== names) broken.push(`P5 ${chained.size} ghosts are chained, ${names} have a name`)
    return broken
  }

  #at(ghost: number): number {
    return this.#ghostsAt + ghost * Ghost.WORDS
  }

  #headAt(place: number, low: number): number {
    // A product, since a remainder of doubles is a call.
    const hash = hashOf(2 ** 32, place, low) >>> 0
    return this.#at(Math.floor(hash * this.#perHash)) + Ghost.head
  }

  #headAtOf(ghost: number): number {
    const at = this.#at(ghost)
    return this.#headAt(this.#words[at + Ghost.place]!, this.#words[at + Ghost.blockLow]!)
  }

  #isNamed(ghost: number, place: number, low: number): boolean {
    const at = this.#at(ghost)
    return this.#words[at + Ghost.blockLow] === low && this.#words[at + Ghost.place] === place
  }

  /** Takes a named record out of its chain. */
  #unchain(ghost: number): void {
    let linkAt = this.#headAtOf(ghost)
    while (this.#words[linkAt] !== ghost + 1) linkAt = this.#at(this.#words[linkAt]! - 1) + Ghost.next
    this.#words[linkAt] = this.#words[this.#at(ghost) + Ghost.next]!
  }
}
