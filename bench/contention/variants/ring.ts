/**
 * One ring: each lane pushes a record and pops one, its own or another lane's.
 */
import { Ring } from '#dist/shared/ring.js'
import type { Prepare } from '../../harness/task.js'

const [CAPACITY, RECORD_WORDS] = [256, 4]
export const RING_WORDS = 16 + CAPACITY * RECORD_WORDS
export const ringIn = (words: Int32Array<SharedArrayBuffer>): Ring =>
  new Ring(words, 0, CAPACITY, RECORD_WORDS)

export interface RingData {
  readonly words: Int32Array<SharedArrayBuffer>
}

export const prepare: Prepare<RingData> = ({ words }, { lane }) => {
  const ring = ringIn(words)
  let next = lane
  /** Returns the sum of the pushed records minus that of the popped ones. The sum over all lanes is 0. */
  const run = (count: number): number => {
    let difference = 0
    for (let i = 0; i < count; i++) {
      next = (next + 8) & 0xffff
      while (!ring.tryPush(next, lane, 0));
      let record = ring.tryPop()
      // The entry may be reserved by another lane, but not filled yet.
      while (record === undefined) record = ring.tryPop()
      difference += next - record[0]!
    }
    return difference
  }
  return { batch: 256, run }
}
