// The order of a round's unwritten blocks, the pace at which they are written, and rounds that start in the background.

import { InlineEngine } from '../support/inline-engine.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UnwrittenList } from '#dist/core/write-back/order.js'
import { Budget, Pace } from '#dist/core/write-back/pace.js'
import { forgetCut } from '#dist/core/recovery/reaper.js'
import { keyLowOf, keyHighOf } from '#dist/shared/key.js'
import { stampOf } from '#dist/shared/stamp.js'
import { MemoryDevice } from '../support/memory-device.js'
import { smallArena, smallContext } from '../support/small-context.js'
import { DelayedKick, Group } from '#dist/shared/words.js'

/** Numbers that look random, the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

test('unwritten blocks are sorted by class, partition and block, past 2^32 blocks too', () => {
  const next = numbers(7)
  for (const count of [0, 1, 2, 300, 5000]) {
    const blocks = Array.from({ length: count }, (_, frame) => ({
      frame,
      writeClass: 1 + next(7),
      partition: [0, 1, 4095][next(3)]!,
      block: next(2) === 0 ? next(100_000) : 2 ** 32 * next(2 ** 16) + next(2 ** 31),
    }))
    const list = new UnwrittenList()
    for (const { frame, writeClass, partition, block } of blocks)
      list.add(frame, stampOf(5, writeClass), keyHighOf(partition, block), keyLowOf(block))
    const { frames, jobs } = list.sorted()
    const wanted = [...blocks].sort(
      (a, b) => a.writeClass - b.writeClass || a.partition - b.partition || a.block - b.block,
    )
    assert.equal(
      [...frames].map((frame) => blocks[frame]!),
      wanted,
    )
    const inJobs = jobs.flatMap(({ writeClass, partition, start, end }) =>
      wanted.slice(start, end).map((item) => item.writeClass === writeClass && item.partition === partition),
    )
    assert.is(inJobs.length, count)
    assert.ok(inJobs.every((isRight) => isRight))
  }
})

test('images past the cut are removed from the unwritten ones', () => {
  const list = new UnwrittenList()
  for (const [frame, epoch] of [3, 9, 4, 8].entries())
    list.add(frame, stampOf(epoch, 1), keyHighOf(0, frame), frame)
  list.keep((stamp) => stamp < stampOf(8, 0))
  assert.equal([...list.sorted().frames], [0, 2])
})

/** A pace over a group with a dirty limit of 100 blocks, written in the background from 20 on. */
function paced({ dirty, asked = false, budget = Infinity, isDue = false, taken = 0 }: Partial<{ dirty: number; asked: boolean; budget: number; isDue: boolean; taken: number }>) {
  const context = smallContext(smallArena())
  const at = context.arena.groupAt(0)
  context.words[at + Group.dirtyMax] = 400
  context.words[at + Group.dirtyBackground] = 100
  context.words[at + Group.dirty] = dirty ?? 0
  context.words[at + Group.spareCount]! -= taken
  if (asked) context.words[at + Group.want] = 1
  const pace = new Pace(context, 0, new Budget(() => budget), isDue)
  /** How many blocks a lane gets whose last part took 100 ms and ended this long ago. */
  return (agoMs: number) => pace.blocksNow(1000, 512, performance.now() - agoMs, 100)
} // prettier-ignore

test('a requested round writes all at once; near the limit and in the background it writes in parts', () => {
  assert.is(paced({ dirty: 200, asked: true })(0), 1000)
  assert.is(paced({ dirty: 390, asked: true })(0), 50)
  assert.is(paced({ dirty: 399 })(10_000), 50)
})

test('the farther the limit is, the longer the pause after a part', () => {
  assert.is(paced({ dirty: 400 })(1), 50, 'no pause at the limit')
  assert.is(paced({ dirty: 250 })(50), 0, 'half-way as long as the part')
  assert.is(paced({ dirty: 250 })(150), 50)
  assert.is(paced({ dirty: 100 })(1000), 0)
  assert.is(paced({ dirty: 100 })(1600), 50, 'never longer than 15 times the part')
  assert.is(paced({ dirty: 100, isDue: true })(0), 50, 'no pause for blocks that were dirty long enough')
  assert.is(paced({ dirty: 100, taken: 2 ** 30 })(0), 50, 'no pause while all spares are in use')
})

test('a limit of bytes applies to background writing and to nothing else', () => {
  const background = paced({ dirty: 400, budget: 512 * 1000 })
  assert.is(background(0), 50)
  assert.is(background(0), 0, '50 blocks at a thousand a second: no others for 50 ms')
  assert.is(paced({ dirty: 200, budget: 1, asked: true })(0), 1000)
  const budget = new Budget(() => 1000)
  assert.is(budget.waitMs(5), 0)
  budget.spend(500, 5)
  assert.is(budget.waitMs(5), 500)
  assert.is(budget.waitMs(505), 0)
})

class CountingDevice extends MemoryDevice {
  /** Blocks of each write. */
  readonly writes: number[] = []
  syncs = 0

  override writeSync(sources: readonly Uint8Array[], position: number): void {
    this.writes.push(sources.length)
    super.writeSync(sources, position)
  }

  override syncSync(): void {
    this.syncs++
    super.syncSync()
  }
}

/** An engine on a device that counts its writes, and a function that changes some blocks. */
function counted(options: Partial<ConstructorParameters<typeof InlineEngine>[0]>) {
  const device = new CountingDevice(1024 * 512)
  const engine = new InlineEngine({
    blocks: 512,
    dirtyLimit: 1,
    partitions: { data: { device, blockSize: 512 } },
    ...options,
  })
  const change = (from: number, count: number) => {
    for (let block = from; block < from + count; block++) {
      using guard = engine.client.partition('data').acquireSync(block, 'overwrite')
      guard.data.fill(block)
      guard.markDirty()
    }
  }
  return { device, engine, change }
}

test('writing begins at the background mark, proceeds in parts, and ends below the mark', () => {
  const { device, engine, change } = counted({ dirtyBackground: 0.5 })
  change(0, 255)
  engine.settle()
  assert.is(device.syncs, 0, 'nothing is due')
  change(255, 100)
  const endMs = performance.now() + 20_000
  while (engine.client.stats().dirty > 0 && performance.now() < endMs) engine.settle()
  assert.is(engine.client.stats().dirty, 0)
  assert.ok(device.syncs >= 5, `${device.syncs} parts`)
  assert.is(engine.client.stats().rounds, 1)
  assert.equal(engine.checkQuiet(), [])
})

test('blocks that are dirty again after a round start no other round at the mark', () => {
  const { device, engine, change } = counted({ dirtyBackground: 0.5 })
  const settle = () => {
    for (let i = 0; i < 20; i++) engine.settle()
  }
  let isHot = true
  device.before = ({ kind }) => {
    if (isHot && kind === 'sync') change(0, 300)
  }
  change(0, 300)
  const endMs = performance.now() + 20_000
  while (engine.client.stats().rounds === 0 && performance.now() < endMs) engine.settle()
  isHot = false
  settle()
  const { rounds, dirty } = engine.client.stats()
  assert.equal([rounds, dirty], [1, 300])
  change(300, 140) // 440 of 512 are dirty, and 140 of them count
  settle()
  assert.is(engine.client.stats().rounds, 1)
  change(440, 20) // three quarters of the way from 256 to 512
  while (engine.client.stats().dirty > 0 && performance.now() < endMs) engine.settle()
  assert.is(engine.client.stats().dirty, 0)
  assert.equal(engine.checkQuiet(), [])
})

test('a block that was changed again since the cut is free while it is written', () => {
  const { device, engine, change } = counted({})
  const data = engine.client.partition('data')
  const found: boolean[] = []
  device.before = (call) => {
    if (call.kind !== 'write') return
    if (call.position === 0) change(11, 1)
    if (call.position !== 10 * 512) return
    for (const block of [10, 11]) {
      const guard = data.tryAcquire(block, 'modify')
      found.push(guard !== undefined)
      guard?.release()
    }
  }
  change(0, 1)
  change(10, 3)
  engine.client.flushSync()
  assert.equal(found, [false, true])
  assert.equal([device.durable[10 * 512], device.durable[11 * 512]], [10, 11])
  assert.is(engine.client.stats().dirty, 1, 'the hot block has a later stamp')
  assert.equal(engine.checkQuiet(), [])
})

test('a flush is written at once, whatever the background round is doing', () => {
  const { device, engine, change } = counted({ dirtyBackground: 0.5, writeBytesPerSecond: 512 })
  change(0, 300)
  engine.step() // a round has begun and has most of its blocks still to write
  assert.ok(engine.client.stats().dirty > 200)
  engine.client.flushSync()
  assert.is(engine.client.stats().dirty, 0)
  assert.is(device.durable[299 * 512], 299 & 255)
})

test('a write is as long as writeBytes allows', () => {
  for (const [writeBytes, most] of [['512', 1], ['4KiB', 8], ['1MiB', 256]] as const) {
    const { device, engine, change } = counted({ writeBytes })
    change(100, 300)
    engine.client.flushSync()
    assert.is(Math.max(...device.writes), most)
    assert.is(device.writes.reduce((a, b) => a + b), 300)
  }
}) // prettier-ignore

test('a new flush worker starts the clock of the changes that its predecessor was writing', () => {
  const context = smallContext(smallArena())
  const at = context.arena.groupAt(0)
  forgetCut(context, 0)
  assert.is(context.words[at + Group.delayed], DelayedKick.NONE, 'nothing is dirty')
  context.words[at + Group.dirty] = 1
  forgetCut(context, 0)
  assert.is(context.words[at + Group.delayed], DelayedKick.ASKED)
})

test.run()
