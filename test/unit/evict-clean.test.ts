// `evictClean`: it frees every clean block that no guard holds, twice in a row, during a flush, and while threads read and
// write. In the ancestor, emptying twice or during a flush broke the free list.

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Partition } from 'dcache'
import { FLUSH_SLOT, MAGIC } from '#dist/shared/layout.js'
import { Header } from '#dist/shared/words.js'
import { assertSound, blockBytes, copyOf, inThread, withCache } from '../support/open.js'
import { onlyNormal } from '../support/size.js'

const fill = (partition: Partition, block: number, byte: number) =>
  partition.write(new Uint8Array(512).fill(byte), block * 512)

const emptying = suite('evictClean, repeated and concurrent')

emptying('a second call in a row frees nothing and breaks nothing', () =>
  withCache({ cached: 8 }, async ({ cache, data }) => {
    for (let block = 0; block < 8; block++) (await data.acquire(block, 'read')).release()
    assert.equal([cache.evictClean(), cache.evictClean(), cache.evictClean()], [8, 0, 0])
    assertSound(cache)
    assert.is(cache.stats().blocks.free, 8)
    // A cycle in the free list would give one frame to two blocks.
    const guards = await Promise.all(Array.from({ length: 8 }, (_, block) => data.acquire(block + 8, 'read')))
    guards.forEach((guard, i) => assert.equal(copyOf(guard.data), blockBytes(i + 8)))
    assert.is(new Set(guards.map(({ offset }) => offset)).size, 8)
    for (const guard of guards) guard.release()
  }),
)

emptying('it may be called at any moment of a flush', () =>
  withCache({ cached: 40, dirtyLimit: 1, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    let evicted = 0
    for (let round = 1; round <= 30; round++) {
      for (let block = 0; block < 30; block++) await fill(data, block, round)
      let isFlushed = false
      const flushed = cache.flush().then(() => (isFlushed = true))
      while (!isFlushed) {
        evicted += cache.evictClean()
        await new Promise(setImmediate)
      }
      await flushed
      evicted += cache.evictClean()
      assertSound(cache)
      assert.is(cache.stats().blocks.free, 40)
      for (let block = 0; block < 30; block++) assert.is(onDisk(block)[99], round)
    }
    assert.is(evicted, 900)
  }),
)

onlyNormal(emptying, 'it may be called while threads read and write', () =>
  withCache({ cached: 20, flushDelayMs: 1 }, async ({ cache }) => {
    let isOver = false
    const load = Promise.all(
      [1, 2].map((seed) =>
        inThread(cache.handle, seed, ({ client, args }) => {
          const partition = client.partition('data')
          for (let i = 0; i < 4000; i++) {
            const block = (i * 7 + args * 13) % 40
            const guard = partition.acquireSync(block, i % 3 === 0 ? 'modify' : 'read')
            if (
              new DataView(guard.bytes.buffer, guard.bytes.byteOffset + guard.offset).getUint32(0) !== block
            )
              throw new Error(`block ${block} has another's contents`)
            if (i % 3 === 0) guard.markDirty()
            guard.release()
          }
        }),
      ),
    ).finally(() => (isOver = true))
    while (!isOver) {
      cache.evictClean()
      cache.evictClean()
      await new Promise(setImmediate)
    }
    await load
    await cache.flush()
    cache.evictClean()
    assert.is(cache.stats().blocks.free, 20)
  }),
)

emptying.run()

const empty = suite('evictClean')

empty('it forgets blocks that are clean and not held, returns their number, and leaves the rest', () =>
  withCache({ policy: 'lru2', cached: 16, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    const held = await data.acquire(0, 'read')
    const alone = await data.acquire(1, 'modify')
    await data.write(new Uint8Array(512).fill(66), 2 * 512)
    for (let block = 3; block < 10; block++) (await data.acquire(block, 'read')).release()
    assert.is(cache.evictClean(), 7)
    assert.equal(cache.check(), [])
    assert.is(cache.stats().blocks.free, 13)
    assert.equal(copyOf(held.data), blockBytes(0))
    assert.equal(copyOf(alone.data), blockBytes(1))
    held.release()
    alone.release()
    assert.is(cache.evictClean(), 2)
    const dirty = data.tryAcquire(2, 'read')!
    assert.is(dirty.data[0], 66)
    dirty.release()
    await cache.flush()
    assert.is(cache.evictClean(), 1)
    assert.is(cache.stats().blocks.free, 16)
    assert.is(onDisk(2)[0], 66)
  }),
)

empty('afterwards a change made to the file by another writer is seen', () =>
  withCache({}, async ({ cache, data, paths }) => {
    ;(await data.acquire(3, 'read')).release()
    const { openSync, writeSync, closeSync } = await import('node:fs')
    const fd = openSync(paths['data']!, 'r+')
    writeSync(fd, new Uint8Array(512).fill(123), 0, 512, 3 * 512)
    closeSync(fd)
    {
      using guard = await data.acquire(3, 'read')
      assert.equal(copyOf(guard.data), blockBytes(3))
    }
    cache.evictClean()
    using guard = await data.acquire(3, 'read')
    assert.equal(copyOf(guard.data), new Uint8Array(512).fill(123))
  }),
)

empty('a thread that holds a lock for some time only delays it', () =>
  withCache({}, async ({ cache, data }) => {
    ;(await data.acquire(3, 'read')).release()
    await cache.flush()
    const words = new Int32Array(cache.handle.buffer)
    // The lock of a live thread, the flush worker, which another thread releases.
    const start = words.indexOf(MAGIC)
    const lockAt = start + Header.policyMutex
    const code = `const { parentPort, workerData: { words, lockAt } } = require('node:worker_threads')
      parentPort.on('message', () => {
        Atomics.wait(words, lockAt, Atomics.load(words, lockAt), 20)
        Atomics.store(words, lockAt, 0)
      })
      parentPort.postMessage('ready')`
    const releaser = new Worker(code, { eval: true, workerData: { words, lockAt } })
    await once(releaser, 'message')
    while (Atomics.compareExchange(words, lockAt, 0, FLUSH_SLOT + 1) !== 0);
    releaser.postMessage('release')
    assert.is(cache.evictClean(), 1)
    await releaser.terminate()
  }),
)

empty.run()
