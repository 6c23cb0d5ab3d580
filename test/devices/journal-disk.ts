// The program of a test: journals on file systems that are full, or may not be written. It runs in a child process with mounts
// of its own, so that nothing is left behind. argv[2] is an empty folder. Prints `ok` at the end.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CacheErrorCode, openCache } from 'dcache'
import * as assert from 'uvu/assert'
import { appendRecord } from '../support/journal-records.js'
import { refusal } from '../support/open.js'

const BLOCK = 4096
const BLOCKS = 64
const root = process.argv[2]!
const mount = (...options: string[]) => execFileSync('mount', options)

/** A file system of its own. */
function disk(name: string, size: string): string {
  const path = join(root, name)
  mkdirSync(path, { recursive: true })
  mount('-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path)
  return path
}

disk('.', '16m')
const data = disk('data', '512k')
const journals = disk('journals', '256k')
const path = join(journals, 'main.journal')
const file = join(data, 'a.img')
const open = (size = '128KiB', partitionPath = file) =>
  openCache({
    memory: '1MiB',
    flushDelayMs: 1e9,
    dirtyBackground: 1,
    groups: { '': { journal: { path, size } } },
    partitions: { a: { path: partitionPath, blockSize: BLOCK, size: BLOCK * BLOCKS } },
  })
const assertEmpty = (...folders: string[]) => {
  for (const folder of folders) assert.equal(readdirSync(folder), [])
}
async function refused(code: CacheErrorCode, call: () => unknown, ...texts: string[]): Promise<void> {
  await refusal(code, call, ...texts)
}

// A disk that is full when the journal is created.
await refused('ERR_DCACHE_BAD_FILE', () => open('1MiB'), 'main.journal', 'the disk is full', 'smaller size')
assertEmpty(data, journals)

// A folder in which no journal, or no mark, may be created.
mount('-o', 'remount,ro', journals)
await refused('ERR_DCACHE_READ_ONLY', open, 'main.journal')
assertEmpty(data, journals)
mount('-o', 'remount,rw', journals)
const sealed = disk('sealed', '1m')
const loose = join(root, 'loose.img')
writeFileSync(loose, '')
writeFileSync(join(sealed, 'a.img'), '')
mount('--bind', loose, join(sealed, 'a.img'))
mount('-o', 'remount,ro', sealed)
await refused(
  'ERR_DCACHE_BAD_JOURNAL',
  () => open('128KiB', join(sealed, 'a.img')),
  'a.img.dcache-journal',
  'folder that can be written',
)
assertEmpty(journals)
assert.is(statSync(loose).size, 0)

// Recovery that cannot write in place: the journal keeps its record, and another attempt succeeds.
const cache = await open()
appendRecord(cache, [['a', 5, 7]])
await cache.abandon()
writeFileSync(join(data, 'filler'), new Uint8Array(512 * 1024 - 3 * BLOCK))
try {
  for (let i = 0; ; i++) writeFileSync(join(data, `filler-${i}`), new Uint8Array(BLOCK))
} catch (error) {
  assert.is((error as NodeJS.ErrnoException).code, 'ENOSPC')
}
await refused('ERR_DCACHE_BAD_FILE', open, "partition 'a'", 'full')
assert.ok(existsSync(`${file}.dcache-journal`))
mount('-o', 'remount,ro', journals)
await refused('ERR_DCACHE_READ_ONLY', open, 'main.journal')
mount('-o', 'remount,rw', journals)
mount('-o', 'remount,size=2m', data)
const again = await open()
assert.equal(again.recovered[0]!.replayed, [{ number: 1, partitions: { a: 1 } }])
assert.is(readFileSync(file)[5 * BLOCK], 7)
await again.abandon()
console.log('ok')
