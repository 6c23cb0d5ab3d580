/**
 * No cache except the system's: `fs.readSync` of the whole block from the page cache, or from the disk with O_DIRECT.
 */
import { alignedBytes } from '#dist/shared/buffer.js'
import { constants, openSync, readSync } from 'node:fs'
import type { Prepare } from '../../harness/task.js'
import { BLOCK_SIZE, expectation, keyHighOf, type Workload } from '../workload.js'

export interface FileData {
  readonly workload: Workload
  readonly direct?: boolean
}

export const prepare: Prepare<FileData> = ({ workload, direct = false }, { lane }) => {
  const fd = openSync(workload.path, constants.O_RDONLY | (direct ? constants.O_DIRECT : 0))
  const bytes = direct ? alignedBytes(BLOCK_SIZE) : new Uint8Array(BLOCK_SIZE)
  const sequence = workload.sequences[lane]!
  const mask = sequence.length - 1
  let position = 0
  const run = (count: number): number => {
    let sum = 0
    let at = position
    for (let i = 0; i < count; i++) {
      const block = sequence[at]!
      at = (at + 1) & mask
      readSync(fd, bytes, 0, BLOCK_SIZE, block * BLOCK_SIZE)
      sum += bytes[keyHighOf(block)]!
    }
    position = at
    return sum
  }
  return { batch: 256, run, expected: expectation(sequence) }
}
