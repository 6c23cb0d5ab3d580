// Which changes use a spare, and for how long. A block that is acquired to modify and released unchanged uses one only while
// it is held, during a round too, and while a writer writes its older image. A thread that finds no spare requests only the
// rounds that free one.

import { InlineEngine } from '../support/inline-engine.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MemoryDevice } from '../support/memory-device.js'
import type { Partition } from 'dcache'
import { tryLockRound, unlockRound } from '#dist/core/changes/rounds.js'

const SIZE = 512

function engineOf(blocks = 64) {
  const device = new MemoryDevice(blocks * SIZE)
  const engine = new InlineEngine({ blocks, partitions: { a: { device, blockSize: SIZE } } })
  const a = engine.client.partition('a')
  return { engine, device, a }
}

function change(a: Partition, block: number, byte: number, writeClass?: string): void {
  const guard = a.acquireSync(block, 'overwrite')
  guard.data.fill(byte)
  guard.markDirty(writeClass)
  guard.release()
}

const unchanged = suite('blocks released unchanged')

const ways: Record<string, (a: Partition, engine: InlineEngine) => void> = {
  'released without a mark': (a) => {
    a.acquireSync(1, 'modify').release()
  },
  discarded: (a) => {
    const guard = a.acquireSync(1, 'modify')
    guard.data.fill(99)
    guard.markDirty()
    guard.discard()
  },
  'discarded, with a declared range': (a) => {
    const guard = a.acquireSync(1, 'modify', { start: 8, length: 8 })
    guard.data.fill(99, 8, 16)
    guard.discard()
  },
  'discarded, an overwrite': (a) => {
    const guard = a.acquireSync(1, 'overwrite')
    guard.data.fill(99)
    guard.discard()
  },
  'released by the holder of the round mutex': (a, { context }) => {
    const guard = a.tryAcquire(1, 'modify')!
    assert.ok(tryLockRound(context, 0))
    guard.release()
    unlockRound(context, 0)
  },
}

for (const [name, way] of Object.entries(ways)) {
  unchanged(`keep no spare during a round: ${name}`, () => {
    const { engine, device, a } = engineOf()
    const other = engine.attach().partition('a')
    for (let block = 0; block < 4; block++) change(a, block, 1)
    engine.client.kick()
    engine.stepFlusher()
    const { free, total } = engine.client.stats().spares
    assert.is(free, total)
    for (let i = 0; i < 3 * total; i++) {
      way(other, engine)
      assert.is(engine.client.stats().spares.free, total, `after ${i + 1} times`)
    }
    engine.settle()
    assert.equal([...device.durable.subarray(SIZE, 2 * SIZE)], new Array(SIZE).fill(1))
    assert.equal(engine.checkQuiet(), [])
    assert.is(engine.client.stats().rounds, 1)
  })
}

for (const range of [undefined, { start: 0, length: SIZE / 2 }]) {
  const what = range === undefined ? 'a whole block' : 'a declared range'
  unchanged(`may be released while the round writes their older image: ${what}`, () => {
    const { engine, device, a } = engineOf()
    const other = engine.attach().partition('a')
    for (let block = 0; block < 3; block++) change(a, block, 1 + block)
    engine.client.kick()
    const held = other.acquireSync(1, 'modify', range)
    held.data.fill(98, 0, SIZE / 2)
    engine.stepFlusher()
    // Block 0 is written first, in one call with its neighbour. By then the writer uses the image of block 1.
    device.before = (call) => {
      if (call.kind !== 'write' || call.position !== 0) return
      held.discard()
      // The spare of block 1 is the first one taken.
      const next = other.acquireSync(3, 'modify')
      next.data.fill(97)
      next.markDirty()
      next.release()
      const reused = other.acquireSync(3, 'modify')
      reused.data.fill(96)
      reused.discard()
    }
    engine.stepWriter(0)
    device.before = undefined
    assert.equal([...device.durable.subarray(SIZE, 2 * SIZE)], new Array(SIZE).fill(2))
    engine.settle()
    assert.equal(engine.checkQuiet(), [])
  })
}

const shortage = suite('a thread that finds no spare')

shortage('requests no round besides the one under way', () => {
  const { engine, a } = engineOf(128)
  const other = engine.attach().partition('a')
  const { total } = engine.client.stats().spares
  for (let block = 0; block < 40; block++) change(a, block, 1, 'trailer')
  engine.client.kick()
  engine.stepFlusher()
  assert.ok(total < 40, 'there are fewer spares than blocks whose image must be saved')
  for (let block = 0; block < 40; block++) change(other, block, 2, 'trailer')
  engine.settle()
  const { rounds, dirty, waits } = engine.client.stats()
  assert.ok(waits.spare > 0)
  assert.is(rounds, 1)
  assert.ok(dirty >= total, 'changes since the cut stay unwritten until they are due')
  engine.client.flushSync()
  assert.equal(engine.checkQuiet(), [])
})

shortage('requests the round that cleans its block if guards hold all spares', () => {
  const { engine, a } = engineOf()
  const other = engine.attach().partition('a')
  const total = engine.imagesMax
  for (let block = 0; block <= total; block++) change(a, block, 1)
  const held = Array.from({ length: total }, (_, block) => other.acquireSync(block, 'modify'))
  assert.is(engine.client.stats().spares.free, 0)
  const last = other.acquireSync(total, 'modify')
  assert.is(engine.client.stats().rounds, 1)
  for (const guard of [...held, last]) guard.release()
  assert.equal(engine.checkQuiet(), [])
})

shortage('requests the rounds up to the last change of class, and no more', () => {
  const { engine, a } = engineOf()
  const total = engine.imagesMax
  change(a, 60, 1)
  for (let block = 0; block < total; block++) {
    change(a, block, 1, 'trailer')
    change(a, block, 2, 'data')
  }
  assert.is(engine.client.stats().spares.free, 0)
  change(a, 60, 2)
  engine.settle()
  assert.ok(engine.client.stats().dirty > 0)
  engine.client.flushSync()
  assert.equal(engine.checkQuiet(), [])
})

unchanged.run()
shortage.run()
