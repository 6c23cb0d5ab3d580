/**
 * No cache except the system's: `fs.readSync` of the whole block from the page cache, or from the disk with O_DIRECT. Into
 * one buffer, or into random slots of a memory as large as a cache.
 */
import { alignedBytes } from '#dist/shared/buffer.js'
import { Random } from '#dist/workload/random.js'
import { constants, openSync, readSync } from 'node:fs'
import type { Prepare } from '../../harness/task.js'
import { BLOCK_SIZE, expectation, keyHighOf, type Workload } from '../workload.js'

/** After this many reads, a power of two, the slots repeat. */
const ORDER = 2 ** 13

export interface FileData {
  readonly workload: Workload
  readonly direct?: boolean
  /** Number of blocks in the memory that is read into. Default: 1. */
  readonly slots?: number
}

export const prepare: Prepare<FileData> = ({ workload, direct = false, slots = 1 }, { lane }) => {
  const fd = openSync(workload.path, constants.O_RDONLY | (direct ? constants.O_DIRECT : 0))
  const memory = direct ? alignedBytes(slots * BLOCK_SIZE) : new Uint8Array(slots * BLOCK_SIZE)
  const random = new Random(3, lane)
  const order = Uint32Array.from({ length: ORDER }, () => random.below(slots) * BLOCK_SIZE)
  const sequence = workload.sequences[lane]!
  const mask = sequence.length - 1
  let position = 0
  const run = (count: number): number => {
    let sum = 0
    let at = position
    for (let i = 0; i < count; i++) {
      const block = sequence[at]!
      at = (at + 1) & mask
      const slot = order[at & (ORDER - 1)]!
      readSync(fd, memory, slot, BLOCK_SIZE, block * BLOCK_SIZE)
      sum += memory[slot + keyHighOf(block)]!
    }
    position = at
    return sum
  }
  return { batch: 256, run, expected: expectation(sequence) }
}
