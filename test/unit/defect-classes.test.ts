// Defect 11 of the ancestor: a class out of range aborted the process in the flush proc; marking a dirty block with another
// class failed an assertion. Here an unknown class is refused, and a second class keeps the order promise: what was
// marked first, and what depends on it, are durable in the order of their classes and of their changes.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Partition } from 'dcache'
import { refusalNow, withCache } from '../support/open.js'

const fill = (partition: Partition, block: number, byte: number, writeClass: string) =>
  partition.write(new Uint8Array(512).fill(byte), block * 512, writeClass)

test('a class that does not exist never gets to the flush worker', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    {
      using guard = await data.acquire(0, 'modify')
      for (const name of ['DATA', 'data ', '3', '-1']) {
        refusalNow('ERR_DCACHE_UNKNOWN_CLASS', () => guard.markDirty(name), name)
      }
      guard.data.fill(9)
      guard.markDirty('data')
    }
    await cache.flush()
    assert.is(onDisk(0)[0], 9)
  }))

for (const [first, second] of [
  ['data', 'trailer'],
  ['trailer', 'data'],
  ['directory', 'trailer'],
] as const) {
  test(`a dirty block of class ${first} gets class ${second}`, () =>
    withCache({ flushDelayMs: 1e9, traceEntries: 256 }, async ({ cache, data, onDisk }) => {
      // 1 before the class changes, 2 after it; each depends on what was changed before it.
      await fill(data, 0, 1, first)
      await fill(data, 1, 1, 'directory')
      await fill(data, 0, 2, second)
      await fill(data, 2, 2, 'data')
      await cache.flush()
      assert.is(onDisk(0)[0], 2)
      assert.is(onDisk(1)[0], 1)
      assert.is(onDisk(2)[0], 2)
      // No cut spans the change: both images of block 0 are written, in rounds of their own.
      const work = cache.trace().filter(({ point }) => point.startsWith('work.'))
      const cuts = work.filter(({ point }) => point === 'work.cut')
      assert.is(cuts.length, 2)
      const firstEnd = work.findIndex(({ point }) => point === 'work.done')
      const written = (records: typeof work) =>
        records.filter(({ point }) => point === 'work.write').map(({ block }) => block) // prettier-ignore
      assert.equal(written(work.slice(0, firstEnd)).sort(), [0, 1])
      assert.equal(written(work.slice(firstEnd)).sort(), [0, 2])
    }))
}

test('the class goes back and forth, with rounds beside', () =>
  withCache({ cached: 20, flushDelayMs: 1 }, async ({ cache, data, onDisk }) => {
    const classes = ['data', 'directory', 'trailer']
    for (let i = 1; i <= 300; i++) {
      await fill(data, 0, i & 255, classes[i % 3]!)
      await fill(data, 1 + (i % 5), i & 255, classes[(i >> 1) % 3]!)
      if (i % 50 === 0) assert.equal(cache.check(), [])
    }
    await cache.flush()
    assert.is(onDisk(0)[0], 300 & 255)
    const { free, total } = cache.stats().spares
    assert.is(free, total, 'every image was given back')
  }))

test('guards mark one class after the other before one release', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await fill(data, 0, 1, 'trailer')
    {
      using guard = await data.acquire(0, 'modify')
      guard.markDirty('data')
      guard.data.fill(2)
      guard.markDirty('trailer')
    }
    await cache.flush()
    assert.is(onDisk(0)[0], 2)
    assert.is(cache.stats().rounds, 1, 'the class is what it was: one round is enough')
  }))

test.run()
