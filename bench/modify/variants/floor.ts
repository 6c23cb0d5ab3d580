/**
 * The floors of a change: the least that exclusive access to a block in shared memory costs, without a cache. A
 * compare-and-swap on a word of the block, a copy of 8 KiB, and an atomic subtraction. `change` copies the block into one
 * private buffer, as an undo image, and then changes a byte. `write` copies a buffer into the block. By `fill`, the fastest
 * copy that plain Node.js has for shared memory (about a third to four fifths of the time of `set`), or by `set`.
 */
import type { Prepare } from '../../harness/task.js'
import type { FloorMemory } from '../../hit/crews.js'
import { PIN_WORDS } from '../../hit/variants/floor.js'
import { BLOCK_SIZE } from '../../hit/workload.js'
import { changeSum } from './sum.js'

export interface ChangeFloorData extends FloorMemory {
  readonly blocksOfLane: number
  readonly what: 'change' | 'write'
  readonly copy: 'fill' | 'set'
}

export const prepare: Prepare<ChangeFloorData> = (data, { lane }) => {
  const { words, segments, blocksOfLane, what, copy } = data
  const first = lane * blocksOfLane
  const own = segments[0]!.subarray(first * BLOCK_SIZE, (first + blocksOfLane) * BLOCK_SIZE)
  const memory = Buffer.from(own.buffer, own.byteOffset, own.length)
  const blocks = Array.from({ length: blocksOfLane }, (_, i) =>
    own.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE),
  )
  const before = Buffer.alloc(BLOCK_SIZE)
  const source = new Uint8Array(BLOCK_SIZE)
  let position = 0

  const take = (word: number) => {
    while (Atomics.compareExchange(words, word, 0, 1) !== 0);
  }

  /** The sum of the bytes before each change. */
  const change = (count: number): number => {
    let sum = 0
    for (let i = 0; i < count; i++) {
      const word = (first + position) * PIN_WORDS
      take(word)
      if (copy === 'fill') before.fill(blocks[position]!)
      else before.set(blocks[position]!)
      const byte = own[position * BLOCK_SIZE]!
      sum += byte
      own[position * BLOCK_SIZE] = byte + 1
      Atomics.sub(words, word, 1)
      position = position + 1 === blocksOfLane ? 0 : position + 1
    }
    return sum
  }

  const write = (count: number): number => {
    for (let i = 0; i < count; i++) {
      const word = (first + position) * PIN_WORDS
      source[0]!++
      take(word)
      if (copy === 'fill') memory.fill(source, position * BLOCK_SIZE, (position + 1) * BLOCK_SIZE)
      else blocks[position]!.set(source)
      Atomics.sub(words, word, 1)
      position = position + 1 === blocksOfLane ? 0 : position + 1
    }
    return count
  }

  return what === 'write'
    ? { batch: 256, run: write, expected: (_, count) => count }
    : { batch: 256, run: change, expected: changeSum(first, blocksOfLane) }
}
