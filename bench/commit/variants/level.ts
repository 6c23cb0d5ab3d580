/**
 * A commit of LevelDB by `classic-level`: one batch, with `sync` if it is durable. Its writes are asynchronous; a lane awaits each.
 * The process must hold the database as long as lanes do (`holdLevel`): where several threads close the last ones at the same time,
 * version 3.0 of the package aborts the process.
 */
import { ClassicLevel } from 'classic-level'
import type { Prepare } from '../../harness/task.js'
import { Commits, type CommitWork } from './commit-work.js'

const openLevel = async (path: string) => {
  const database = new ClassicLevel<string, Uint8Array>(path, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    multithreading: true,
    compression: false,
  })
  await database.open()
  return database
}

/** Opens the database, before any lane does. Resolves to what closes it, when no lane has it any more. */
export async function holdLevel(path: string): Promise<() => Promise<void>> {
  const database = await openLevel(path)
  return () => database.close()
}

export const prepare: Prepare<{ readonly work: CommitWork }> = async ({ work }, { lane }) => {
  const database = await openLevel(work.path)
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
  }
}
