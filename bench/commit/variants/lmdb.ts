/**
 * A commit of lmdb: `transactionSync`. Durable: without overlapping syncs, so that it returns when the system has synced. Not
 * durable: `noSync`.
 */
import { open } from 'lmdb'
import type { Prepare } from '../../harness/task.js'
import { Commits, type CommitWork } from './commit-work.js'

export const prepare: Prepare<{ readonly work: CommitWork }> = ({ work }, { lane }) => {
  const { path, isDurable } = work
  const store = open<Uint8Array, number>({
    path,
    encoding: 'binary',
    keyEncoding: 'uint32',
    overlappingSync: false,
    noSync: !isDurable,
  })
  const commits = new Commits(work, lane)
  return {
    batch: 1,
    run() {
      commits.next()
      store.transactionSync(() => {
        for (const block of commits.blocks) store.putSync(block, commits.image)
      })
      return 1
    },
    expected: (_, count) => count,
    end() {
      commits.check((block) => store.get(block))
    },
  }
}
