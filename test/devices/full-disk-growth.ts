// The program of a test: partitions that grow on a file system that is full. It runs in a child process with mounts of its own,
// so that nothing is left behind. argv[2] is an empty folder. Prints `ok` at the end.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CacheError, openCache } from 'dcache'
import * as assert from 'uvu/assert'

const BLOCK = 4096
/** 1 MiB. */
const FITS = 256
const folder = process.argv[2]!
const mount = (...options: string[]) => execFileSync('mount', ['-o', ...options, folder])
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=3', 'tmpfs', folder])
const pathOf = (name: string) => join(folder, name)
const cache = await openCache({
  memory: '8MiB',
  flushDelayMs: 3_600_000,
  partitions: { grown: { path: pathOf('grown'), blockSize: BLOCK, size: BLOCK } },
})
const grown = cache.partition('grown')

async function failureOf(work: Promise<unknown>, code: string, cause: string): Promise<CacheError> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error as CacheError,
  )
  assert.is(error?.code, code)
  assert.is((error?.cause as NodeJS.ErrnoException).code, cause)
  return error!
}

const byteOf = (block: number) => (block % 250) + 1
async function write(from: number, to: number): Promise<void> {
  for (let block = from; block < to; block++)
    await grown.write(new Uint8Array(BLOCK).fill(byteOf(block)), block * BLOCK)
}

async function assertReadable(count: number): Promise<void> {
  const target = new Uint8Array(BLOCK)
  for (let block = 0; block < count; block++) {
    await grown.read(target, block * BLOCK)
    assert.ok(
      target.every((byte) => byte === byteOf(block)),
      `block ${block}`,
    )
  }
}

function assertOnDisk(count: number): void {
  const bytes = readFileSync(pathOf('grown'))
  for (let block = 0; block < count; block++) assert.is(bytes[block * BLOCK + 7], byteOf(block), `${block}`)
}

// Growth gives the file its size, and no space: that is needed when the blocks are written.
await grown.resize(2 * FITS)
assert.is(statSync(pathOf('grown')).size, 2 * FITS * BLOCK)
await write(0, 2 * FITS)
await failureOf(cache.flush(), 'ERR_DCACHE_FENCED', 'ENOSPC')
await failureOf(cache.retry('grown'), 'ERR_DCACHE_FENCED', 'ENOSPC')
await failureOf(cache.dropPartition('grown'), 'ERR_DCACHE_FENCED', 'ENOSPC')
await assertReadable(2 * FITS)
assert.is(cache.partition('grown').blocks, 2 * FITS)
assert.equal(cache.check(), [])

// It grows on while it is fenced, and can be read there; and more space heals it.
assert.is(await grown.extend(FITS), 2 * FITS)
assert.is(statSync(pathOf('grown')).size, 3 * FITS * BLOCK)
await grown.read(new Uint8Array(BLOCK), (3 * FITS - 1) * BLOCK)
mount('remount,size=2m')
await cache.retry('grown')
assert.is(cache.stats().dirty, 0)
assertOnDisk(2 * FITS)

// Or less to write: blocks beyond a smaller size are forgotten.
await write(2 * FITS, 3 * FITS)
await failureOf(cache.flush(), 'ERR_DCACHE_FENCED', 'ENOSPC')
await grown.resize(2 * FITS)
await cache.retry('grown')
await write(0, 8)
await cache.flush()
await assertReadable(2 * FITS)
assert.equal(cache.check(), [])

// No space for another file: nothing is left of it. The cache goes on, and with space the same call succeeds.
writeFileSync(pathOf('filler'), '')
const add = () => cache.addPartition('more', { path: pathOf('more'), blockSize: BLOCK, size: 8 * BLOCK })
const error = await failureOf(add(), 'ERR_DCACHE_BAD_FILE', 'ENOSPC')
assert.match(error.message, /'more'.*the disk is full.*free space/)
assert.not(existsSync(pathOf('more')))
assert.throws(() => cache.partition('more'), /more/)
await assertReadable(2 * FITS)
unlinkSync(pathOf('filler'))
assert.is((await add()).blocks, 8)
await failureOf(
  (async () => {
    await cache.partition('more').write(new Uint8Array(BLOCK), 0)
    await cache.flush()
  })(),
  'ERR_DCACHE_FENCED',
  'ENOSPC',
)
// Without a flush it can be dropped, and what was not durable of it is no obstacle any more.
await cache.dropPartition('more', { flush: false })
await cache.flush()
assert.is(cache.stats().dirty, 0)
assert.equal(cache.check(), [])
await cache.close()
console.log('ok')
