/**
 * What any pin in shared memory costs, with no cache around it: a compare-and-swap on the block's own word, a byte of
 * the block, and an atomic subtraction. As `add` the swap is a plain addition, which can't fail when others are there.
 */
import type { Prepare } from '../../harness/task.js'
import { BLOCK_SIZE, expectation, keyHighOf, type Workload } from '../workload.js'

/** A word to pin each block by, as far apart as dcache's frames. */
export const PIN_WORDS = 16
/** A typed array may not pass 4 GiB; and dcache has its blocks in segments of 1 GiB too. */
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
