/**
 * The floor: the least that a pin in shared memory costs, without a cache. A compare-and-swap on the block's own word,
 * a read of a byte, and an atomic subtraction. With `add`, an addition replaces the swap; it can't fail under
 * contention.
 */
import type { Prepare } from '../../harness/task.js'
import { BLOCK_SIZE, expectation, keyHighOf, type Workload } from '../workload.js'

/** A pin word for each block, as far apart as those of dcache's frames. */
export const PIN_WORDS = 16
/** Segments of 1 GiB, as in dcache, because a typed array is limited to 4 GiB. */
export const SEGMENT_BLOCKS = 2 ** 30 / BLOCK_SIZE

export interface FloorData {
  readonly workload: Workload
  readonly words: Int32Array<SharedArrayBuffer>
  readonly segments: readonly Uint8Array<SharedArrayBuffer>[]
  readonly pin: 'swap' | 'add'
}

export const prepare: Prepare<FloorData> = ({ workload, words, segments, pin }, { lane }) => {
  const sequence = workload.sequences[lane]!
  const mask = sequence.length - 1
  const shift = Math.log2(SEGMENT_BLOCKS)
  let position = 0

  const bySwap = (count: number): number => {
    let sum = 0
    let at = position
    for (let i = 0; i < count; i++) {
      const block = sequence[at]!
      at = (at + 1) & mask
      const word = block * PIN_WORDS
      let pins = words[word]!
      for (;;) {
        const seen = Atomics.compareExchange(words, word, pins, pins + 1)
        if (seen === pins) break
        pins = seen
      }
      sum += segments[block >>> shift]![(block & (SEGMENT_BLOCKS - 1)) * BLOCK_SIZE + keyHighOf(block)]!
      Atomics.sub(words, word, 1)
    }
    position = at
    return sum
  }

  const byAdd = (count: number): number => {
    let sum = 0
    let at = position
    for (let i = 0; i < count; i++) {
      const block = sequence[at]!
      at = (at + 1) & mask
      const word = block * PIN_WORDS
      Atomics.add(words, word, 1)
      sum += segments[block >>> shift]![(block & (SEGMENT_BLOCKS - 1)) * BLOCK_SIZE + keyHighOf(block)]!
      Atomics.sub(words, word, 1)
    }
    position = at
    return sum
  }

  return { batch: 1024, run: pin === 'swap' ? bySwap : byAdd, expected: expectation(sequence) }
}
