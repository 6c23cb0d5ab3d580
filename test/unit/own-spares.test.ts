// The spares that a thread keeps for its undo images: changes of hot blocks use them again and again, a thread that detaches
// leaves them to the next one in its slot, and half of the spares stay free for all.

import { InlineEngine } from '../support/inline-engine.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isOwned, sparesOf } from '#dist/core/changes/spares.js'
import { MemoryDevice } from '../support/memory-device.js'
import type { Partition } from 'dcache'
import { Group } from '#dist/shared/words.js'

const SIZE = 512

function engineOf(blocks: number) {
  const device = new MemoryDevice(blocks * SIZE)
  const engine = new InlineEngine({ blocks, partitions: { a: { device, blockSize: SIZE } } })
  const kept = () => sparesOf(engine.context, 0).filter((spare) => isOwned(engine.context, spare)).length
  const listed = () => engine.arena.words[engine.arena.groupAt(0) + Group.spareCount]!
  return { engine, kept, listed, total: engine.client.stats().spares.total }
}

function change(a: Partition, block: number): void {
  const guard = a.acquireSync(block, 'modify')
  guard.data[0]!++
  guard.markDirty()
  guard.release()
}

test('changes of a dirty block use one spare again and again, and stats count it as free', () => {
  const { engine, kept, listed, total } = engineOf(256)
  for (let i = 0; i < 100; i++) change(engine.client.partition('a'), 0)
  assert.equal([kept(), listed()], [1, total - 1])
  assert.is(engine.client.stats().spares.free, total)
  assert.equal(engine.checkQuiet(), [])
})

test('a thread keeps two, however many blocks it holds', () => {
  const { engine, kept } = engineOf(256)
  const a = engine.client.partition('a')
  for (let block = 0; block < 6; block++) change(a, block)
  const guards = [0, 1, 2, 3, 4, 5].map((block) => a.acquireSync(block, 'modify'))
  for (const guard of guards) guard.release()
  assert.is(kept(), 2)
  assert.is(engine.client.stats().spares.free, engine.client.stats().spares.total)
  assert.equal(engine.checkQuiet(), [])
})

test('the next thread in the slot of one that detached uses what that one kept', () => {
  const { engine, kept, total } = engineOf(256)
  change(engine.client.partition('a'), 0)
  for (let i = 0; i < 20; i++) {
    const client = engine.attach()
    change(client.partition('a'), 0)
    change(client.partition('a'), 0)
    client.detach()
  }
  assert.is(kept(), 1)
  assert.is(engine.client.stats().spares.free, total)
  assert.equal(engine.checkQuiet(), [])
})

test('a release in another class hands the spare over', () => {
  const { engine, kept, total } = engineOf(256)
  const a = engine.client.partition('a')
  change(a, 0)
  change(a, 0)
  const guard = a.acquireSync(0, 'modify')
  guard.markDirty('trailer')
  guard.release()
  assert.is(kept(), 0)
  assert.is(engine.client.stats().spares.free, total - 1)
  engine.client.flushSync()
  assert.is(engine.client.stats().spares.free, total)
  assert.equal(engine.checkQuiet(), [])
})

test('half of the spares are kept by no thread', () => {
  const { engine, kept, listed, total } = engineOf(16)
  const clients = [engine.client, engine.attach(), engine.attach()]
  change(engine.client.partition('a'), 0)
  for (const client of clients) change(client.partition('a'), 0)
  assert.is(total, 2)
  assert.equal([kept(), listed()], [1, 1])
  assert.equal(engine.checkQuiet(), [])
})

test.run()
