// The program of a test: a cache on a file system that fills up. It runs in a child process with mounts of its own, so that
// nothing is left behind. argv[2] is an empty folder. Prints `ok` at the end.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CacheError, openCache } from 'dcache'
import * as assert from 'uvu/assert'

const BLOCK = 4096
const BLOCKS = 512
const folder = process.argv[2]!
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder])
const path = join(folder, 'full.bin')
const cache = await openCache({
  memory: '8MiB',
  flushDelayMs: 3_600_000,
  partitions: { full: { path, blockSize: BLOCK, size: BLOCK * BLOCKS } },
})
const events: string[] = []
cache.on('fenced', ({ partition, writeClass, error }) => {
  events.push(`fenced ${partition} ${writeClass} ${(error as NodeJS.ErrnoException).code}`)
})
cache.on('restored', ({ partition }) => {
  events.push(`restored ${partition}`)
})
const full = cache.partition('full')
const byteOf = (block: number) => (block % 250) + 1
for (let block = 0; block < BLOCKS; block++)
  await full.write(new Uint8Array(BLOCK).fill(byteOf(block)), block * BLOCK)

async function failureOf(work: Promise<unknown>): Promise<CacheError> {
  try {
    await work
  } catch (error) {
    return error as CacheError
  }
  throw new Error('nothing failed')
}

for (const work of [
  () => cache.flush(),
  () => cache.flush({ partition: 'full' }),
  () => cache.retry('full'),
]) {
  const error = await failureOf(work())
  assert.is(error.code, 'ERR_DCACHE_FENCED')
  assert.is((error.cause as NodeJS.ErrnoException).code, 'ENOSPC')
  assert.match(error.message, "'full'")
  assert.match(error.message, "'data'")
}
const target = new Uint8Array(BLOCK)
for (let block = 0; block < BLOCKS; block++) {
  await full.read(target, block * BLOCK)
  assert.ok(
    target.every((byte) => byte === byteOf(block)),
    `block ${block} is still in memory`,
  )
}
assert.equal(cache.check(), [])

execFileSync('mount', ['-o', 'remount,size=16m', folder])
await cache.retry('full')
assert.is(cache.stats().dirty, 0)
const bytes = readFileSync(path)
for (let block = 0; block < BLOCKS; block++)
  assert.is(bytes[block * BLOCK + 7], byteOf(block), `block ${block} is on disk`)
while (events.at(-1) !== 'restored full') await new Promise((resolve) => setTimeout(resolve, 5))
assert.ok(events.includes('fenced full data ENOSPC'))
assert.equal(cache.check(), [])
await cache.close()
console.log('ok')
