// What a change of a block's class costs, and which thread pays: a release with another class asks for no round; the next
// change of that block waits for one, so that a block keeps one older image and other threads their spares.

import { InlineEngine } from '../support/inline-engine.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { makeCut } from '#dist/core/write-back/cut.js'
import { MemoryDevice } from '../support/memory-device.js'
import type { Partition } from 'dcache'
import { refusalNow } from '../support/open.js'
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

test('the next change waits, also one of the same class and one that awaits', async () => {
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

test('many blocks whose class changes once ask for rounds before a flush would need as many', () => {
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

test('other blocks, and readers, do not wait', () => {
  const { engine, a } = engineOf()
  change(a, 0, 1, 'trailer')
  change(a, 1, 1, 'trailer')
  change(a, 0, 2, 'data')
  change(a, 1, 2, 'trailer')
  a.acquireSync(0, 'read').release()
  assert.is(engine.client.stats().rounds, 0)
})

test('tryAcquire has no guard, and asks for the round', () => {
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

test('a Sync call where the thread may not block goes on while there are spares', () => {
  const { engine, saved, a } = engineOf()
  Object.assign(engine.context, { mayBlock: false })
  const { total } = engine.client.stats().spares
  for (let i = 0; i <= total; i++) change(a, 0, i, i % 2 === 0 ? 'data' : 'trailer')
  assert.is(saved(), total)
  refusalNow('ERR_DCACHE_WOULD_BLOCK', () => a.acquireSync(0, 'modify'))
  engine.settle()
  change(a, 0, 9, 'data')
  engine.settle()
  assert.equal(engine.checkQuiet(), [])
})

test('behind a fence a change does not wait for a round, but is told when the spares are out', () => {
  const { engine, device, saved, a } = engineOf()
  device.before = (call) => {
    if (call.kind === 'sync') throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO', errno: -5 })
  }
  change(a, 0, 1, 'trailer')
  refusalNow('ERR_DCACHE_FENCED', () => {
    engine.client.flushSync()
  })
  const { total } = engine.client.stats().spares
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

test('a round that is due asks for what its cut leaves out', () => {
  for (const isDue of [true, false]) {
    const { engine, word, a } = engineOf()
    change(a, 0, 1, 'trailer')
    change(a, 0, 2, 'data')
    const { number } = makeCut(engine.context, 0, isDue)
    assert.is(number, word('bound'))
    assert.is(word('want'), isDue ? word('epoch') : word('done'))
  }
})

test.run()
