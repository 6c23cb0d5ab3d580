// @deadline 400
// The VFS of examples/sqlite: transactions that are too large, that fail, and that make the file smaller.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BlockCache } from 'dcache'
import { projectRoot } from '../support/project.js'
import { tempFolder } from '../support/temp.js'
import { inThreads } from '../support/threads.js'

const THREADS = import.meta.resolve('./workers/example-sqlite.js')
const { openDatabase } = (await import(
  pathToFileURL(join(projectRoot, 'examples/sqlite/database.mjs')).href
)) as { openDatabase: (folder: string) => Promise<{ cache: BlockCache; access: unknown }> }

async function run(name: string): Promise<void> {
  using folder = tempFolder()
  const { cache, access } = await openDatabase(folder.path)
  const buffer = new SharedArrayBuffer(4)
  await inThreads(THREADS, name, { threads: 1, buffer, args: access, deadlineMs: 180_000 })
  assert.equal(cache.check(), [])
  await cache.close()
}

test('a transaction that changes too many pages is refused whole, and the connection continues', () =>
  run('tooLarge'))

test('rollbacks, savepoints, VACUUM and other modes', () => run('otherWays'))

test.run()
