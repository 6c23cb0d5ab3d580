/**
 * A commit of dcache: `updateSync`, and `flushSync` if it is durable. The partition is in a group with a journal.
 */
import { attachCache, type CacheHandle } from 'dcache'
import type { Prepare } from '../../harness/task.js'
import { BLOCK_SIZE, Commits, type CommitWork } from './commit-work.js'

export interface DcacheData {
  readonly work: CommitWork
  readonly handle: CacheHandle
}

export const prepare: Prepare<DcacheData> = ({ work, handle }, { lane }) => {
  const client = attachCache(handle)
  const partition = client.partition('main')
  const commits = new Commits(work, lane)
  const { image } = commits
  const buffer = Buffer.alloc(BLOCK_SIZE)
  return {
    batch: 1,
    run() {
      commits.next()
      client.updateSync(
        commits.blocks.map((block) => [partition, block] as const),
        (guards) => {
          for (const guard of guards) {
            guard.data.set(image)
            guard.markDirty()
          }
        },
      )
      if (work.isDurable) client.flushSync()
      return 1
    },
    expected: (_, count) => count,
    end() {
      commits.check((block) => {
        partition.readSync(buffer, block * BLOCK_SIZE)
        return buffer
      })
    },
  }
}
