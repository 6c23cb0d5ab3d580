// What the engine records in the flight recorder: misses, waits, calls of the system and rounds, each with its duration, and
// which of them are within which. And what it leaves out with `traceBlocks: false`.

import { InlineEngine, type InlineOptions } from '../support/inline-engine.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CacheClient, TraceRecord } from 'dcache'
import { FLUSH_SLOT, writerSlot } from '#dist/shared/layout.js'
import { Mutex, RANK } from '#dist/shared/mutex.js'
import { Deadline, runSync } from '#dist/shared/wait.js'
import { Header } from '#dist/shared/words.js'
import { MemoryDevice } from '../support/memory-device.js'
import { Gates, startThread, until, withCache } from '../support/open.js'

const BLOCK = 512
const us = (ms: number): number => Math.round(ms * 1000)
const endUs = ({ atMs, durationMs }: TraceRecord): number => us(atMs) + us(durationMs)

/** The records of a point, in order. */
const of = (cache: CacheClient, point: string): TraceRecord[] =>
  cache.trace().filter((record) => record.point === point)

function only(cache: CacheClient, point: string): TraceRecord {
  const found = of(cache, point)
  assert.is(found.length, 1, `${point}: ${found.length}`)
  return found[0]!
}

/** Asserts that a span is within another in time. */
function isWithin(inner: TraceRecord, outer: TraceRecord): void {
  const text = `${inner.point} within ${outer.point}`
  assert.ok(us(inner.atMs) >= us(outer.atMs), text)
  assert.ok(endUs(inner) <= endUs(outer), text)
}

function inline(more: Partial<InlineOptions> = {}) {
  const device = new MemoryDevice(256 * BLOCK)
  const engine = new InlineEngine({
    blocks: 64,
    traceEntries: 1024,
    partitions: { p: { device, blockSize: BLOCK } },
    ...more,
  })
  const { client } = engine
  const partition = client.partition('p')
  const change = (block: number, writeClass?: string): void => {
    partition.writeSync(new Uint8Array(BLOCK).fill(7), block * BLOCK, writeClass)
  }
  return { engine, device, client, partition, change, slot: engine.context.slot.index }
}

test('a miss is a span from the call on, with the read of the disk in it', async () => {
  const { client, partition, slot } = inline({ readAheadBytes: 0 })
  partition.acquireSync(5, 'read').release()
  const load = only(client, 'block.load')
  const read = only(client, 'disk.read')
  assert.equal([load.slot, load.partition, load.block, load.value], [slot, 0, 5, 1])
  assert.equal([read.slot, read.partition, read.block, read.value], [slot, 0, 5, BLOCK])
  isWithin(read, load)
  ;(await partition.acquire(9, 'modify')).release()
  const [, second] = of(client, 'block.load')
  assert.is(second!.block, 9)
  isWithin(of(client, 'disk.read')[1]!, second!)
})

test('blocks that one call reads are one record', () => {
  const { client, partition } = inline({ readAheadBytes: 0 })
  partition.readSync(new Uint8Array(8 * BLOCK), 16 * BLOCK)
  const load = only(client, 'block.load')
  assert.equal([load.block, load.value], [16, 8])
  const read = only(client, 'disk.read')
  assert.equal([read.block, read.value], [16, 8 * BLOCK])
  isWithin(read, load)
})

test('a read that fails is recorded too', () => {
  const { client, partition, device } = inline()
  device.before = () => {
    throw Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 })
  }
  assert.throws(() => partition.acquireSync(5, 'read'), /READ_FAILED|could not be read/)
  assert.equal([of(client, 'disk.read').length, of(client, 'block.load').length], [1, 0])
})

test('a round that a thread leads: its stages, writes and fsyncs are within it, on the thread', () => {
  const { client, change, slot } = inline()
  change(3, 'data')
  change(4, 'data')
  change(9, 'trailer')
  client.flushSync()
  const round = only(client, 'work.round')
  assert.equal([round.slot, round.partition, round.block, round.value], [slot, 0, 3, 1])
  const stages = of(client, 'work.stage')
  assert.equal(
    stages.map(({ slot, partition, block, value }) => [slot, partition, block, value]),
    [
      [slot, 0, 2, 1],
      [slot, 0, 1, 3],
    ],
  )
  const writes = of(client, 'disk.write')
  const fsyncs = of(client, 'disk.fsync')
  assert.equal(
    writes.map(({ block, value }) => [block, value]),
    [
      [3, 2 * BLOCK],
      [9, BLOCK],
    ],
  )
  assert.is(fsyncs.length, 2)
  stages.forEach((stage, i) => {
    isWithin(stage, round)
    isWithin(writes[i]!, stage)
    isWithin(fsyncs[i]!, stage)
    assert.ok(endUs(writes[i]!) <= us(fsyncs[i]!.atMs), 'written, then synced')
  })
  assert.ok(endUs(stages[0]!) <= us(stages[1]!.atMs), 'one class after the other')
  for (const point of ['work.cut', 'work.done']) isWithin(only(client, point), round)
})

test('a round of the flush worker is on its track, and the calls on those of writers', () => {
  const { client, change, slot } = inline()
  for (let block = 0; block < 20; block++) change(2 * block, block % 2 === 0 ? 'data' : 'directory')
  client.flushSync()
  const round = only(client, 'work.round')
  assert.equal([round.slot, round.block, round.value], [FLUSH_SLOT, 20, 1])
  const stages = of(client, 'work.stage')
  assert.equal(
    stages.map(({ slot, block, value }) => [slot, block, value]),
    [
      [FLUSH_SLOT, 10, 1],
      [FLUSH_SLOT, 10, 2],
    ],
  )
  for (const stage of stages) isWithin(stage, round)
  const fsyncs = of(client, 'disk.fsync')
  assert.equal(
    fsyncs.map(({ slot }) => slot),
    [writerSlot(0), writerSlot(0)],
  )
  fsyncs.forEach((fsync, i) => {
    isWithin(fsync, stages[i]!)
  })
  for (const write of of(client, 'disk.write')) assert.is(write.slot, writerSlot(0))
  const wait = only(client, 'wait.flush')
  assert.equal([wait.slot, wait.partition, wait.value], [slot, 0, 0])
  assert.ok(us(wait.atMs) <= us(round.atMs))
})

test('a flush of the first classes is a partial round, and the wait says which', () => {
  const { client, change, engine } = inline()
  change(3, 'data')
  change(9, 'trailer')
  client.flushSync({ through: 'directory' })
  assert.is(only(client, 'work.round').value, 2)
  for (let block = 0; block < 20; block++) change(2 * block, 'data')
  client.flushSync({ through: 'data' })
  const rounds = of(client, 'work.round')
  assert.equal(
    rounds.map(({ value, slot }) => [value, slot]),
    [
      [2, engine.context.slot.index],
      [2, FLUSH_SLOT],
    ],
  )
  assert.is(only(client, 'wait.flush').value, 1)
})

test('a round that fails says so, in a thread that flushes and in the flush worker', () => {
  for (const blocks of [1, 20])
    for (const kind of ['write', 'sync']) {
      const { client, change, device } = inline()
      for (let block = 0; block < blocks; block++) change(block)
      device.before = (call) => {
        if (call.kind === kind) throw Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 })
      }
      assert.throws(() => {
        client.flushSync()
      }, /still dirty/)
      assert.is(only(client, 'work.round').value, -1)
      assert.is(of(client, 'work.failed').length, 1)
      assert.is(of(client, 'disk.fsync').length, kind === 'sync' ? 1 : 0)
      assert.is(of(client, 'disk.write').length, 1)
    }
})

test('with a journal, the record is a span with its fsync in it, and the round of the blocks in place is another one', () => {
  for (const blocks of [3, 40]) {
    const { client, change, engine } = inline({
      journals: { '': { device: new MemoryDevice(3 * 2 ** 20), halfBytes: 2 ** 20 } },
    })
    for (let block = 0; block < blocks; block++) change(2 * block)
    client.flushSync()
    const record = only(client, 'journal.write')
    const fsync = only(client, 'journal.fsync')
    const round = only(client, 'work.round')
    assert.equal([record.partition, record.block, round.value, round.block], [0, blocks, 3, blocks])
    assert.ok(record.value > blocks * BLOCK)
    isWithin(fsync, record)
    isWithin(record, round)
    assert.is(of(client, 'disk.write').length, 0)
    client.kick()
    engine.settle()
    const places = of(client, 'work.round')[1]!
    assert.is(places.value, 4)
    assert.is(only(client, 'work.stage').value, 3)
    for (const write of of(client, 'disk.write')) isWithin(write, places)
  }
})

test('waits for the dirty limit and for a spare are spans', () => {
  const limited = inline({ dirtyLimit: 0.1 })
  for (let block = 0; block < 30; block++) limited.change(block)
  const [wait] = of(limited.client, 'wait.dirty')
  assert.equal([wait!.slot, wait!.partition], [limited.slot, 0])
  assert.ok(wait!.block > 0 && wait!.block < 30)
  assert.ok(of(limited.client, 'work.round').length > 0)

  const { client, partition, engine } = inline({ blocks: 16 })
  for (let block = 0; block < 8; block++) {
    const guard = partition.acquireSync(block, 'overwrite')
    guard.data.fill(1)
    guard.markDirty('directory')
    guard.release()
  }
  const held = Array.from({ length: engine.imagesMax }, (_, block) => partition.acquireSync(block, 'modify'))
  partition.acquireSync(held.length, 'modify').release()
  const spare = only(client, 'wait.spare')
  assert.equal([spare.partition, spare.block], [0, held.length])
  for (const guard of held) guard.release()
})

test('waits for a held block and for a frame are spans, with what was waited for', () =>
  withCache({ cached: 4, traceEntries: 256 }, async ({ cache, data }) => {
    const held = await data.acquire(1, 'modify')
    const other = data.acquire(1, 'read')
    await until('the wait', () => cache.holders().some(({ what }) => what === 'waits'))
    const atMs = performance.now()
    while (performance.now() - atMs < 3);
    held.release()
    ;(await other).release()
    const latch = only(cache, 'wait.latch')
    assert.equal([latch.slot, latch.partition, latch.block, latch.value], [0, 0, 1, 0])
    assert.ok(latch.durationMs >= 3, `${latch.durationMs} ms`)

    const guards = await Promise.all([4, 5, 6, 7].map((block) => data.acquire(block, 'read')))
    const late = data.acquire(8, 'read')
    await until('the wait', () => cache.holders().some(({ mode }) => mode === 'frame'))
    guards.shift()!.release()
    ;(await late).release()
    for (const guard of guards) guard.release()
    const frame = only(cache, 'wait.frame')
    assert.equal([frame.partition, frame.block], [0, 8])
    const load = of(cache, 'block.load').find(({ block }) => block === 8)
    isWithin(frame, load!)

    const readers = await data.acquire(7, 'read')
    const writer = data.acquire(7, 'modify')
    await until('the wait', () => cache.holders().some(({ what }) => what === 'waits'))
    readers.release()
    ;(await writer).release()
    assert.is(of(cache, 'wait.latch').at(-1)!.value, -1, 'held by readers')
  }))

test('a wait for a mutex is a span, if there was one', () =>
  withCache({ traceEntries: 256 }, async ({ cache, data, arena }) => {
    ;(await data.acquire(1, 'read')).release()
    assert.is(of(cache, 'wait.mutex').length, 0)
    const policy = new Mutex(arena.words, Header.policyMutex, RANK.policy, 'policy')
    const gates = new Gates()
    const thread = startThread(
      cache.handle,
      0,
      ({ client, open, pass }) => {
        open(0)
        pass(1)
        client.partition('data').acquireSync(5, 'read').release()
        client.detach()
      },
      { gates },
    )
    await gates.opened(0)
    runSync(policy.lock(0, new Deadline()), true)
    gates.open(1)
    await until('the wait', () => cache.holders().some(({ mode }) => mode === 'mutex'))
    policy.unlock()
    await thread.result
    const wait = of(cache, 'wait.mutex').find(({ slot }) => slot > writerSlot(0))!
    assert.equal([wait.partition, wait.block, wait.value], [0, 0, RANK.policy])
    isWithin(
      wait,
      of(cache, 'block.load').find(({ block }) => block === 5)!,
    )
  }))

const BLOCK_POINTS = /^block\.(acquire|release|dirty|evict)$|^work\.write$/

test('without the points of single blocks there are none of them, and hits record nothing', async () => {
  for (const traceBlocks of [true, false]) {
    const { client, partition, change, engine } = inline({ blocks: 8, traceBlocks, readAheadBytes: 0 })
    for (let block = 0; block < 20; block++) partition.acquireSync(block, 'read').release()
    for (const block of [1, 2]) change(block)
    const both = [1, 2].map((block) => partition.acquireSync(block, 'modify'))
    for (const guard of both) guard.markDirty()
    client.commit(...both)
    client.flushSync()
    const names = new Set(client.trace().map(({ point }) => point))
    assert.is(
      [...names].some((point) => BLOCK_POINTS.test(point)),
      traceBlocks,
    )
    for (const point of ['block.load', 'disk.read', 'disk.write', 'disk.fsync', 'work.stage', 'work.round', 'work.cut', 'proc.attach'])
      assert.ok(names.has(point), point) // prettier-ignore
    // The constant that the hit path tests.
    assert.is(engine.context.tracesBlocks, traceBlocks)
    const before = client.trace().length
    partition.acquireSync(1, 'read').release()
    await partition.read(new Uint8Array(4), BLOCK)
    ;(await partition.acquire(1, 'modify')).release()
    await partition.write(new Uint8Array(4), BLOCK)
    assert.is(client.trace().length === before, !traceBlocks)
  }
})

test('without a recorder nothing stands between the cache and its devices', () => {
  const device = new MemoryDevice(64 * BLOCK)
  for (const [traceEntries, isSame] of [
    [0, true],
    [8, false],
  ] as const) {
    const { context } = new InlineEngine({
      blocks: 8,
      traceEntries,
      partitions: { p: { device, blockSize: BLOCK } },
    })
    assert.is(context.partitions.at(0).device === device, isSame)
    assert.equal([context.isTraced, context.tracesBlocks], [!isSame, !isSame])
  }
})

test.run()
