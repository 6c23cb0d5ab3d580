/**
 * A write by `writeSync`: a whole block, or its first bytes. Each lane writes its own blocks in turn. After every slice
 * the blocks are compared with what was written last.
 */
import { attachCache, type CacheHandle } from 'dcache'
import type { Prepare } from '../../harness/task.js'
import { BLOCK_SIZE, byteOf } from '../../hit/workload.js'

export interface WriteData {
  readonly handle: CacheHandle
  readonly blocksOfLane: number
  /** Length of a write in bytes. */
  readonly bytes: number
}

export const prepare: Prepare<WriteData> = ({ handle, blocksOfLane, bytes }, { lane }) => {
  const partition = attachCache(handle).partition('main')
  const first = lane * blocksOfLane
  const source = new Uint8Array(bytes)
  const wanted = Uint8Array.from({ length: blocksOfLane }, (_, i) => byteOf(first + i, 0))
  const found = new Uint8Array(1)
  let position = 0
  let time = 0
  return {
    batch: 256,
    run(count) {
      for (let i = 0; i < count; i++) {
        source[0] = ++time
        partition.writeSync(source, (first + position) * BLOCK_SIZE)
        wanted[position] = time
        position = position + 1 === blocksOfLane ? 0 : position + 1
      }
      return count
    },
    expected: (_, count) => count,
    end() {
      wanted.forEach((byte, i) => {
        partition.readSync(found, (first + i) * BLOCK_SIZE)
        if (found[0] !== byte)
          throw new Error(`block ${first + i} begins with ${found[0]} instead of ${byte}: a write is lost`)
      })
    },
  }
}
