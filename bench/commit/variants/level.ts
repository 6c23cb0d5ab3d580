/**
 * A commit of LevelDB by `classic-level`: one batch, with `sync` if it is durable. Its writes are asynchronous; a lane awaits each.
 */
import { ClassicLevel } from 'classic-level'
import type { Prepare } from '../../harness/task.js'
import { Commits, type CommitWork } from './commit-work.js'

export const prepare: Prepare<{ readonly work: CommitWork }> = async ({ work }, { lane }) => {
  const database = new ClassicLevel<string, Uint8Array>(work.path, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    multithreading: true,
    compression: false,
  })
  await database.open()
  const commits = new Commits(work, lane)
  return {
    batch: 1,
    async run() {
      commits.next()
      await database.batch(
        commits.blocks.map((block) => ({ type: 'put' as const, key: String(block), value: commits.image })),
        { sync: work.isDurable },
      )
      return 1
    },
    expected: (_, count) => count,
    end() {
      commits.check((block) => database.getSync(String(block)))
    },
    close: () => database.close(),
  }
}
