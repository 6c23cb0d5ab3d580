// A partition of more than 2^32 blocks: a sparse file of 4 TiB in blocks of 512 bytes. Block numbers that differ only above
// bit 31 name different blocks.

import { closeSync, openSync, readSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CacheError } from 'dcache'
import { openCache } from 'dcache'
import { canRun } from '../support/left-out.js'
import { inThread } from '../support/open.js'
import { tempFolder, type TempFolder } from '../support/temp.js'

const BLOCK = 512
const BLOCKS = 2 ** 33
const LAST = BLOCKS - 1
/** Block numbers in pairs with the same lower 32 bits, and the last block. */
const USED = [0, 2 ** 32, 5, 2 ** 32 + 5, 2 ** 32 - 1, LAST]

/** A sparse file of that size, if the file system supports it. */
function sparseFile(folder: TempFolder): string | undefined {
  const path = join(folder.path, 'data')
  writeFileSync(path, '')
  try {
    truncateSync(path, BLOCKS * BLOCK)
    return path
  } catch {
    return undefined
  }
}

test('blocks up to the last of 4 TiB are written, read again, and in the file', async () => {
  using folder = tempFolder()
  const path = sparseFile(folder)
  if (!canRun('a file of 2^33 blocks', { 'a sparse file of 4 TiB': path !== undefined })) return
  const cache = await openCache({
    memory: 64 * BLOCK,
    partitions: { data: { path: path!, blockSize: BLOCK } },
    flushDelayMs: 1e9,
  })
  try {
    const data = cache.partition('data')
    assert.is(data.blocks, BLOCKS)
    for (const [i, block] of USED.entries()) {
      using guard = await data.acquire(block, 'overwrite')
      guard.data.fill(i + 1)
      guard.markDirty()
      assert.is(guard.block, block)
    }
    const error = await data.acquire(BLOCKS, 'read').catch((thrown: unknown) => thrown)
    assert.is((error as CacheError).code, 'ERR_DCACHE_OUT_OF_RANGE')
    await cache.flush({ partition: 'data', block: LAST })
    await cache.flush()
    assert.is(cache.stats().dirty, 0)
    cache.evictClean()
    assert.is(data.tryAcquire(LAST, 'read'), undefined, 'not cached any more')
    await inThread(cache.handle, USED, ({ client, args }) => {
      const partition = client.partition('data')
      for (const [i, block] of args.entries()) {
        const bytes = new Uint8Array(4)
        partition.readSync(bytes, block * 512 + 508)
        if (bytes[3] !== i + 1) throw new Error(`block ${block} has ${bytes[3]}`)
      }
      // Across block 2^32, and up to the end.
      partition.writeSync(new Uint8Array(512).fill(77), 2 ** 32 * 512 - 256)
      partition.writeSync(new Uint8Array(10).fill(78), partition.blocks * 512 - 10)
    })
    data.forget(LAST - 3, 2)
    assert.equal(cache.check(), [])
  } finally {
    await cache.close()
  }
  const fd = openSync(path!, 'r')
  const bytes = new Uint8Array(BLOCK)
  const at = (block: number): number[] => {
    readSync(fd, bytes, 0, BLOCK, block * BLOCK)
    return [bytes[0]!, bytes[255]!, bytes[256]!, bytes[BLOCK - 1]!]
  }
  assert.equal(USED.map(at), [
    [1, 1, 1, 1],
    [77, 77, 2, 2],
    [3, 3, 3, 3],
    [4, 4, 4, 4],
    [5, 5, 77, 77],
    [6, 6, 6, 78],
  ])
  closeSync(fd)
  assert.is(statSync(path!).size, BLOCKS * BLOCK)
})

test.run()
