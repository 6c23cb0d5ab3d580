// A flush of a partition or of a range of blocks, and groups, which have rounds, limits and spares of their own.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { blockBytes, until, withCache } from '../support/open.js'

const full = (byte: number, length = 512) => new Uint8Array(length).fill(byte)

const scopes = suite('flush of a scope')

scopes('the scope becomes durable, and all changes that precede it in the write order', () =>
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

scopes('a scope without dirty blocks is durable already', () =>
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
      await until('the releases to be processed', () => cache.stats().dirty === 1)
      await cache.flush()
      assert.is(onDisk(0, 'b')[9], 2)
      assert.is(cache.stats().dirty, 0)
    },
  ),
)

scopes('a read-only partition works next to one that is written', () =>
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
