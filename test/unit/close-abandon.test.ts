// The ways a cache ends: `close` writes every change, `abandon` writes none and reports what is lost, `await using` closes.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openCache } from 'dcache'
import { blockBytes, memoryFor, refusal, settled, until, writeBlocks } from '../support/open.js'
import { tempFolder } from '../support/temp.js'
import { onlyNormal } from '../support/size.js'

const full = (byte: number) => new Uint8Array(512).fill(byte)

const life = suite('close and abandon')

/** A file of 16 blocks, and a cache on it. */
async function opened(folder: string) {
  const path = `${folder}/data`
  writeBlocks(path, 16)
  const cache = await openCache({
    memory: memoryFor(8),
    partitions: { data: { path, blockSize: 512 } },
    flushDelayMs: 1e9,
    dirtyBackground: 1, // no round starts automatically
  })
  return { cache, data: cache.partition('data'), path }
}

life('all changes are on the disk after close, which may be called again', async () => {
  using folder = tempFolder()
  const { cache, data, path } = await opened(folder.path)
  await data.write(full(5), 512)
  assert.equal(cache.check(), [])
  const [first, second] = [cache.close(), cache.close()]
  await Promise.all([first, second])
  await cache.close()
  assert.equal(new Uint8Array(readFileSync(path).subarray(512, 1024)), full(5))
  assert.equal(await cache.abandon(), [])
})

life('`await using` closes', async () => {
  using folder = tempFolder()
  const { cache: made, data, path } = await opened(folder.path)
  {
    await using cache = made
    await data.write(full(6), 0)
    assert.equal(cache.check(), [])
  }
  assert.equal(new Uint8Array(readFileSync(path).subarray(0, 512)), full(6))
})

life('abandon writes nothing and lists the blocks whose changes are lost', async () => {
  using folder = tempFolder()
  const { cache, data, path } = await opened(folder.path)
  await data.write(full(5), 512, 'directory')
  await data.write(full(6), 1024, 'data')
  await data.write(full(7), 1536, 'data')
  await settled(cache)
  data.forget(3, 1)
  assert.equal(cache.check(), [])
  const lost = await cache.abandon()
  assert.equal(
    lost.sort((a, b) => a.block - b.block),
    [
      { partition: 'data', block: 1, writeClass: 'directory' },
      { partition: 'data', block: 2, writeClass: 'data' },
    ],
  )
  assert.equal(new Uint8Array(readFileSync(path).subarray(512, 1024)), blockBytes(1))
  assert.equal(await cache.abandon(), lost, 'a second call returns the same list')
  await cache.close()
  await using again = await openCache({
    memory: memoryFor(8),
    partitions: { data: { path, blockSize: 512 } },
  })
  assert.equal(again.check(), [])
})

life('abandon works while guards are held and calls wait', async () => {
  using folder = tempFolder()
  const { cache, data } = await opened(folder.path)
  await data.acquire(1, 'modify')
  const wait = refusal('ERR_DCACHE_CLOSED', () => data.acquire(1, 'read'))
  await until('the wait', () => cache.holders().some(({ what }) => what === 'waits'))
  assert.equal(cache.check(), [])
  assert.equal(await cache.abandon(), [])
  await wait
})

onlyNormal(life, 'two caches may be open at a time, and a file may be opened again after close', async () => {
  using one = tempFolder()
  using two = tempFolder()
  for (let i = 0; i < 3; i++) {
    const [a, b] = [await opened(one.path), await opened(two.path)]
    await Promise.all([a.data.write(full(1), 0), b.data.write(full(2), 0)])
    assert.equal([a.cache.check(), b.cache.check()], [[], []])
    await Promise.all([a.cache.close(), b.cache.close()])
    assert.is(readFileSync(a.path)[9], 1)
    assert.is(readFileSync(b.path)[9], 2)
  }
})

life('the memory of a closed cache can be garbage-collected', async () => {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  using folder = tempFolder()
  const open = async () => {
    const { cache } = await opened(folder.path)
    const buffer = new WeakRef(cache.handle.buffer)
    assert.equal(cache.check(), [])
    await cache.close()
    return buffer
  }
  const buffer = await open()
  await until('the buffer to be collected', () => {
    collect()
    return buffer.deref() === undefined
  })
})

life.run()
