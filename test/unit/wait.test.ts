// Waiting: the blocking and the asynchronous driver of a slow path, slices, deadlines, aborts, and paths that may not wait.

import { getEventListeners } from 'node:events'
import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import { CacheError } from '#dist/shared/errors.js'
import {
  Deadline,
  runAsync,
  runSync,
  sleep,
  SLICE_MS,
  type Slow,
  type Step,
  timedOut,
} from '#dist/shared/wait.js'
import { inThreads } from '../support/threads.js'

const bodies = import.meta.resolve('./workers/wait.js')
const fresh = () => new Int32Array(new SharedArrayBuffer(64))
const isCode = (code: string) => (error: unknown) => error instanceof CacheError && error.code === code
const late = () => timedOut('the thing', 1234)

/** A path that notes what happens to it. */
function* noting(notes: string[], ...steps: Step[]): Slow<string> {
  try {
    for (const step of steps) {
      notes.push(step.kind)
      yield step
    }
    return 'result'
  } catch (error) {
    notes.push('caught')
    throw error
  } finally {
    notes.push('finally')
  }
}

const io = (sync: () => void, async: () => Promise<void>): Step => ({
  kind: 'io',
  what: 'the disk',
  sync,
  async,
})
const none = () => undefined
const fail = (): never => {
  throw new Error('EIO')
}

const drivers: [string, <T>(path: Slow<T>) => Promise<T>][] = [
  ['sync', async (path) => runSync(path, true)],
  ['async', (path) => runAsync(path)],
]

for (const [name, run] of drivers) {
  const both = suite(name)

  both('a path without waits returns at once', async () => {
    const notes: string[] = []
    assert.is(await run(noting(notes)), 'result')
    assert.equal(notes, ['finally'])
  })

  both('waits and calls are made in turn', async () => {
    const words = fresh()
    const notes: string[] = []
    const call = io(
      () => notes.push('did'),
      async () => void notes.push('did'),
    )
    const wait: Step = { kind: 'wait', words, at: 0, value: 0, timeoutMs: 5 }
    assert.is(await run(noting(notes, call, wait, call)), 'result')
    assert.equal(notes, ['io', 'did', 'wait', 'io', 'did', 'finally'])
  })

  both('a word that has changed is not waited for', async () => {
    const words = fresh()
    const notes: string[] = []
    const startMs = performance.now()
    await run(noting(notes, { kind: 'wait', words, at: 0, value: 1, timeoutMs: 100_000 }))
    assert.ok(performance.now() - startMs < 90_000)
  })

  both('an error of a call is thrown into the path and rejects it', async () => {
    const notes: string[] = []
    const error = await run(
      noting(
        notes,
        io(fail, async () => fail()),
      ),
    ).catch((e: unknown) => e)
    assert.is((error as Error).message, 'EIO')
    assert.equal(notes, ['io', 'caught', 'finally'])
  })

  both('a path may catch the error and continue', async () => {
    function* path(): Slow<string> {
      try {
        yield io(fail, async () => fail())
      } catch {
        yield io(none, async () => undefined)
        return 'continued'
      }
      return 'never'
    }
    assert.is(await run(path()), 'continued')
  })

  both('a deadline ends a wait without a wakeup', async () => {
    const words = fresh()
    function* path(deadline: Deadline): Slow<void> {
      for (;;) yield* sleep(words, 0, 0, deadline, late)
    }
    const startMs = performance.now()
    const error = await run(path(new Deadline(400))).catch((e: unknown) => e)
    assert.ok(isCode('ERR_DCACHE_TIMEOUT')(error))
    assert.match((error as Error).message, 'the thing (waited 1234 ms)')
    assert.ok(performance.now() - startMs >= 399)
  })

  both('another thread ends a wait', async () => {
    const words = fresh()
    const done = inThreads(bodies, 'change', { threads: 1, buffer: words.buffer })
    function* path(): Slow<number> {
      while (words[0] === 0) yield* sleep(words, 0, 0, new Deadline(), late)
      return words[0]!
    }
    // The blocking driver would prevent this thread from starting the other.
    if (name === 'sync') await done
    assert.is(await run(path()), 7)
    await done
  })
  both.run()
}

test('one sleep is at most a slice, and never longer than the time left', () => {
  const words = fresh()
  const step = (timeoutMs: number): Step => {
    const { value } = sleep(words, 3, 4, new Deadline(timeoutMs), late).next()
    return value as Step
  }
  assert.equal(step(60_000), { kind: 'wait', words, at: 3, value: 4, timeoutMs: SLICE_MS })
  const short = step(100)
  assert.ok(short.kind === 'wait' && short.timeoutMs > 0 && short.timeoutMs <= 100)
  assert.equal(step(Infinity), { kind: 'wait', words, at: 3, value: 4, timeoutMs: SLICE_MS })
  assert.throws(() => step(0), isCode('ERR_DCACHE_TIMEOUT'))
})

test('the waits of two blocked threads last many slices', async () => {
  const words = fresh()
  const turns = await inThreads<number>(bodies, 'slices', { threads: 2, buffer: words.buffer })
  assert.ok(
    turns.every((count) => count >= 2),
    String(turns),
  )
})

test('in a thread that may not block, a path fails at its first wait and cleans up', () => {
  const words = fresh()
  const wait: Step = { kind: 'wait', words, at: 0, value: 0, timeoutMs: 100_000 }
  for (const [step, what] of [
    [wait, 'another thread'],
    [io(fail, async () => fail()), 'the disk'],
  ] as const) {
    const notes: string[] = []
    assert.throws(
      () => runSync(noting(notes, step, step), false),
      (error: unknown) => isCode('ERR_DCACHE_WOULD_BLOCK')(error) && (error as Error).message.includes(what),
    )
    assert.equal(notes, [step.kind, 'caught', 'finally'])
  }
  assert.is(runSync(noting([]), false), 'result', 'a path without waits succeeds')
})

test('an abort ends a wait at once', async () => {
  const words = fresh()
  const notes: string[] = []
  const controller = new AbortController()
  const wait: Step = { kind: 'wait', words, at: 0, value: 0, timeoutMs: 100_000 }
  const running = runAsync(noting(notes, wait, wait), controller.signal).catch((e: unknown) => e)
  assert.equal(notes, ['wait'])
  const startMs = performance.now()
  controller.abort('enough')
  const error = await running
  assert.ok(performance.now() - startMs < 90_000)
  assert.ok(isCode('ERR_DCACHE_ABORTED')(error))
  assert.is((error as Error).cause, 'enough')
  assert.equal(notes, ['wait', 'caught', 'finally'])
})

test('an abort takes effect after a call into the system ends', async () => {
  const notes: string[] = []
  const controller = new AbortController()
  let finish: () => void = none
  const call = io(fail, () =>
    new Promise<void>((resolve) => (finish = resolve)).then(() => void notes.push('did')),
  )
  let isOver = false
  const running = runAsync(noting(notes, call, call), controller.signal)
    .catch((e: unknown) => e)
    .finally(() => (isOver = true))
  controller.abort()
  await new Promise(setImmediate)
  assert.not.ok(isOver)
  finish()
  assert.ok(isCode('ERR_DCACHE_ABORTED')(await running))
  assert.equal(notes, ['io', 'did', 'io', 'caught', 'finally'])
})

test('a signal keeps no listener', async () => {
  const words = fresh()
  const { signal } = new AbortController()
  const wait: Step = { kind: 'wait', words, at: 0, value: 0, timeoutMs: 5 }
  await runAsync(noting([], wait, wait, wait), signal)
  assert.equal(getEventListeners(signal, 'abort'), [])
})

test('many waits with one signal add one listener, which the last of them removes', async () => {
  const words = fresh()
  const { signal } = new AbortController()
  const wait = (timeoutMs: number): Step => ({ kind: 'wait', words, at: 0, value: 0, timeoutMs })
  const long = Array.from({ length: 50 }, () => runAsync(noting([], wait(100_000)), signal))
  const short = Array.from({ length: 50 }, () => runAsync(noting([], wait(5)), signal))
  assert.is(getEventListeners(signal, 'abort').length, 1)
  await Promise.all(short)
  assert.is(getEventListeners(signal, 'abort').length, 1, 'other waits still need it')
  Atomics.notify(words, 0)
  await Promise.all(long)
  assert.equal(getEventListeners(signal, 'abort'), [])
})

test('an abort ends all waits of its signal, in the order in which they began, and no other waits', async () => {
  const words = fresh()
  const [one, other] = [new AbortController(), new AbortController()]
  const wait: Step = { kind: 'wait', words, at: 0, value: 0, timeoutMs: 100_000 }
  const order: number[] = []
  const waits = Array.from({ length: 30 }, (_, i) =>
    runAsync(noting([], wait, wait), one.signal).catch((error: unknown) => {
      assert.ok(isCode('ERR_DCACHE_ABORTED')(error))
      assert.is((error as Error).cause, 'enough')
      order.push(i)
    }),
  )
  const kept = runAsync(noting([], wait), other.signal)
  one.abort('enough')
  await Promise.all(waits)
  assert.equal(
    order,
    Array.from({ length: 30 }, (_, i) => i),
  )
  assert.equal(getEventListeners(one.signal, 'abort'), [])
  Atomics.notify(words, 0)
  assert.is(await kept, 'result')
  const late = await runAsync(noting([], wait), one.signal).catch((error: unknown) => error)
  assert.ok(isCode('ERR_DCACHE_ABORTED')(late), 'aborted before it began')
  assert.equal(getEventListeners(one.signal, 'abort'), [])
})

test('a path may wait for a turn of the event loop or for another task', async () => {
  let isServed = false
  setImmediate(() => (isServed = true))
  await runAsync(noting([], { kind: 'turn', what: 'a turn', timeoutMs: 0 }))
  assert.ok(isServed, 'other tasks had their turn')
  let serve: () => void = none
  const turn = new Promise<void>((resolve) => (serve = resolve))
  const task: Step = { kind: 'turn', what: 'a task', turn, timeoutMs: 100_000 }
  setImmediate(() => {
    serve()
  })
  await runAsync(noting([], task))
  await runAsync(noting([], { ...task, turn: new Promise(none), timeoutMs: 5 }))
  const controller = new AbortController()
  const running = runAsync(noting([], { ...task, turn: new Promise(none) }), controller.signal)
  controller.abort()
  assert.ok(isCode('ERR_DCACHE_ABORTED')(await running.catch((e: unknown) => e)))
  assert.throws(() => runSync(noting([], task), true), isCode('ERR_DCACHE_WOULD_BLOCK'))
})

test('a wait keeps its process alive, a background wait does not', async () => {
  const [kept] = await inThreads<boolean[]>(bodies, 'keepsAlive', { threads: 1, buffer: fresh().buffer })
  assert.equal(kept, [false, true, true, false, false, false])
})

test('a deadline counts from its creation', () => {
  const deadline = new Deadline(50_000)
  assert.is(deadline.timeoutMs, 50_000)
  assert.ok(deadline.leftMs() <= 50_000 && deadline.leftMs() > 10_000)
  assert.is(new Deadline().timeoutMs, 30_000)
  assert.ok(new Deadline(0).leftMs() <= 0)
})

test.run()
