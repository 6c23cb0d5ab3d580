/**
 * A commit: change a byte of one block and flush, all or some of the classes. Each lane changes its own blocks in turn. The number of the commit in
 * the block proves at the end that the file has the last one.
 */
import type * as Dcache from 'dcache'
import type { CacheHandle, FlushScope } from 'dcache'
import type { Prepare } from '../../harness/task.js'
import { type CommitWork, pauseOf } from './commit-work.js'

export interface CommitData {
  readonly work: CommitWork
  readonly handle: CacheHandle
  /** What to import: 'dcache', or the URL of a changed copy. */
  readonly engine: string
  readonly scope: FlushScope
}

export const prepare: Prepare<CommitData> = async ({ work, handle, engine, scope }, { lane }) => {
  const { attachCache } = (await import(engine)) as typeof Dcache
  const client = attachCache(handle)
  const partition = client.partition('main')
  const first = lane * work.blocksOfLane
  let time = 0
  return {
    batch: 1,
    run() {
      const block = first + (time++ % work.blocksOfLane)
      const guard = partition.acquireSync(block, 'modify')
      new DataView(guard.bytes.buffer, guard.bytes.byteOffset + guard.offset, 4).setInt32(0, time, true)
      guard.markDirty()
      guard.release()
      client.flushSync(scope)
      work.wanted[block] = time
      return 1
    },
    expected: (_, count) => count,
    ...pauseOf(work),
  }
}
