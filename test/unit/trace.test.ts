// The trace ring: the newest records in order, whole ones only, and nothing at all when it is off.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { clockMs } from '#dist/shared/clock.js'
import { readTrace, TRACE, TRACE_POINTS, Tracer } from '#dist/shared/trace.js'
import { smallArena } from '../support/small-context.js'
import { inThreads } from '../support/threads.js'

const bodies = import.meta.resolve('./workers/trace.js')

test('off, there is nothing', () => {
  const arena = smallArena()
  assert.equal(readTrace(arena), [])
})

test('a record comes back as it was', () => {
  const arena = smallArena({ traceEntries: 8 })
  const tracer = new Tracer(arena, 3)
  assert.equal(readTrace(arena), [])
  const before = clockMs()
  tracer.record(TRACE['block.load'], 1, 2 ** 32 - 1, 42)
  const [record, ...more] = readTrace(arena)
  assert.equal(more, [])
  const { atMs, ...rest } = record!
  assert.equal(rest, { point: 'block.load', slot: 3, partition: 1, block: 2 ** 32 - 1, value: 42 })
  assert.ok(((atMs - before) | 0) >= 0)
})

test('the newest are kept, in order', () => {
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
  arena.words[arena.traceAt + 16 + 8] = 0
  assert.equal(
    readTrace(arena).map(({ block }) => block),
    [0, 2, 3],
  )
})

for (const start of [2 ** 31 - 20, 2 ** 32 - 20]) {
  test(`the newest are kept where the sequence passes ${start + 20}`, () => {
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

test("threads record side by side: each one's in order, none mixed", async () => {
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
    // Where a writer was overtaken by a whole lap of the ring, a record is left out.
    const count = readTrace(arena).length
    assert.ok(4 * each > traceEntries ? count > 0 : count === 4 * each, `${count} of ${traceEntries}`)
    assert.ok(reads > 0)
  }
})

test.run()
