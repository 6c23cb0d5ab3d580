// The flight recorder: its ring keeps the newest records in order, returns complete ones only, and is off by default. What the
// engine records is in trace-spans.test.ts.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readTrace, TRACE, TRACE_POINTS, Tracer } from '#dist/shared/trace.js'
import { inThread, PATIENCE_MS, withCache } from '../support/open.js'
import { smallArena } from '../support/small-context.js'
import { inThreads } from '../support/threads.js'

const bodies = import.meta.resolve('./workers/trace.js')

test('when off, it has no records', () => {
  const arena = smallArena()
  assert.equal(readTrace(arena), [])
})

test('a record is read as it was written', () => {
  const arena = smallArena({ traceEntries: 8 })
  const tracer = new Tracer(arena, 3)
  assert.equal(readTrace(arena), [])
  for (const [block, value] of [
    [0, 0],
    [2 ** 32 - 1, 42],
    [2 ** 45 + 5, -1],
  ] as const) {
    tracer.record(TRACE['block.dirty'], 1, block, value)
    const { atMs, ...rest } = readTrace(arena).at(-1)!
    assert.equal(rest, { point: 'block.dirty', slot: 3, partition: 1, block, value, durationMs: 0 })
    assert.ok(Math.abs(atMs - Date.now()) < PATIENCE_MS, `${atMs}`)
  }
})

test('a span has its beginning and its duration in microseconds, however long it is', () => {
  const startMs = performance.now()
  for (const durationMs of [0.003, 12.345, 5_000_000.001]) {
    const arena = smallArena({ traceEntries: 8 })
    const tracer = new Tracer(arena, 3)
    tracer.span(TRACE['disk.fsync'], 0, 0, 0, startMs, startMs)
    tracer.span(TRACE['disk.fsync'], 0, 0, 0, startMs + 7.25, startMs + 7.25 + durationMs)
    const [first, second] = readTrace(arena)
    assert.is(first!.durationMs, 0)
    assert.ok(Math.abs(second!.durationMs - durationMs) < 0.0011, `${second!.durationMs} for ${durationMs}`)
    assert.ok(Math.abs(second!.atMs - first!.atMs - 7.25) < 0.0015, `${second!.atMs - first!.atMs}`)
  }
})

test('a span within another stays within it', () => {
  const arena = smallArena({ traceEntries: 2 })
  const tracer = new Tracer(arena, 0)
  const startMs = performance.now()
  for (let i = 0; i < 2000; i++) {
    const times = Array.from({ length: 4 }, (_, j) => startMs + i * 0.0137 + j * j * 0.00031)
    tracer.span(TRACE['disk.read'], 0, 1, 0, times[1]!, times[2])
    tracer.span(TRACE['block.load'], 0, 0, 0, times[0]!, times[3])
    const [inner, outer] = readTrace(arena).sort((a, b) => b.block - a.block)
    const us = (ms: number) => Math.round(ms * 1000)
    assert.ok(us(outer!.atMs) <= us(inner!.atMs))
    assert.ok(us(outer!.atMs) + us(outer!.durationMs) >= us(inner!.atMs) + us(inner!.durationMs))
  }
})

test('spans are in the order of their beginnings, not of their ends', () => {
  const arena = smallArena({ traceEntries: 8 })
  const tracer = new Tracer(arena, 0)
  const startMs = performance.now() - 10
  tracer.span(TRACE['disk.read'], 0, 2, 0, startMs + 2)
  tracer.span(TRACE['block.load'], 0, 1, 0, startMs + 1)
  tracer.record(TRACE['block.acquire'], 0, 3, 0)
  assert.equal(
    readTrace(arena).map(({ block }) => block),
    [1, 2, 3],
  )
})

test('the newest records are kept, in order', () => {
  const arena = smallArena({ traceEntries: 8 })
  const tracer = new Tracer(arena, 0)
  for (let i = 0; i < 30; i++) {
    tracer.record(TRACE['block.acquire'], 0, i, 0)
    const blocks = readTrace(arena).map(({ block }) => block)
    const first = Math.max(0, i - 7)
    assert.equal(
      blocks,
      Array.from({ length: i + 1 - first }, (_, j) => first + j),
    )
  }
})

test('a record that is being written is left out', () => {
  const arena = smallArena({ traceEntries: 4 })
  const tracer = new Tracer(arena, 0)
  for (let i = 0; i < 4; i++) tracer.record(0, 0, i, 0)
  arena.words[arena.traceAt + 16 + 16] = 0
  assert.equal(
    readTrace(arena).map(({ block }) => block),
    [0, 2, 3],
  )
})

for (const start of [2 ** 31 - 20, 2 ** 32 - 20]) {
  test(`the newest records are kept when the sequence number passes ${start + 20}`, () => {
    const arena = smallArena({ traceEntries: 8 })
    const tracer = new Tracer(arena, 0)
    arena.words[arena.traceAt] = start
    for (let i = 0; i < 60; i++) {
      tracer.record(TRACE['block.acquire'], 0, i, 0)
      const first = Math.max(0, i - 7)
      assert.equal(
        readTrace(arena).map(({ block }) => block),
        Array.from({ length: i + 1 - first }, (_, j) => first + j),
      )
    }
  })
}

test('every point has a name of its own', () => {
  assert.is(new Set(TRACE_POINTS).size, TRACE_POINTS.length)
  for (const point of TRACE_POINTS) assert.is(TRACE_POINTS[TRACE[point]], point)
})

test('threads record concurrently: each thread’s records are in order and none are mixed', async () => {
  for (const [traceEntries, each] of [
    [16_384, 4000],
    [64, 50_000],
  ] as const) {
    const arena = smallArena({ traceEntries })
    const done = inThreads(bodies, 'record', { threads: 4, buffer: arena.buffer, args: { each } })
    let isDone = false
    let reads = 0
    void done.finally(() => (isDone = true))
    do {
      const last = [-1, -1, -1, -1]
      const records = readTrace(arena)
      assert.ok(records.length <= traceEntries)
      for (const { point, slot, partition, block, value } of records) {
        assert.equal([point, partition, value], [TRACE_POINTS[slot], slot, block ^ slot])
        assert.ok(block > last[slot]!)
        last[slot] = block
      }
      reads++
      await new Promise((resolve) => setTimeout(resolve, 1))
    } while (!isDone)
    await done
    // Where a writer was overtaken by a whole lap of the ring, its record is left out.
    const count = readTrace(arena).length
    assert.ok(4 * each > traceEntries ? count > 0 : count === 4 * each, `${count} of ${traceEntries}`)
    assert.ok(reads > 0)
  }
})

test('when off, a cache keeps no records and uses no memory for them', () =>
  withCache({ cached: 10 }, async ({ cache, data, arena }) => {
    ;(await data.acquire(0, 'read')).release()
    assert.equal(cache.trace(), [])
    assert.is(arena.geometry.traceEntries, 0)
    assert.ok(arena.layout.data - arena.layout.trace < 4096)
  }))

test('when on, it shows what happened to a block', () =>
  withCache({ cached: 2, traceEntries: 256, flushDelayMs: 1e9 }, async ({ cache, data }) => {
    ;(await data.acquire(5, 'read')).release()
    await data.write(new Uint8Array(512), 5 * 512, 'trailer')
    await cache.flush()
    for (const block of [6, 7, 8]) (await data.acquire(block, 'read')).release()
    const records = cache.trace()
    const ofBlock = records.filter(
      ({ block, point }) => block === 5 && /^(block|work)[.](load|acquire|dirty|write|evict)/.test(point),
    )
    assert.equal(
      ofBlock.map(({ point, value }) => (point === 'block.dirty' ? `${point} ${value}` : point)),
      ['block.load', 'block.acquire', 'block.acquire', 'block.dirty 3', 'work.write', 'block.evict'],
    )
    for (let i = 1; i < records.length; i++) assert.ok(records[i]!.atMs - records[i - 1]!.atMs >= -5)
  }))

test('attaching, detaching and the start of the engine’s threads are trace points', () =>
  withCache({ traceEntries: 64 }, async ({ cache }) => {
    await inThread(cache.handle, 0, () => undefined)
    const points = cache.trace().map(({ point }) => point)
    for (const point of ['proc.attach', 'proc.detach', 'proc.start']) assert.ok(points.includes(point), point)
  }))

test('release is a trace point', () =>
  withCache({ traceEntries: 64 }, async ({ cache, data }) => {
    for (const mode of ['read', 'modify'] as const) (await data.acquire(5, mode)).release()
    assert.is(cache.trace().filter(({ point }) => point === 'block.release').length, 2)
  }))

test('all threads have one clock', () =>
  withCache({ traceEntries: 64 }, async ({ cache, data }) => {
    ;(await data.acquire(5, 'read')).release()
    await inThread(cache.handle, 0, ({ client }) => {
      client.partition('data').acquireSync(6, 'read').release()
      client.detach()
    })
    ;(await data.acquire(7, 'read')).release()
    const loads = cache.trace().filter(({ point }) => point === 'block.load')
    assert.equal(
      loads.map(({ block }) => block),
      [5, 6, 7],
    )
    assert.is(new Set(loads.map(({ slot }) => slot)).size, 2)
  }))

test('a cache’s trace keeps the newest records', () =>
  withCache({ cached: 4, traceEntries: 8 }, async ({ cache, data }) => {
    for (let i = 0; i < 100; i++) (await data.acquire(0, 'read')).release()
    ;(await data.acquire(9, 'read')).release()
    const records = cache.trace()
    assert.is(records.length, 8)
    assert.ok(records.some(({ point, block }) => point === 'block.load' && block === 9))
  }))

test.run()
