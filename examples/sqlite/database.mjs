// Opening a database: by the owner once for the process, and a connection in each thread.

import { attachCache, openCache } from 'dcache'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openFile, PAGE } from './file.mjs'
import { FileLock, newLock } from './lock.mjs'
import { capi, sqlite3 } from './sqlite.mjs'
import { installVfs, VFS } from './vfs.mjs'

const GROUP = 'database'
const BUSY_MS = 30_000

/** Opens the files in a folder, or creates them. Returns the owner's cache, and what `connect` needs in other threads. */
export async function openDatabase(folder) {
  mkdirSync(folder, { recursive: true })
  const cache = await openCache({
    memory: '32MiB',
    groups: { [GROUP]: { journal: { path: join(folder, 'journal'), size: '16MiB' } } },
    partitions: {
      pages: { path: join(folder, 'pages'), blockSize: PAGE, size: '512MiB', group: GROUP },
    },
  })
  return { cache, access: { handle: cache.handle, lock: newLock() } }
}

/** The only connection of this thread, which must not be the owner's: SQLite waits for blocks and locks. */
export function connect({ handle, lock: buffer }, name) {
  const client = attachCache(handle, { name })
  const lock = new FileLock(buffer)
  let failure
  installVfs(openFile(client, client.partition('pages')), lock, (error) => (failure = error))
  const db = new sqlite3.oo1.DB({ filename: 'database', flags: 'c', vfs: VFS })
  capi.sqlite3_busy_handler(db, () => (lock.waitForRelease(BUSY_MS) ? 1 : 0), 0)
  db.exec('PRAGMA journal_mode = MEMORY')

  /**
   * Runs a function as one transaction, durable when this returns. If the function or SQLite fails, nothing of it has
   * happened. The flush comes after COMMIT, when other threads have the lock again: one sync makes the transactions of
   * several threads durable. If the flush fails, the transaction has happened, and is not durable.
   */
  function transaction(fn) {
    const result = commit(fn)
    client.flushSync({ group: GROUP })
    return result
  }

  function commit(fn) {
    failure = undefined
    try {
      db.exec('BEGIN IMMEDIATE')
      const result = fn(db)
      db.exec('COMMIT')
      return result
    } catch (error) {
      if (!capi.sqlite3_get_autocommit(db)) db.exec('ROLLBACK')
      error.cause ??= failure
      throw error
    }
  }

  function close() {
    db.close()
    client.detach()
  }

  return { db, transaction, close }
}
