// The program of a test: a cache on a disk that really fails. The disk is a file that nbdfuse makes of an nbdkit export,
// which fails with EIO while a switch file exists, and is always slow. argv: the disk, the switch. Prints `ok`.

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type CacheError, openCache } from 'dcache'
import * as assert from 'uvu/assert'

const BLOCK = 4096
const [disk, fault] = [process.argv[2]!, process.argv[3]!]
const cache = await openCache({
  memory: '4MiB',
  flushDelayMs: 3_600_000,
  partitions: { disk: { path: disk, blockSize: BLOCK } },
})
const part = cache.partition('disk')
const blocks = 64
const change = async (byte: number, writeClass: string) => {
  for (let block = 0; block < blocks; block++)
    await part.write(new Uint8Array(BLOCK).fill(byte), block * BLOCK, writeClass)
}
await change(1, 'data')
await cache.flush()

writeFileSync(fault, '')
await change(2, 'directory')
let failure: CacheError | undefined
await cache.flush().catch((error: unknown) => (failure = error as CacheError))
assert.is(failure?.code, 'ERR_DCACHE_FENCED')
assert.is((failure?.cause as NodeJS.ErrnoException).code, 'EIO')
assert.match(failure?.message ?? '', "'directory'")
assert.is(cache.stats().dirty, blocks)
const target = new Uint8Array(BLOCK)
await part.read(target, 5 * BLOCK)
assert.is(target[0], 2)
// A block that is not cached cannot be read now: the call fails, and nothing is cached.
await part.acquire(200, 'read').then(
  () => assert.unreachable('the disk fails'),
  (error: unknown) => assert.is((error as NodeJS.ErrnoException).code, 'ERR_DCACHE_READ_FAILED'),
)

rmSync(fault)
await cache.retry('disk')
assert.is(cache.stats().dirty, 0)
;(await part.acquire(200, 'read')).release()
const bytes = readFileSync(disk)
for (let block = 0; block < blocks; block++)
  assert.is(bytes[block * BLOCK + 9], 2, `block ${block} is on disk`)
assert.equal(cache.check(), [])
await cache.close()
console.log('ok')
