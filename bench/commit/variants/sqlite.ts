/**
 * A commit of SQLite, as Node has it: one transaction in WAL mode, with synchronous=FULL if it is durable and OFF if not. A row has
 * one value, and a page of 8 KiB one row, so a commit writes a page for each block.
 */
import type { Prepare } from '../../harness/task.js'
import { Commits, type CommitWork } from './commit-work.js'

/** What is used of `node:sqlite`, which the types of the oldest supported Node.js do not have. */
interface Sqlite {
  readonly DatabaseSync: new (path: string) => {
    exec(sql: string): void
    prepare(sql: string): {
      run(...values: (number | Uint8Array)[]): unknown
      get(...values: number[]): { readonly value: Uint8Array } | undefined
    }
  }
}

const MODULE = 'node:sqlite'

/** Undefined if this Node.js does not have it. */
export async function importSqlite(): Promise<Sqlite | undefined> {
  try {
    return (await import(MODULE)) as Sqlite
  } catch {
    return undefined
  }
}

/** Creates the database, before any lane opens it. */
export async function createDatabase(path: string): Promise<void> {
  const { DatabaseSync } = (await importSqlite())!
  new DatabaseSync(path).exec(
    'PRAGMA page_size=8192; PRAGMA journal_mode=WAL; CREATE TABLE blocks (id INTEGER PRIMARY KEY, value BLOB)',
  )
}

export const prepare: Prepare<{ readonly work: CommitWork }> = async ({ work }, { lane }) => {
  const { DatabaseSync } = (await importSqlite())!
  const database = new DatabaseSync(work.path)
  database.exec(`PRAGMA busy_timeout=60000; PRAGMA synchronous=${work.isDurable ? 'FULL' : 'OFF'}`)
  const put = database.prepare('INSERT OR REPLACE INTO blocks (id, value) VALUES (?, ?)')
  const get = database.prepare('SELECT value FROM blocks WHERE id = ?')
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')
  const commits = new Commits(work, lane)
  return {
    batch: 1,
    run() {
      commits.next()
      begin.run()
      for (const block of commits.blocks) put.run(block, commits.image)
      commit.run()
      return 1
    },
    expected: (_, count) => count,
    end() {
      commits.check((block) => get.get(block)?.value)
    },
  }
}
