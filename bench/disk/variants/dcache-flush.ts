/**
 * A flush. The blocks are changed between the batches, which is not timed; a batch is one flush.
 */
import { attachCache, type CacheHandle } from 'dcache'
import type { Prepare } from '../../harness/task.js'
import { blocksOf, type FlushWork, partitionName } from '../workload.js'

export interface DcacheFlushData {
  readonly work: FlushWork
  readonly handle: CacheHandle
}

export const prepare: Prepare<DcacheFlushData> = ({ work, handle }) => {
  const client = attachCache(handle)
  const partitions = work.paths.map((_, file) => client.partition(partitionName(file)))
  const next = blocksOf(work)
  let time = 0
  const change = () => {
    const blocks = next(time++)
    partitions.forEach((partition, file) => {
      for (const block of blocks) {
        const guard = partition.acquireSync(block, 'overwrite')
        new DataView(guard.bytes.buffer, guard.bytes.byteOffset + guard.offset, 4).setInt32(0, time, true)
        guard.markDirty()
        guard.release()
        work.wanted[file]![block] = time
      }
    })
  }
  change()
  return {
    batch: 1,
    run() {
      client.flushSync()
      return work.count
    },
    expected: (_, operations) => operations * work.count,
    between: change,
  }
}
