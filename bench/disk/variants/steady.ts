/**
 * Changes random blocks as fast as possible, over more blocks than the cache holds. Each lane has a histogram of the
 * times, and for the long ones, of the blocks that were written during them.
 */
import { BUCKETS, bucketOf } from '#dist/shared/histogram.js'
import { openArena } from '#dist/workers/attach.js'
import { Random } from '#dist/workload/random.js'
import { attachCache, type CacheHandle } from 'dcache'
import type { Prepare } from '../../harness/task.js'
import { Group } from '#dist/shared/words.js'

/** A lane's figures by bucket: number of changes, milliseconds, and blocks that were written during the changes. */
export const FIGURES = {
  changes: 0,
  ms: BUCKETS,
  written: 2 * BUCKETS,
  length: 3 * BUCKETS,
}

export interface SteadyData {
  readonly handle: CacheHandle
  readonly blocks: number
  /** One entry for each lane. */
  readonly figures: readonly Float64Array<SharedArrayBuffer>[]
}

export const prepare: Prepare<SteadyData> = ({ handle, blocks, figures }, { lane }) => {
  const partition = attachCache(handle).partition('file0')
  const arena = openArena(handle)
  const writtenAt = arena.groupAt(0) + Group.written
  const random = new Random(2, lane)
  const own = figures[lane]!
  return {
    batch: 64,
    run(count) {
      for (let i = 0; i < count; i++) {
        const block = random.below(blocks)
        const written = arena.words[writtenAt]!
        const startMs = performance.now()
        const guard = partition.acquireSync(block, 'modify')
        guard.bytes[guard.offset]! += 1
        guard.markDirty()
        guard.release()
        const ms = performance.now() - startMs
        const bucket = bucketOf(ms)
        own[FIGURES.changes + bucket]! += 1
        own[FIGURES.ms + bucket]! += ms
        own[FIGURES.written + bucket]! += (arena.words[writtenAt]! - written) | 0
      }
      return count
    },
    expected: (_, count) => count,
  }
}
