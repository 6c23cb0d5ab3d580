/**
 * The alternative without a shared cache: each thread has its own `lru-cache` of all blocks, which costs the memory
 * once for each thread.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import type { Prepare } from '../../harness/task.js'
import { BLOCK_SIZE, expectation, keyHighOf, type Workload } from '../workload.js'

export interface PrivateData {
  readonly workload: Workload
}

export const prepare: Prepare<PrivateData> = async ({ workload }, { lane }) => {
  const { LRUCache } = await import('lru-cache')
  const cache = new LRUCache<number, Uint8Array>({ max: workload.blocks })
  const fd = openSync(workload.path, 'r')
  for (let block = 0; block < workload.blocks; block++) {
    const bytes = new Uint8Array(BLOCK_SIZE)
    readSync(fd, bytes, 0, BLOCK_SIZE, block * BLOCK_SIZE)
    cache.set(block, bytes)
  }
  closeSync(fd)
  const sequence = workload.sequences[lane]!
  const mask = sequence.length - 1
  let position = 0
  const run = (count: number): number => {
    let sum = 0
    let at = position
    for (let i = 0; i < count; i++) {
      const block = sequence[at]!
      at = (at + 1) & mask
      sum += cache.get(block)![keyHighOf(block)]!
    }
    position = at
    return sum
  }
  return { batch: 1024, run, expected: expectation(sequence) }
}
