// The condition: a signal without waiters changes nothing, and a signal with waiters is never lost.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Condition } from '#dist/shared/condition.js'
import { CacheError } from '#dist/shared/errors.js'
import { Deadline, runAsync, runSync, timedOut } from '#dist/shared/wait.js'
import { inThreads } from '../support/threads.js'
import { EPOCH, SLEEPS, TOKENS, WAITERS } from './workers/condition.js'

const bodies = import.meta.resolve('./workers/condition.js')

function fresh() {
  const buffer = new SharedArrayBuffer(256)
  const words = new Int32Array(buffer)
  return { buffer, words, condition: new Condition(words, EPOCH, WAITERS) }
}

test('a signal changes the epoch only if a waiter is about to check', () => {
  const { words, condition } = fresh()
  condition.signal()
  assert.is(words[EPOCH], 0, 'no thread waits')
  assert.is(condition.enter(), 0)
  assert.is(condition.enter(), 0)
  condition.signal()
  assert.is(words[EPOCH], 1)
  condition.signal()
  assert.is(words[EPOCH], 1, 'all such waiters have been told already')
  assert.is(condition.enter(), 1)
  condition.signal()
  assert.is(words[EPOCH], 2)
  condition.broadcast()
  assert.is(words[EPOCH], 3, 'a broadcast changes it always')
})

test('a signal wakes all sleeping threads', async () => {
  const { words, condition } = fresh()
  const asleep = [1, 2].map(() => Atomics.waitAsync(words, condition.at, condition.enter(), 60_000))
  condition.signal()
  for (const sleeper of asleep) assert.is(await sleeper.value, 'ok')
})

test('a wait ends with the ready value, or with its deadline or abort', async () => {
  const { words, condition } = fresh()
  const late = () => timedOut('the thing', 0)
  const soon = () => new Deadline(10)
  assert.is(
    runSync(
      condition.until(() => 0, soon, late),
      false,
    ),
    0,
    'no wait when a value is ready, of whatever kind',
  )
  assert.throws(
    () =>
      runSync(
        condition.until(() => undefined, soon, late),
        false,
      ),
    (error: unknown) => error instanceof CacheError && error.code === 'ERR_DCACHE_WOULD_BLOCK',
  )
  let looks = 0
  const stop = () => {
    if (++looks === 2) throw new Error('told to')
    return new Deadline()
  }
  const told = runAsync(condition.until(() => undefined, stop, late)).catch((error: unknown) => error)
  condition.signal()
  assert.is(((await told) as Error).message, 'told to')
  const waiting = runAsync(
    condition.until(
      () => (words[TOKENS] === 0 ? undefined : words[TOKENS]),
      () => new Deadline(),
      late,
    ),
  )
  words[TOKENS] = 5
  condition.signal()
  assert.is(await waiting, 5)
})

test('no signal is lost between threads', async () => {
  const { buffer, words } = fresh()
  const each = 20_000
  await inThreads(bodies, 'tokens', { threads: 6, buffer, args: { each } })
  assert.is(words[TOKENS], 0)
  assert.ok(words[SLEEPS]! > 0, 'some waits slept')
  console.log(`\n# ${words[SLEEPS]!} sleeps for ${3 * each} tokens`)
})

test('the one signal that a thread waits for is not lost among others', async () => {
  const { buffer, words } = fresh()
  await inThreads(bodies, 'bursts', { threads: 2, buffer, args: { each: 12_000 } })
  assert.is(words[TOKENS], 0)
  console.log(`\n# ${words[SLEEPS]!} sleeps for 12000 tokens`)
})

test.run()
