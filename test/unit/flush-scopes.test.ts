// What a cache promises as a whole: byte ranges across blocks, what a flush of a part writes, groups, and the ends of its
// life: close, abandon, dispose.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openCache } from 'dcache'
import { blockBytes, memoryFor, refusal, until, withCache, writeBlocks } from '../support/open.js'
import { tempFolder } from '../support/temp.js'

const full = (byte: number, length = 512) => new Uint8Array(length).fill(byte)

const bytes = suite('byte ranges')

bytes('across blocks, from any position, asynchronous and not', () =>
  withCache({ cached: 64 }, async ({ cache, data, onDisk }) => {
    const model = new Uint8Array(64 * 512)
    for (let block = 0; block < 64; block++) model.set(blockBytes(block), block * 512)
    const all = new Uint8Array(model.length)
    await data.read(all, 0)
    assert.equal(all, model)
    for (const [position, length] of [
      [0, 512],
      [511, 2],
      [100, 2000],
      [512, 1024],
      [1000, 0],
      [64 * 512 - 700, 700],
      [64 * 512, 0],
    ] as const) {
      const source = full(position + length, length)
      await data.write(source, position)
      model.set(source, position)
      const target = new Uint8Array(length)
      data.readSync(target, position)
      assert.equal(target, source)
      source.fill(77)
      data.writeSync(source, position)
      model.set(source, position)
    }
    await cache.flush()
    for (let block = 0; block < 64; block++)
      assert.equal(onDisk(block), model.slice(block * 512, block * 512 + 512))
  }),
)

bytes('whole blocks are not read from the disk, parts are', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data }) => {
    await data.write(full(1, 1536), 512)
    assert.is(cache.stats().diskReads, 0)
    await data.write(full(1, 1024), 5 * 512 + 256)
    assert.is(cache.stats().diskReads, 2)
  }),
)

bytes('into and out of parts of buffers, and of Node’s Buffer', () =>
  withCache({}, async ({ data }) => {
    const source = Buffer.from('0123456789')
    await data.write(source.subarray(2, 5), 510)
    const target = Buffer.alloc(7, '.')
    await data.read(target.subarray(2, 5), 510)
    assert.is(target.toString(), '..234..')
  }),
)

bytes.run()

const scopes = suite('flush of a part')

scopes('the scope is durable, and what comes before it in the order', () =>
  withCache({ cached: 40, flushDelayMs: 1e9, partitions: { a: {}, b: {} } }, async ({ cache, onDisk }) => {
    const [a, b] = [cache.partition('a'), cache.partition('b')]
    await a.write(full(1), 0, 'trailer')
    await b.write(full(2), 0, 'data')
    await cache.flush({ partition: 'a' })
    assert.is(onDisk(0, 'a')[9], 1)
    assert.is(onDisk(0, 'b')[9], 2, 'an earlier class in another partition')
    for (const scope of [{ block: 3 }, { block: 2, count: 2 }, { block: 0, count: 64 }, { count: 10 }]) {
      await a.write(full(3), 3 * 512)
      await cache.flush({ partition: 'a', ...scope })
      assert.is(onDisk(3, 'a')[9], 3)
      await a.write(full(4), 3 * 512)
    }
  }),
)

scopes('a scope in which nothing is dirty is durable already', () =>
  withCache({ cached: 40, flushDelayMs: 1e9 }, async ({ cache, data }) => {
    await data.write(full(1), 0)
    await cache.flush({ partition: 'data', block: 5, count: 5 })
    assert.ok(cache.stats().rounds <= 1)
    await cache.flush()
    assert.is(cache.stats().dirty, 0)
  }),
)

scopes('groups have rounds, limits and spares of their own', () =>
  withCache(
    {
      cached: 40,
      flushDelayMs: 1e9,
      partitions: { a: { group: 'x' }, b: { group: 'y' }, c: { group: 'x' } },
    },
    async ({ cache, onDisk }) => {
      for (const [i, name] of ['a', 'b', 'c'].entries()) await cache.partition(name).write(full(i + 1), 0)
      await cache.flush({ partition: 'a' })
      assert.equal(
        [onDisk(0, 'a')[9], onDisk(0, 'b')[9], onDisk(0, 'c')[9]],
        [1, blockBytes(0, 512, 1)[9], 3],
      )
      await until('what was released', () => cache.stats().dirty === 1)
      await cache.flush()
      assert.is(onDisk(0, 'b')[9], 2)
      assert.is(cache.stats().dirty, 0)
    },
  ),
)

scopes('a partition that is only read, beside one that is written', () =>
  withCache({ partitions: { a: { readOnly: true }, b: {} } }, async ({ cache, onDisk }) => {
    const target = new Uint8Array(1024)
    await cache.partition('a').read(target, 0)
    await cache.partition('b').write(target, 512)
    await cache.flush()
    assert.equal(onDisk(1, 'b'), blockBytes(0))
    assert.equal(onDisk(2, 'b'), blockBytes(1))
  }),
)

scopes.run()

const life = suite('the ends of a cache')

/** A file of 16 blocks, and a cache on it. */
async function opened(folder: string) {
  const path = `${folder}/data`
  writeBlocks(path, 16)
  const cache = await openCache({
    memory: memoryFor(8),
    partitions: { data: { path, blockSize: 512 } },
    flushDelayMs: 1e9,
    dirtyBackground: 1, // no round begins by itself
  })
  return { cache, data: cache.partition('data'), path }
}

life('what was changed is on the disk after close, which may be called again', async () => {
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

life('abandon writes nothing, and lists what was lost', async () => {
  using folder = tempFolder()
  const { cache, data, path } = await opened(folder.path)
  await data.write(full(5), 512, 'directory')
  await data.write(full(6), 1024, 'data')
  await data.write(full(7), 1536, 'data')
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
  assert.equal(await cache.abandon(), lost, 'asked again, it says the same')
  await cache.close()
  await using again = await openCache({
    memory: memoryFor(8),
    partitions: { data: { path, blockSize: 512 } },
  })
  assert.equal(again.check(), [])
})

life('abandon also while guards are held and calls wait', async () => {
  using folder = tempFolder()
  const { cache, data } = await opened(folder.path)
  await data.acquire(1, 'modify')
  const wait = refusal('ERR_DCACHE_CLOSED', () => data.acquire(1, 'read'))
  await until('the wait', () => cache.holders().some(({ what }) => what === 'waits'))
  assert.equal(cache.check(), [])
  assert.equal(await cache.abandon(), [])
  await wait
})

life('two caches side by side, and one after the other', async () => {
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

life('a closed cache’s memory is given back', async () => {
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
