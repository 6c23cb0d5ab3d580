/**
 * Reads of cached blocks of the partition that another thread commits to, in a random order.
 */
import { attachCache, type CacheHandle } from 'dcache'
import type { Prepare } from '../../harness/task.js'

export interface ReadData {
  readonly handle: CacheHandle
  readonly blocks: number
}

const SEQUENCE = 2 ** 14

export const prepare: Prepare<ReadData> = ({ handle, blocks }) => {
  const partition = attachCache(handle).partition('main')
  const sequence = Uint32Array.from({ length: SEQUENCE }, () => Math.floor(Math.random() * blocks))
  let position = 0
  return {
    batch: 256,
    run(count) {
      let sum = 0
      for (let i = 0; i < count; i++) {
        const guard = partition.acquireSync(sequence[position]!, 'read')
        sum += guard.bytes[guard.offset]! >= 0 ? 1 : 0
        guard.release()
        position = (position + 1) % SEQUENCE
      }
      return sum
    },
    expected: (_, count) => count,
  }
}
