/**
 * A cache with one mutex, as dcache's predecessor had it: a table in shared memory, and a mutex that every hit takes
 * twice, to pin its block and to release it.
 */
import { hashOf } from '#dist/shared/hash.js'
import { Mutex, RANK } from '#dist/shared/mutex.js'
import { Deadline, runSync } from '#dist/shared/wait.js'
import type { Prepare } from '../../harness/task.js'
import type { FloorMemory } from '../../hit/crews.js'
import { BLOCK_SIZE, expectation, keyHighOf, type Workload } from '../../hit/workload.js'

export interface GlobalMutexData extends FloorMemory {
  readonly workload: Workload
  readonly mutexWords: Int32Array<SharedArrayBuffer>
  /**
   * Hash table of block + 1, with open addressing. Its size is a power of two and at least twice the number of blocks.
   */
  readonly table: Int32Array<SharedArrayBuffer>
  /** The frame of each table entry. */
  readonly frames: Int32Array<SharedArrayBuffer>
}

const place = (table: Int32Array<SharedArrayBuffer>, block: number): number => {
  let at = hashOf(table.length, 1, block)
  while (table[at] !== block + 1 && table[at] !== 0) at = (at + 1) & (table.length - 1)
  return at
}

export function tableOf(blocks: number): Pick<GlobalMutexData, 'table' | 'frames'> {
  const length = 2 ** Math.ceil(Math.log2(blocks * 2))
  const [table, frames] = [0, 1].map(() => new Int32Array(new SharedArrayBuffer(length * 4)))
  for (let block = 0; block < blocks; block++) {
    const at = place(table!, block)
    table![at] = block + 1
    frames![at] = block
  }
  return { table: table!, frames: frames! }
}

export const prepare: Prepare<GlobalMutexData> = (data, { lane }) => {
  const { workload, mutexWords, table, frames, words, segments } = data
  const mutex = new Mutex(mutexWords, 0, RANK.policy, 'the whole cache')
  const lock = () => {
    if (!mutex.tryLock(lane)) runSync(mutex.lock(lane, new Deadline()), true)
  }
  const sequence = workload.sequences[lane]!
  const mask = sequence.length - 1
  const [bytes] = segments
  let position = 0
  const run = (count: number): number => {
    let sum = 0
    for (let i = 0; i < count; i++) {
      const block = sequence[position]!
      position = (position + 1) & mask
      lock()
      const frame = frames[place(table, block)]!
      words[frame * 16]!++
      mutex.unlock()
      sum += bytes![frame * BLOCK_SIZE + keyHighOf(block)]!
      lock()
      words[frame * 16]!--
      mutex.unlock()
    }
    return sum
  }
  return { batch: 256, run, expected: expectation(sequence) }
}
