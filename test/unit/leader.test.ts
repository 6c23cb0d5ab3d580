// Rounds that a thread leads when it flushes: which rounds these are, and what a failure does.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InlineEngine } from '../support/inline-engine.js'
import { MemoryDevice } from '../support/memory-device.js'
import { flush } from '#dist/core/changes/rounds.js'
import { runSync } from '#dist/shared/wait.js'
import { Group, Job, JobResult, Led, Partition } from '#dist/shared/words.js'

const BLOCK = 512

function engineOf(groups = 1) {
  const device = new MemoryDevice(64 * BLOCK)
  const partitions = Object.fromEntries(
    Array.from({ length: groups }, (_, i) => [
      `p${i}`,
      { device: i === 0 ? device : new MemoryDevice(64 * BLOCK), blockSize: BLOCK, group: `g${i}` },
    ]),
  )
  const engine = new InlineEngine({ blocks: 64, partitions })
  const { words, arena } = engine.context
  return {
    engine,
    device,
    change: (block: number, value: number, partition = 'p0') => {
      engine.client.partition(partition).writeSync(new Uint8Array(BLOCK).fill(value), block * BLOCK)
    },
    /** Whether a writer has done a job. */
    hasWriterWorked: () => words[arena.jobAt(0) + Job.result] !== JobResult.NONE,
    leader: () => words[arena.groupAt(0) + Group.leader],
    calls: () => words[arena.partitionAt(0) + Partition.calls]!,
  }
}

test('a thread that flushes a few blocks writes them itself', () => {
  const { engine, device, change, hasWriterWorked, leader, calls } = engineOf()
  for (let block = 0; block < 16; block++) change(block, 7)
  engine.client.flushSync()
  assert.is(device.durable[15 * BLOCK], 7)
  assert.not(hasWriterWorked())
  assert.is(leader(), Led.NONE)
  assert.is(calls() % 2, 0)
  assert.is(engine.client.stats().dirty, 0)
  assert.equal(engine.checkQuiet(), [])
})

test('the flush worker runs a round of many blocks, of several groups, and one that another call asks for', () => {
  const many = engineOf()
  for (let block = 0; block < 17; block++) many.change(block, 7)
  many.engine.client.flushSync()
  assert.ok(many.hasWriterWorked())

  const two = engineOf(2)
  two.change(0, 7)
  two.change(0, 7, 'p1')
  two.engine.client.flushSync()
  assert.ok(two.hasWriterWorked())

  const asked = engineOf()
  asked.change(0, 7)
  runSync(flush(asked.engine.context, [{ group: 0 }]), true)
  assert.ok(asked.hasWriterWorked())
})

test('a failure fences the partition, as in a round of the flush worker, and a retry writes everything again', () => {
  for (const kind of ['write', 'sync']) {
    const { engine, device, change, leader } = engineOf()
    change(3, 7)
    device.before = (call) => {
      if (call.kind === kind) throw Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 })
    }
    assert.throws(() => {
      engine.client.flushSync()
    }, /ERR_DCACHE_FENCED|still dirty/)
    assert.equal(
      engine.events.map((event) => event.kind),
      ['fenced'],
    )
    assert.is(leader(), Led.NONE)
    device.before = undefined
    engine.retry('p0')
    assert.is(device.durable[3 * BLOCK], 7)
    assert.equal(engine.checkQuiet(), [])
  }
})

test.run()
