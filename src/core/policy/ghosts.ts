/**
 * Ghosts: the keys of blocks that policy `2q` evicted recently, without contents. A fixed number of records in the shared
 * buffer, each in two structures:
 *
 *   order   a loop from the oldest key to the newest; records whose key was taken come first
 *   chain   from a hash bucket to all keys that hash to it; record `i` also contains bucket `i`, so there are as many buckets as
 *           records
 *
 * A new key takes a record that was never used, else the oldest, so the keys are always the newest ones. All of this is
 * guarded by the policy mutex.
 */
import type { Arena } from '../../shared/arena.js'
import { hashOf } from '../../shared/hash.js'
import { PIECE, type Steps } from '../../shared/steps.js'
import { Loop } from './loop.js'
import { Ghost, Header } from '../../shared/words.js'

export interface Ghosts {
  /** Adds a key as the newest. @requires policy mutex */
  add(keyHigh: number, keyLow: number): void
  /** Removes a key; returns whether it was there. @requires policy mutex */
  take(keyHigh: number, keyLow: number): boolean
  /** Removes all keys. @requires policy mutex */
  reset(): void
  /** A line for each violated invariant: P4 the order has every record in use, P5 the chains have every key once. */
  check(): string[]
  /** As that of the policy (policy.ts). @requires policy mutex for each piece */
  look(): Steps<boolean>
}

/** A closure, like the hit path (hit-path.ts): V8 compiles it with the addresses as constants. */
export function ghostsOf(arena: Arena): Ghosts {
  const { words, ghostsAt } = arena
  const capacity = arena.geometry.ghostWords / Ghost.WORDS
  /** Factor from a hash to the index of a bucket. */
  const perHash = capacity / 2 ** 32
  const order = new Loop(words, {
    headAt: Header.ghostOldest,
    itemsAt: ghostsAt,
    stride: Ghost.WORDS,
    newer: Ghost.newer,
    older: Ghost.older,
  })

  function add(keyHigh: number, keyLow: number): void {
    take(keyHigh, keyLow)
    let ghost = words[Header.ghostsUsed]!
    // As many as frames in use.
    if (ghost < words[Header.frames]!) {
      words[Header.ghostsUsed] = ghost + 1
      order.addNewest(ghost)
    } else {
      ghost = order.oldest()
      if (words[recordAt(ghost) + Ghost.keyHigh] !== 0) unchain(ghost)
      order.turn()
    }
    const at = recordAt(ghost)
    words[at + Ghost.keyHigh] = keyHigh
    words[at + Ghost.keyLow] = keyLow
    const headAt = bucketFor(keyHigh, keyLow)
    words[at + Ghost.next] = words[headAt]!
    words[headAt] = ghost + 1
  }

  function take(keyHigh: number, keyLow: number): boolean {
    let ghost = words[bucketFor(keyHigh, keyLow)]! - 1
    while (ghost >= 0 && !hasKey(ghost, keyHigh, keyLow)) ghost = words[recordAt(ghost) + Ghost.next]! - 1
    if (ghost < 0) return false
    unchain(ghost)
    words[recordAt(ghost) + Ghost.keyHigh] = 0
    order.remove(ghost)
    order.addOldest(ghost)
    return true
  }

  function reset(): void {
    words.fill(0, ghostsAt, recordAt(capacity))
    words[Header.ghostOldest] = 0
    words[Header.ghostsUsed] = 0
  }

  function check(): string[] {
    const broken: string[] = []
    const used = words[Header.ghostsUsed]!
    const inOrder = new Set(order.items(capacity))
    let names = 0
    for (const ghost of inOrder) {
      if (ghost >= used || !order.isLinked(ghost)) broken.push(`P4 ghost ${ghost}: not linked in the order`)
      if (words[recordAt(ghost) + Ghost.keyHigh] !== 0) names++
    }
    if (inOrder.size !== used) broken.push(`P4 ${inOrder.size} ghosts are in order, ${used} in use`)
    const chained = new Set<number>()
    for (let bucket = 0; bucket < capacity; bucket++) {
      for (
        let ghost = words[recordAt(bucket) + Ghost.bucket]! - 1;
        ghost >= 0;
        ghost = words[recordAt(ghost) + Ghost.next]! - 1
      ) {
        if (chained.has(ghost)) {
          broken.push(`P5 ghost ${ghost}: chained twice`)
          break
        }
        chained.add(ghost)
        if (bucketOf(ghost) !== recordAt(bucket) + Ghost.bucket)
          broken.push(`P5 ghost ${ghost}: in chain ${bucket}, hashes to another`)
      }
    }
    if (chained.size !== names) broken.push(`P5 ${chained.size} ghosts are chained, ${names} have a key`)
    return broken
  }

  function* look(): Steps<boolean> {
    const seen = new Uint8Array(capacity)
    const inUse = () => words[Header.ghostsUsed]!
    if (!(yield* order.look(seen, 1, (ghost) => ghost < inUse(), inUse))) return false
    for (let record = 0; record < capacity; record++) {
      if (!isSound(record)) return false
      if (record % PIECE === PIECE - 1) yield
    }
    return true
  }

  /** Whether the chain of a record's bucket has only keys that belong there, and the record's key is in the chain where it belongs. */
  function isSound(record: number): boolean {
    const headAt = recordAt(record) + Ghost.bucket
    let steps = 0
    for (let ghost = words[headAt]! - 1; ghost >= 0; ghost = words[recordAt(ghost) + Ghost.next]! - 1) {
      const isNamed = ghost < words[Header.ghostsUsed]! && words[recordAt(ghost) + Ghost.keyHigh] !== 0
      if (!isNamed || bucketOf(ghost) !== headAt || ++steps > PIECE) return false
    }
    if (words[recordAt(record) + Ghost.keyHigh] === 0) return true
    let ghost = words[bucketOf(record)]! - 1
    for (let left = PIECE; left > 0 && ghost >= 0 && ghost !== record; left--)
      ghost = words[recordAt(ghost) + Ghost.next]! - 1
    return ghost === record
  }

  function recordAt(ghost: number): number {
    return ghostsAt + ghost * Ghost.WORDS
  }

  function bucketFor(keyHigh: number, keyLow: number): number {
    // A product, because the remainder of doubles is a function call.
    const hash = hashOf(2 ** 32, keyHigh, keyLow) >>> 0
    return recordAt(Math.floor(hash * perHash)) + Ghost.bucket
  }

  function bucketOf(ghost: number): number {
    const at = recordAt(ghost)
    return bucketFor(words[at + Ghost.keyHigh]!, words[at + Ghost.keyLow]!)
  }

  function hasKey(ghost: number, keyHigh: number, keyLow: number): boolean {
    const at = recordAt(ghost)
    return words[at + Ghost.keyLow] === keyLow && words[at + Ghost.keyHigh] === keyHigh
  }

  /** Removes a record that has a key from its chain. */
  function unchain(ghost: number): void {
    let linkAt = bucketOf(ghost)
    while (words[linkAt] !== ghost + 1) linkAt = recordAt(words[linkAt]! - 1) + Ghost.next
    words[linkAt] = words[recordAt(ghost) + Ghost.next]!
  }

  return { add, take, reset, check, look }
}
