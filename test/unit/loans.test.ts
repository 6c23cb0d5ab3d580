// Frames of the pool that hold images: a group borrows them when it has no spare left, and they return after a round, or when a
// thread finds no frame for a block.

import { InlineEngine } from '../support/inline-engine.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MemoryDevice } from '../support/memory-device.js'
import type { BlockGuard, CacheOptions, Partition } from 'dcache'
import { Group } from '#dist/shared/words.js'

const SIZE = 512
const FILE_BLOCKS = 256

function engineOf(policy: CacheOptions['policy'] = 'lru2') {
  const device = new MemoryDevice(FILE_BLOCKS * SIZE)
  for (let block = 0; block < FILE_BLOCKS; block++)
    device.durable.fill(block, block * SIZE, (block + 1) * SIZE)
  device.written.set(device.durable)
  const engine = new InlineEngine({ blocks: 64, policy, partitions: { a: { device, blockSize: SIZE } } })
  const lent = () => engine.arena.words[engine.arena.groupAt(0) + Group.lent]!
  const { spares, loans } = engine.arena.geometry
  return { engine, device, lent, spares, loans, a: engine.client.partition('a') }
}

function change(a: Partition, block: number, byte: number, writeClass: string): void {
  const guard = a.acquireSync(block, 'overwrite')
  guard.data.fill(byte)
  guard.markDirty(writeClass)
  guard.release()
}

/** Gives each of the first `count` blocks two unwritten images, of different classes. */
function layer(a: Partition, count: number): void {
  for (let block = 0; block < count; block++) change(a, block, 100, 'trailer')
  for (let block = 0; block < count; block++) change(a, block, 101, 'data')
}

/** Holds one dirty block more than there are spares. */
function holdMore(a: Partition, spares: number): BlockGuard[] {
  const dirty = Array.from({ length: spares + 1 }, (_, block) => block)
  for (const block of dirty) change(a, block, 7, 'data')
  return dirty.map((block) => a.acquireSync(block, 'modify'))
}

const byteOf = (a: Partition, block: number): number => {
  const guard = a.acquireSync(block, 'read')
  const byte = guard.data[SIZE - 1]!
  guard.release()
  return byte
}

for (const policy of ['lru2', 'adaptive'] as const) {
  test(`images beyond the spares are in frames of the pool, and wait for nothing (${policy})`, () => {
    const { engine, device, lent, spares, loans, a } = engineOf(policy)
    for (let block = 60; block < 100; block++) byteOf(a, block)
    layer(a, spares + loans)
    assert.is(lent(), loans)
    const { waits, rounds, spares: counted } = engine.client.stats()
    assert.equal([waits.spare, rounds], [0, 0])
    assert.equal(counted, { free: 0, total: spares + loans })
    assert.equal(engine.checkQuiet(), [])
    // No reader gets a lent frame, whatever is evicted.
    for (let block = 60; block < 250; block++) assert.is(byteOf(a, block), block)
    assert.equal(engine.checkQuiet(), [])
    for (let block = 0; block < spares + loans; block++) assert.is(byteOf(a, block), 101)
    engine.client.flushSync()
    assert.is(device.durable[0], 101)
    engine.settle()
    assert.is(lent(), 0)
    assert.equal(engine.client.stats().spares, { free: spares, total: spares })
    for (let block = 60; block < 250; block++) assert.is(byteOf(a, block), block)
    assert.equal(engine.checkQuiet(), [])
  })
}

test('an image in a frame of the pool brings the block back', () => {
  const { engine, lent, spares, a } = engineOf()
  const count = spares + 1
  for (let block = 0; block < count; block++) change(a, block, 7, 'data')
  const guards = Array.from({ length: count }, (_, block) => a.acquireSync(block, 'modify'))
  assert.is(lent(), 1)
  for (const guard of guards) {
    guard.data.fill(9)
    guard.discard()
  }
  for (let block = 0; block < count; block++) assert.is(byteOf(a, block), 7)
  assert.equal(engine.checkQuiet(), [])
})

test('half of what is free returns while blocks are dirty', () => {
  const { engine, device, lent, spares, loans, a } = engineOf()
  const other = engine.attach().partition('a')
  layer(a, spares + loans)
  device.before = (call) => {
    if (call.kind === 'sync') change(other, 200, 1, 'data')
  }
  engine.client.kick()
  engine.settle()
  device.before = undefined
  const left = lent()
  assert.ok(left > 0 && left < loans, `${left} of ${loans}`)
  assert.is(engine.client.stats().spares.free, spares + left)
  assert.equal(engine.checkQuiet(), [])
})

test('a free loan returns when a thread finds no frame', () => {
  const { engine, lent, spares, a } = engineOf()
  const guards = holdMore(a, spares)
  assert.is(lent(), 1)
  for (const guard of guards) guard.discard()
  assert.is(lent(), 1, 'no round has ended')
  // All frames of the pool but the lent one.
  const held = Array.from({ length: 63 }, (_, block) => a.acquireSync(block, 'read'))
  const last = a.acquireSync(63, 'read')
  assert.is(last.data[0], 63)
  assert.is(lent(), 0)
  for (const guard of [...held, last]) guard.release()
  assert.equal(engine.checkQuiet(), [])
})

test('without a clean frame a change waits for a round', () => {
  const { engine, device, lent, spares, a } = engineOf()
  const dirty = Array.from({ length: spares + 1 }, (_, block) => block)
  for (const block of dirty) change(a, block, 7, 'trailer')
  const held = Array.from({ length: 64 - dirty.length }, (_, i) => a.acquireSync(100 + i, 'read'))
  for (const block of dirty) change(a, block, 8, 'data')
  assert.is(lent(), 0)
  assert.is(engine.client.stats().rounds, 1)
  for (const guard of held) guard.release()
  engine.client.flushSync()
  for (const block of dirty) assert.is(device.durable[block * SIZE], 8)
  assert.equal(engine.checkQuiet(), [])
})

test('a thread that may borrow no more asks for the round', () => {
  const { engine, spares, loans, a } = engineOf()
  layer(a, spares + loans + 1)
  assert.is(engine.client.stats().rounds, 1)
  assert.equal(engine.checkQuiet(), [])
})

test('what the rounds of a leader freed returns when the flush worker wakes', () => {
  const { engine, lent, spares, a } = engineOf()
  const guards = holdMore(a, spares)
  for (const guard of guards) guard.discard()
  assert.is(lent(), 1)
  engine.client.flushSync()
  engine.stepFlusher()
  assert.is(lent(), 0)
  assert.equal(engine.checkQuiet(), [])
})

test.run()
