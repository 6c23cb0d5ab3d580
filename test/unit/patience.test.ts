// How long the engine waits, and how it judges a wait: waiting for a lock is no failure of the device, a long call into the
// system is progress, and an engine that stops is neither. The tests control the clock.

import { InlineEngine } from '../support/inline-engine.js' // first: it must be loaded before the engine
import { setSleeper } from '../support/inline-sleep.js'
import { performance } from 'node:perf_hooks'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { flush } from '#dist/core/changes/rounds.js'
import { MemoryDevice } from '../support/memory-device.js'
import { assertRefusal, refusalNow } from '../support/open.js'
import { EngineState, Group, Header, Job, JobState, Partition } from '#dist/shared/words.js'

const realNow = performance.now.bind(performance)

/** A cache with one dirty block that a guard is changing again, so that its writer needs the round mutex. */
function dirty() {
  const device = new MemoryDevice(512 * 16)
  const engine = new InlineEngine({ blocks: 32, partitions: { a: { device, blockSize: 512 } } })
  const a = engine.client.partition('a')
  a.writeSync(new Uint8Array(512).fill(1), 0)
  const guard = a.acquireSync(0, 'modify')
  const { words, arena } = engine.context
  return {
    engine,
    device,
    guard,
    words,
    jobAt: arena.jobAt(0) + Job.state,
    groupAt: arena.groupAt(0),
  }
}

const writer = suite('the writer')

writer('waits for a lock however long it takes', () => {
  const { engine, guard, words, groupAt } = dirty()
  engine.client.kick()
  engine.stepFlusher()
  const mutex = engine.context.roundMutexes[0]!
  assert.ok(mutex.tryLock(engine.context.slot.index))
  let clockMs = realNow()
  performance.now = () => clockMs
  try {
    let slices = 0
    setSleeper(engine.arena.buffer, () => {
      clockMs += 10_000
      if (++slices === 10) mutex.unlock()
    })
    assert.ok(engine.stepWriter(0))
    assert.is(slices, 10)
  } finally {
    performance.now = realNow
  }
  engine.settle()
  guard.release()
  assert.equal(engine.events, [], 'nothing was fenced')
  assert.is(words[groupAt + Group.dirty], 0)
  assert.equal(engine.checkQuiet(), [])
})

writer('does not report the end of the engine as a failure of the device', () => {
  const { engine, words, jobAt, groupAt } = dirty()
  engine.client.kick()
  engine.stepFlusher()
  assert.ok(engine.context.roundMutexes[0]!.tryLock(engine.context.slot.index))
  setSleeper(engine.arena.buffer, () => {
    words[Header.state] = EngineState.CLOSED
  })
  assert.ok(engine.stepWriter(0))
  assert.is(words[jobAt], JobState.IDLE)
  engine.context.roundMutexes[0]!.unlock()
  engine.stepFlusher()
  assert.equal([engine.events, words[groupAt + Group.failures]], [[], 0])
})

writer('does not report an order to stop as a failure', () => {
  const { engine, words, jobAt, groupAt } = dirty()
  words[jobAt] = JobState.STOP
  engine.client.kick()
  engine.stepFlusher()
  engine.stepFlusher()
  assert.equal([engine.events, words[groupAt + Group.failures]], [[], 0])
})

writer('throws any other error, and its job can be done again', () => {
  const { engine, guard, jobAt, words } = dirty()
  engine.client.kick()
  engine.stepFlusher()
  // At every point of the job.
  const views = Object.getPrototypeOf(engine.context.partitions.at(0)) as {
    count: (counter: number, by?: number) => void
  }
  const { count } = views
  views.count = () => {
    throw new TypeError('a fault of the engine')
  }
  try {
    assert.throws(() => engine.stepWriter(0), /a fault of the engine/)
  } finally {
    views.count = count
  }
  assert.is(words[jobAt], JobState.ASKED)
  engine.settle()
  guard.release()
  assert.equal(engine.events, [])
  assert.equal(engine.checkQuiet(), [])
})

for (const [call, syscall] of [
  ['writeSync', 'write'],
  ['syncSync', 'fsync'],
] as const) {
  writer(`reports an error thrown by ${call} of the device as a failed ${syscall}`, () => {
    const { engine, device, guard } = dirty()
    device[call] = () => {
      throw Object.assign(new Error('on purpose'), { errno: -28 })
    }
    refusalNow('ERR_DCACHE_FENCED', () => engine.client.flushSync(), 'ENOSPC', syscall)
    guard.release()
  })
}

writer.run()

const patience = suite('a flush')

/** Steps a flush by hand: `pass` advances the clock, lets the flush recheck, and returns what it throws. */
function flushing() {
  const made = dirty()
  const { engine } = made
  let clockMs = realNow()
  performance.now = () => clockMs
  const steps = flush(engine.context, [{ group: 0 }])
  steps.next()
  return {
    ...made,
    callsAt: engine.arena.partitionAt(0) + Partition.calls,
    pass: (ms: number): unknown => {
      clockMs += ms
      try {
        assert.not.ok(steps.next().done)
        return undefined
      } catch (error) {
        return error
      }
    },
  }
}

patience.after.each(() => {
  performance.now = realNow
})

patience('ends after its time if nothing moves', () => {
  const { pass } = flushing()
  assert.is(pass(29_000), undefined)
  assertRefusal('ERR_DCACHE_TIMEOUT', pass(1001), 'no block was written')
})

patience('lasts while a call of the writer takes minutes', () => {
  const { pass, words, callsAt } = flushing()
  words[callsAt]!++
  for (let i = 0; i < 5; i++) assert.is(pass(100_000), undefined)
  words[callsAt]!++
  assert.is(pass(29_000), undefined)
  assert.is(pass(29_000), undefined, 'counted from the end of the call')
  assertRefusal('ERR_DCACHE_TIMEOUT', pass(2000), 'no block was written')
})

patience('ends even if a call never does', () => {
  const { pass, words, callsAt } = flushing()
  words[callsAt]!++
  assert.is(pass(1), undefined)
  assert.is(pass(599_000), undefined)
  assertRefusal('ERR_DCACHE_TIMEOUT', pass(2000), "one write or fsync of 'a' does not return")
})

patience.run()
