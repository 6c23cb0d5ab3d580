// Which writer gets a job: none whose last result was not read.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NO_WRITER, WriterPool } from '#dist/core/write-back/writer-pool.js'
import { writerSlot } from '#dist/shared/layout.js'
import { Job, JobState, Slot, SlotState } from '#dist/shared/words.js'
import { smallArena, smallContext } from '../support/small-context.js'

test('a writer that has answered gets no job before its answer was read', () => {
  const context = smallContext(smallArena({ maxPartitions: 1 }))
  const { words, arena } = context
  const pool = new WriterPool(context)
  const writer = pool.choose(0)
  assert.is(writer, 0)
  assert.ok(pool.asks(writer, 0, 0, 1, 1))
  assert.is(pool.choose(0), NO_WRITER)
  words[arena.jobAt(writer) + Job.state] = JobState.IDLE
  assert.ok(pool.isIdle(writer))
  assert.is(pool.choose(0), NO_WRITER)
  pool.give(writer)
  assert.is(pool.choose(0), writer)
})

test('with a thread the one that had the partition is first; without threads the first of all', () => {
  const context = smallContext(smallArena({ maxPartitions: 3 }))
  const { words, arena } = context
  const pool = new WriterPool(context)
  words[arena.jobAt(0) + Job.partition] = 2
  assert.equal([pool.choose(0), pool.choose(2)], [0, 0])
  for (const [writer, partition] of [
    [1, 2],
    [2, 1],
  ] as const) {
    words[arena.slotAt(writerSlot(writer)) + Slot.state] = SlotState.LIVE
    words[arena.jobAt(writer) + Job.partition] = partition
  }
  assert.equal([pool.choose(0), pool.choose(1), pool.choose(2)], [1, 2, 1])
})

test('a writer that leaves gets no job', () => {
  const context = smallContext(smallArena({ maxPartitions: 1 }))
  const pool = new WriterPool(context)
  context.words[context.arena.jobAt(0) + Job.state] = JobState.LEAVING
  assert.is(pool.choose(0), NO_WRITER)
  assert.not(pool.asks(0, 0, 0, 1, 1))
})

test.run()
