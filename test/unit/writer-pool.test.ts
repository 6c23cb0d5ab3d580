// Which writer gets a job: none whose last result was not read.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NO_WRITER, WriterPool } from '#dist/core/write-back/writer-pool.js'
import { Job, JobState } from '#dist/shared/words.js'
import { smallArena, smallContext } from '../support/small-context.js'

test('a writer that has answered gets no job before its answer was read', () => {
  const context = smallContext(smallArena({ maxPartitions: 1 }))
  const { words, arena } = context
  const pool = new WriterPool(context)
  const writer = pool.choose(0)
  assert.is(writer, 0)
  assert.ok(pool.asks(writer, 0, 0, 1))
  assert.is(pool.choose(0), NO_WRITER)
  words[arena.jobAt(writer) + Job.state] = JobState.IDLE
  assert.ok(pool.isIdle(writer))
  assert.is(pool.choose(0), NO_WRITER)
  pool.give(writer)
  assert.is(pool.choose(0), writer)
})

test('a writer that leaves gets no job', () => {
  const context = smallContext(smallArena({ maxPartitions: 1 }))
  const pool = new WriterPool(context)
  context.words[context.arena.jobAt(0) + Job.state] = JobState.LEAVING
  assert.is(pool.choose(0), NO_WRITER)
  assert.not(pool.asks(0, 0, 0, 1))
})

test.run()
