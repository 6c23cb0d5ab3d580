// A dirty block that is marked with another class: the order promise holds, and the thread that changes the class pays. A
// release with another class asks for no round. The next change of that block waits for one, so a block keeps at most one
// older image and cannot use up the spares of other threads.

import { InlineEngine } from '../support/inline-engine.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { makeCut } from '#dist/core/write-back/cut.js'
import { MemoryDevice } from '../support/memory-device.js'
import type { Partition } from 'dcache'
import { refusalNow, withCache } from '../support/open.js'
import { Group } from '#dist/shared/words.js'

const SIZE = 512

function engineOf(blocks = 64) {
  const device = new MemoryDevice(blocks * SIZE)
  const engine = new InlineEngine({ blocks, partitions: { a: { device, blockSize: SIZE } } })
  const saved = () => {
    const { free, total } = engine.client.stats().spares
    return total - free
  }
  const word = (name: 'want' | 'done' | 'bound' | 'epoch' | 'failures') =>
    engine.arena.words[engine.arena.groupAt(0) + Group[name]]!
  return { engine, device, saved, word, a: engine.client.partition('a') }
}

function change(a: Partition, block: number, byte: number, writeClass: string): void {
  const guard = a.acquireSync(block, 'overwrite')
  guard.data.fill(byte)
  guard.markDirty(writeClass)
  guard.release()
}

test('a change of class asks for no round', () => {
  const { engine, saved, word, a } = engineOf()
  change(a, 0, 1, 'trailer')
  change(a, 0, 2, 'data')
  assert.is(word('want'), word('done'))
  engine.settle()
  assert.equal([engine.client.stats().rounds, saved()], [0, 1])
})

test('a block keeps one older image, however often its class changes', () => {
  const { engine, device, saved, a } = engineOf()
  for (let i = 1; i <= 50; i++) {
    change(a, 0, i, i % 2 === 0 ? 'data' : 'trailer')
    assert.ok(saved() <= 1)
  }
  engine.client.flushSync()
  assert.is(device.durable[0], 50)
  assert.is(saved(), 0)
  assert.equal(engine.checkQuiet(), [])
})

test('the next change waits for a round, with the same class and asynchronously too', async () => {
  const { engine, device, a } = engineOf()
  const other = engine.attach().partition('a')
  change(a, 0, 1, 'trailer')
  change(a, 1, 1, 'trailer')
  change(a, 0, 2, 'data')
  const acquiring = other.acquire(0, 'modify')
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(device.durable[0], 0)
  engine.settle()
  const guard = await acquiring
  assert.is(device.durable[0], 1)
  assert.is(engine.client.stats().rounds, 1)
  guard.release()
  assert.ok(engine.client.stats().waits.spare > 0)
  assert.equal(engine.checkQuiet(), [])
})

test('when many blocks change class once, a round is requested before a flush needs too many', () => {
  const { engine, word, a } = engineOf(256)
  for (let block = 0; block < 7; block++) {
    change(a, block, 1, 'data')
    change(a, block, 2, 'trailer')
    assert.is(word('want'), word('done'))
  }
  change(a, 7, 1, 'data')
  change(a, 7, 2, 'trailer')
  assert.is(word('want'), word('bound'))
  engine.settle()
  assert.is(engine.client.stats().rounds, 8)
  assert.equal(engine.checkQuiet(), [])
})

test('other blocks and readers do not wait', () => {
  const { engine, a } = engineOf()
  change(a, 0, 1, 'trailer')
  change(a, 1, 1, 'trailer')
  change(a, 0, 2, 'data')
  change(a, 1, 2, 'trailer')
  a.acquireSync(0, 'read').release()
  assert.is(engine.client.stats().rounds, 0)
})

test('tryAcquire returns no guard and asks for the round', () => {
  const { engine, a } = engineOf()
  change(a, 0, 1, 'trailer')
  change(a, 0, 2, 'data')
  assert.is(a.tryAcquire(0, 'modify'), undefined)
  assert.is(engine.context.slot.guards, 0)
  engine.settle()
  const guard = a.tryAcquire(0, 'modify')
  assert.ok(guard !== undefined)
  guard.release()
})

test('a Sync call in a thread that may not block succeeds while spares are left', () => {
  const { engine, saved, a } = engineOf()
  Object.assign(engine.context, { mayBlock: false })
  const total = engine.imagesMax
  for (let i = 0; i <= total; i++) change(a, 0, i, i % 2 === 0 ? 'data' : 'trailer')
  assert.is(saved(), total)
  refusalNow('ERR_DCACHE_WOULD_BLOCK', () => a.acquireSync(0, 'modify'))
  engine.settle()
  change(a, 0, 9, 'data')
  engine.settle()
  assert.equal(engine.checkQuiet(), [])
})

test('behind a fence a change does not wait for a round, and fails when no spare is left', () => {
  const { engine, device, saved, a } = engineOf()
  device.before = (call) => {
    if (call.kind === 'sync') throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO', errno: -5 })
  }
  change(a, 0, 1, 'trailer')
  refusalNow('ERR_DCACHE_FENCED', () => {
    engine.client.flushSync()
  })
  const total = engine.imagesMax
  for (let i = 0; i < total; i++) change(a, 0, i, i % 2 === 0 ? 'data' : 'trailer')
  assert.is(saved(), total)
  refusalNow('ERR_DCACHE_FENCED', () => a.acquireSync(0, 'modify'))
  device.before = undefined
  engine.retry('a')
  engine.client.flushSync()
  assert.is(device.durable[0], total - 1)
  assert.equal(engine.checkQuiet(), [])
})

test('a round that fails ends the wait of a change', () => {
  const { engine, device, word, a } = engineOf()
  change(a, 0, 1, 'trailer')
  change(a, 0, 2, 'data')
  device.before = () => {
    throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO', errno: -5 })
  }
  change(a, 0, 3, 'data')
  assert.is(word('failures'), 1)
  device.before = undefined
  engine.retry('a')
  engine.client.flushSync()
  assert.is(device.durable[0], 3)
  assert.equal(engine.checkQuiet(), [])
})

test('a round that is due requests another for the changes outside its cut', () => {
  for (const isDue of [true, false]) {
    const { engine, word, a } = engineOf()
    change(a, 0, 1, 'trailer')
    change(a, 0, 2, 'data')
    const { number } = makeCut(engine.context, 0, isDue)!
    assert.is(number, word('bound'))
    assert.is(word('want'), isDue ? word('epoch') : word('done'))
  }
})

const fill = (partition: Partition, block: number, byte: number, writeClass: string) =>
  partition.write(new Uint8Array(512).fill(byte), block * 512, writeClass)

test('an unknown class is refused and never reaches the flush worker', () =>
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
  test(`a dirty block whose class changes from ${first} to ${second} keeps the write order`, () =>
    withCache({ flushDelayMs: 1e9, traceEntries: 256 }, async ({ cache, data, onDisk }) => {
      // Byte 1 is written before the class changes, 2 after it; each change depends on those before it.
      await fill(data, 0, 1, first)
      await fill(data, 1, 1, 'directory')
      await fill(data, 0, 2, second)
      await fill(data, 2, 2, 'data')
      await cache.flush()
      assert.is(onDisk(0)[0], 2)
      assert.is(onDisk(1)[0], 1)
      assert.is(onDisk(2)[0], 2)
      // No cut spans the change of class: each image of block 0 is written in a round of its own.
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

test('the class may change back and forth while rounds run', () =>
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
    assert.is(free, total, 'every spare is free again')
  }))

test('a guard may mark several classes before its release, and the last one counts', () =>
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
    assert.is(cache.stats().rounds, 1, 'the class is unchanged, so one round is enough')
  }))

test.run()
