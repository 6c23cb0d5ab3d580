/**
 * A native key-value store in the same process: `lmdb`, through its fastest call, which copies the value into a buffer
 * that the next call reuses.
 */
import { open } from 'lmdb'
import type { Prepare } from '../../harness/task.js'
import { expectation, keyHighOf, type Workload } from '../workload.js'

export interface LmdbData {
  readonly workload: Workload
  readonly path: string
}

export const prepare: Prepare<LmdbData> = ({ workload, path }, { lane }) => {
  const store = open<Uint8Array, number>({ path, encoding: 'binary', keyEncoding: 'uint32', readOnly: true })
  const sequence = workload.sequences[lane]!
  const mask = sequence.length - 1
  let position = 0
  const run = (count: number): number => {
    let sum = 0
    let at = position
    for (let i = 0; i < count; i++) {
      const block = sequence[at]!
      at = (at + 1) & mask
      sum += store.getBinaryFast(block)![keyHighOf(block)]!
    }
    position = at
    return sum
  }
  return { batch: 256, run, expected: expectation(sequence) }
}
