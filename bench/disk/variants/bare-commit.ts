/**
 * The bare work of a commit: write one block and fsync. Each lane has its own descriptor of the file.
 */
import { fsyncSync, openSync, writeSync } from 'node:fs'
import { sleepAsSlow } from '../../harness/slow-disk.js'
import type { Prepare } from '../../harness/task.js'
import { BLOCK_SIZE } from '../workload.js'
import { type CommitWork, pauseOf } from './commit-work.js'

export interface BareCommitData {
  readonly work: CommitWork
  readonly isSlow: boolean
}

export const prepare: Prepare<BareCommitData> = ({ work, isSlow }, { lane }) => {
  const fd = openSync(work.path, 'r+')
  const bytes = new Uint8Array(new SharedArrayBuffer(BLOCK_SIZE)).fill(1)
  const word = new DataView(bytes.buffer)
  const first = lane * work.blocksOfLane
  let time = 0
  return {
    batch: 1,
    run() {
      const block = first + (time++ % work.blocksOfLane)
      word.setInt32(0, time, true)
      writeSync(fd, bytes, 0, BLOCK_SIZE, block * BLOCK_SIZE)
      fsyncSync(fd)
      if (isSlow) sleepAsSlow(BLOCK_SIZE)
      work.wanted[block] = time
      return 1
    },
    expected: (_, count) => count,
    ...pauseOf(work),
  }
}
