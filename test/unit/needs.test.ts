// Which threads of the engine are called, step by step.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Call, Needs } from '#dist/core/write-back/needs.js'
import { freePartition } from '#dist/shared/engine-state.js'
import { Job, JobState, Partition } from '#dist/shared/words.js'
import { smallArena, smallContext } from '../support/small-context.js'

function fresh() {
  const partitions = { a: { path: 'a', blockSize: 512 }, b: { path: 'b', blockSize: 512 } }
  const context = smallContext(smallArena({ partitions }))
  const calls: Call[] = []
  const needs = new Needs(context, (call) => calls.push(call))
  const change = (partition: number) => {
    context.words[context.arena.partitionAt(partition) + Partition.changed] = 1
  }
  return { context, calls, needs, change }
}

test('a writer for each partition that begins to be changed, once', () => {
  const { calls, needs, change } = fresh()
  needs.look()
  assert.is(needs.idleMs(), Infinity)
  change(1)
  needs.look()
  needs.look()
  change(0)
  needs.look()
  assert.equal(calls, [
    { calls: 'writer', writer: 0 },
    { calls: 'writer', writer: 1 },
  ])
  assert.ok(needs.idleMs() > 0 && needs.idleMs() <= 10_000)
})

test('a writer that is just leaving is not called again, and no other in its place', () => {
  const { context, calls, needs, change } = fresh()
  const state = context.arena.jobAt(0) + Job.state
  context.words[state] = JobState.LEAVING
  change(0)
  needs.look()
  assert.equal(calls, [])
  context.words[state] = JobState.ASKED // the job of that change, once it has left
  needs.look()
  assert.equal(calls, [{ calls: 'writer', writer: 0 }])
})

test('a partition that was dropped needs nothing, and nothing is waited for', () => {
  const { context, needs, change } = fresh()
  change(1)
  needs.look()
  assert.ok(needs.idleMs() < Infinity)
  freePartition(context.arena, 1)
  needs.look()
  assert.is(needs.idleMs(), Infinity)
})

test.run()
