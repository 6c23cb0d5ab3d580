// The guards of a run. The contents of a block are compared with the model when it is acquired, and the model is updated
// when it is released.

import type { BlockGuard, Mode } from 'dcache'
import type { Access, Ending } from './commands.js'
import type { Driver } from './driver.js'
import { same } from './history.js'
import { bytesOf, keyHighOf } from './places.js'

/** Guards that a run keeps over several commands. */
const HELD_MAX = 3

/** A guard, and the contents that its block must have. */
export interface Held {
  readonly guard: BlockGuard
  readonly partition: number
  readonly block: number
  readonly mode: Mode
  readonly start: number
  readonly length: number
  /** The block was not cached, so that an `overwrite` guard does not show its contents. */
  readonly isAbsent: boolean
  readonly expected: Uint8Array
  isChanged: boolean
}

/** Meaningless bytes, the same for the same seed. */
export function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0, x = seed | 1; i < length; i++) {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) + 0x9e3779b9
    bytes[i] = x >>> 24
  }
  return bytes
}

export class HeldGuards {
  readonly #driver: Driver
  #held: Held[] = []

  constructor(driver: Driver) {
    this.#driver = driver
  }

  get isFull(): boolean {
    return this.#held.length >= HELD_MAX
  }

  keep(held: Held): void {
    this.#held.push(held)
  }

  /** One of the kept guards; undefined if there are none. */
  pick(number: number): Held | undefined {
    return this.#held[number % this.#held.length]
  }

  take(number: number): Held | undefined {
    return this.#held.splice(number % this.#held.length, 1)[0]
  }

  takeAll(): Held[] {
    return this.#held.splice(0)
  }

  /** Whether a kept guard conflicts with a new one. */
  isInTheWay(partition: number, block: number, mode: Mode): boolean {
    return this.#held.some(
      (held) =>
        held.partition === partition && held.block === block && (mode !== 'read' || held.mode !== 'read'),
    )
  }

  /** Compares the contents of a new guard with the model. @throws if they differ, after releasing the guard */
  enter(guard: BlockGuard, access: Access): Held {
    const { history, partitions } = this.#driver
    const { partition, block } = keyHighOf(partitions, access)
    const expected = guard.data.slice()
    // An absent block shows zeros. A block whose contents are only in the cache cannot be absent.
    const mayBeAbsent = access.mode === 'overwrite' && !history.isUnwritten(partition, block)
    const showsZeros = expected.every((byte) => byte === 0)
    const current = history.current(partition, block)
    try {
      if (this.isInTheWay(partition, block, access.mode))
        throw new Error(
          `block ${block} of partition ${partition} was latched by another guard while it is held`,
        )
      if (!(mayBeAbsent && showsZeros)) history.observe(partition, block, expected)
    } catch (error) {
      guard.release()
      throw error
    }
    return {
      guard,
      partition,
      block,
      mode: access.mode,
      ...bytesOf(partitions, access),
      isAbsent: mayBeAbsent && showsZeros && current !== undefined && !same(current, expected),
      expected,
      isChanged: false,
    }
  }

  /** Changes the bytes of a guard's range. */
  change(held: Held, seed: number): void {
    if (held.mode === 'read') return
    const bytes = noise(held.length, seed)
    held.guard.data.set(bytes, held.start)
    held.expected.set(bytes, held.start)
    held.isChanged = true
  }

  /** Releases a guard. */
  end(held: Held, ending: Ending, writeClass: number): void {
    const { guard, partition, block, mode, expected } = held
    const { history, writeOrder } = this.#driver
    if (!same(guard.data, expected))
      throw new Error(`block ${block} of partition ${partition} changed while it was held`)
    // A changed block may be released without a mark only if it was not cached.
    const isUnmarked = ending === 'clean' && (!held.isChanged || held.isAbsent)
    if (ending === 'discard') {
      guard.discard()
    } else if (mode === 'read' || isUnmarked) {
      guard.release()
    } else {
      guard.markDirty(writeOrder[writeClass])
      history.release(partition, block, expected, writeClass)
      guard.release()
    }
  }

  /** Completes an access when its guard is available. */
  finish(held: Held, access: Access): void {
    this.change(held, access.seed)
    this.end(held, access.ending, access.writeClass)
    this.#assertHit(held)
  }

  /** Checks that a block that was just read and is not held is a hit. */
  #assertHit({ partition, block, mode }: Held): void {
    if (mode !== 'read' || !this.#driver.inline || this.isInTheWay(partition, block, 'modify')) return
    const guard = this.#driver.partition(partition).tryAcquire(block, 'read')
    if (!guard) throw new Error(`block ${block} of partition ${partition} is no hit after it was read`)
    guard.release()
  }
}
