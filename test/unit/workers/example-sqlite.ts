// The thread of example-sqlite.test.ts: SQLite blocks its thread.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as assert from 'uvu/assert'
import { projectRoot } from '../../support/project.js'
import type { Thread } from '../../support/threads.js'

interface Database {
  exec(sql: string): void
  selectValue(sql: string): unknown
}
interface Connection {
  readonly db: Database
  transaction(fn: (db: Database) => void): void
  close(): void
}

const { connect } = (await import(pathToFileURL(join(projectRoot, 'examples/sqlite/database.mjs')).href)) as {
  connect: (access: unknown, name: string) => Connection
}

/** Rows of which each takes a page. */
const insert = (count: number): string =>
  `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
   INSERT INTO wide SELECT NULL, hex(zeroblob(3500)) FROM n`

function assertFull(connection: Connection, change: string): void {
  try {
    connection.transaction((db) => db.exec(change))
  } catch (error) {
    assert.match(String(error), 'SQLITE_FULL')
    return
  }
  assert.unreachable('the transaction is too large')
}

/** Transactions that change too many pages: by growing the file, and in place. */
export function tooLarge({ args }: Thread): void {
  const connection = connect(args, 'large')
  const { db } = connection
  const rows = (): unknown => db.selectValue('SELECT count(*) FROM wide')
  const check = (): void => assert.is(db.selectValue('PRAGMA integrity_check'), 'ok')
  connection.transaction(() => db.exec('CREATE TABLE wide (id INTEGER PRIMARY KEY, text TEXT)'))
  const bytes = db.selectValue('PRAGMA page_count')
  assertFull(connection, insert(400))
  assert.is(rows(), 0)
  assert.is(db.selectValue('PRAGMA page_count'), bytes)
  for (let i = 1; i <= 4; i++) {
    connection.transaction(() => db.exec(insert(100)))
    assert.is(rows(), i * 100)
  }
  assertFull(connection, "UPDATE wide SET text = replace(text, '0', '1')")
  assert.is(db.selectValue("SELECT count(*) FROM wide WHERE text LIKE '%1%'"), 0)
  check()
  connection.transaction(() => db.exec("UPDATE wide SET text = 'short' WHERE id % 5 = 0"))
  assert.is(db.selectValue("SELECT count(*) FROM wide WHERE text = 'short'"), 80)
  check()
  connection.close()
}

/** A transaction that fails, savepoints, a file that gets smaller, and a journal mode that is not supported. */
export function otherWays({ args }: Thread): void {
  const connection = connect(args, 'other')
  const { db } = connection
  const sum = (): unknown => db.selectValue('SELECT sum(n) FROM t')
  connection.transaction(() => db.exec('CREATE TABLE t (n INTEGER, text TEXT)'))
  connection.transaction(() => db.exec('INSERT INTO t VALUES (1, NULL)'))
  assert.throws(
    () =>
      connection.transaction(() => {
        db.exec('INSERT INTO t VALUES (2, hex(zeroblob(40000)))')
        throw new Error('no')
      }),
    /^no$/,
  )
  assert.is(sum(), 1)
  connection.transaction(() =>
    db.exec('INSERT INTO t VALUES (4, NULL); SAVEPOINT s; INSERT INTO t VALUES (8, NULL); ROLLBACK TO s'),
  )
  assert.is(sum(), 5)
  connection.transaction(() => db.exec('INSERT INTO t VALUES (16, hex(zeroblob(200000)))'))
  connection.transaction(() => db.exec('DELETE FROM t WHERE n = 16'))
  const pages = db.selectValue('PRAGMA page_count') as number
  db.exec('VACUUM')
  assert.ok((db.selectValue('PRAGMA page_count') as number) < pages)
  db.exec('PRAGMA synchronous = OFF; INSERT INTO t VALUES (32, NULL); PRAGMA synchronous = FULL')
  assert.is(sum(), 37)
  db.exec('PRAGMA journal_mode = DELETE')
  assert.throws(() => db.exec('INSERT INTO t VALUES (64, NULL)'), /SQLITE_CANTOPEN/)
  assert.is(sum(), 37)
  assert.is(db.selectValue('PRAGMA integrity_check'), 'ok')
  connection.close()
}
