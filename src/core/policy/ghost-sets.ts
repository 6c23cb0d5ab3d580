/**
 * The ghosts of policy `adaptive`: what blocks were worth when they were evicted, two for each frame. A ghost is honoured for
 * as long as its block is worth more than another in the cache, so the records need no common order of age; they are in sets of
 * eight, by a hash of the key, as in the cache of a processor. A new ghost replaces the oldest of its set. That is half of the
 * memory of records with chains and an order, and a lookup is one cache line.
 *
 * A record has two words: the hash, 0 if it is empty, and a word as that of a frame (uses.ts) with the tick of the eviction,
 * the value, and the part that the block was evicted from. Two keys with one hash of 32 bits share a ghost, which costs a wrong
 * choice. So does a record that a dead thread left half-written: its hash is stored first, so the sets need no repair.
 *
 * While few new blocks come, old ghosts are not replaced, and after some hundred pools of insertions their ages would wrap and look
 * young. So each insertion looks at a record, in turn, and empties it if it is old.
 */
import type { Arena } from '../../shared/arena.js'
import { hashOf } from '../../shared/hash.js'
import { GHOST_SET } from '../../shared/layout.js'
import { PIECE, type Steps } from '../../shared/steps.js'
import { Ghost, Header } from '../../shared/words.js'
import { TICKS, timeAgeOf, valueAgeOf, valueAt, wordOf } from './uses.js'

/** More than any age. */
const EMPTY = 2 ** 16
const SET_WORDS = GHOST_SET * Ghost.WORDS
/** Ghosts that are older are removed: 64 pools of insertions. */
const OLDEST = 64 * TICKS
/** All records are looked at in this many pools of insertions, so that no age of a value can wrap (uses.ts). */
const ROUND = 64

/** All @requires policy mutex. A ghost is the address of its record. */
export interface GhostSets {
  /** The ghost of a key, -1 if there is none. */
  find(keyHigh: number, keyLow: number): number
  /** Its block's value when it was evicted, as an age. */
  valueAge(ghost: number): number
  /** Ticks since its eviction. */
  since(ghost: number): number
  isFromMain(ghost: number): boolean
  /** Removes a ghost. */
  drop(ghost: number): void
  /** Adds a ghost, or replaces that of the key; `since`: how many ticks ago its block was evicted. */
  add(keyHigh: number, keyLow: number, valueAge: number, isFromMain: boolean, since?: number): void
  /** A block is inserted: removes the next ghost if it is old, or some if there are many for each frame in use. */
  sweep(): void
  /** P4 each ghost is in the set of its hash; P5 once; P7 the sweep is at one of the records. */
  check(): string[]
  look(): Steps<boolean>
}

export function ghostSetsOf({ words, ghostsAt, geometry }: Arena): GhostSets {
  const sets = geometry.ghostWords / SET_WORDS
  const records = geometry.ghostWords / Ghost.WORDS
  const perHash = sets / 2 ** 32
  const endAt = ghostsAt + geometry.ghostWords

  const hash = (keyHigh: number, keyLow: number): number => hashOf(2 ** 32, keyHigh, keyLow) || 1

  function setOf(own: number): number {
    return ghostsAt + Math.floor((own >>> 0) * perHash) * SET_WORDS
  }

  function find(keyHigh: number, keyLow: number): number {
    const wanted = hash(keyHigh, keyLow)
    const at = setOf(wanted)
    for (let ghost = at; ghost < at + SET_WORDS; ghost += Ghost.WORDS)
      if (words[ghost + Ghost.hash] === wanted) return ghost
    return -1
  }

  function add(keyHigh: number, keyLow: number, valueAge: number, isFromMain: boolean, since = 0): void {
    const now = words[Header.tick]!
    const own = hash(keyHigh, keyLow)
    const ghost = placeFor(own, now)
    words[ghost + Ghost.hash] = own
    words[ghost + Ghost.uses] = wordOf(now - since, valueAt(now, valueAge), isFromMain ? 1 : 0)
  }

  /** The record of the set that has the hash, else the first empty one, else the oldest. */
  function placeFor(own: number, now: number): number {
    const at = setOf(own)
    let place = at
    let placeAge = -1
    for (let ghost = at; ghost < at + SET_WORDS; ghost += Ghost.WORDS) {
      const other = words[ghost + Ghost.hash]!
      if (other === own) return ghost
      const age = other === 0 ? EMPTY : timeAgeOf(now, words[ghost + Ghost.uses]!)
      if (age <= placeAge) continue
      place = ghost
      placeAge = age
    }
    return place
  }

  function drop(ghost: number): void {
    words[ghost + Ghost.hash] = 0
  }

  function sweep(): void {
    const now = words[Header.tick]!
    for (let left = Math.ceil(records / (ROUND * words[Header.frames]!)); left > 0; left--) {
      const record = words[Header.ghostSweep]!
      const ghost = ghostsAt + record * Ghost.WORDS
      // The age of an empty record may be anything: to empty it again does no harm.
      if (timeAgeOf(now, words[ghost + Ghost.uses]!) > OLDEST) words[ghost + Ghost.hash] = 0
      words[Header.ghostSweep] = record + 1 < records ? record + 1 : 0
    }
  }

  /** What is wrong with a record, undefined if nothing is. */
  function faultOf(ghost: number): string | undefined {
    const own = words[ghost + Ghost.hash]!
    if (own === 0) return undefined
    const at = ghost - ((ghost - ghostsAt) % SET_WORDS)
    const record = (ghost - ghostsAt) / Ghost.WORDS
    if (setOf(own) !== at) return `P4 ghost ${record}: its hash belongs to another set`
    for (let other = at; other < ghost; other += Ghost.WORDS)
      if (words[other + Ghost.hash] === own) return `P5 ghost ${record}: its set has another of its hash`
    return undefined
  }

  function* ghosts(): Generator<number> {
    for (let ghost = ghostsAt; ghost < endAt; ghost += Ghost.WORDS) yield ghost
  }

  const isSweepSound = (): boolean => words[Header.ghostSweep]! >= 0 && words[Header.ghostSweep]! < records

  function check(): string[] {
    const broken = [...ghosts()].flatMap((ghost) => faultOf(ghost) ?? [])
    if (!isSweepSound())
      broken.push(`P7 the sweep of ghosts is at ${words[Header.ghostSweep]!} of ${records}`)
    return broken
  }

  function* look(): Steps<boolean> {
    if (!isSweepSound()) return false
    let records = 0
    for (const ghost of ghosts()) {
      if (faultOf(ghost) !== undefined) return false
      if (++records % (PIECE / 4) === 0) yield // a record costs up to nine words
    }
    return true
  }

  return {
    find,
    valueAge: (ghost) => valueAgeOf(words[Header.tick]!, words[ghost + Ghost.uses]!),
    since: (ghost) => timeAgeOf(words[Header.tick]!, words[ghost + Ghost.uses]!),
    isFromMain: (ghost) => (words[ghost + Ghost.uses]! & 1) !== 0,
    drop,
    add,
    sweep,
    check,
    look,
  }
}
