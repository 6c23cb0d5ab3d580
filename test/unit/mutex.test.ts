// The mutex: one holder, no lost wakeup, a deadline whose error names the holder, and contracts that debug builds assert.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { CacheError } from '#dist/shared/errors.js'
import { Mutex, RANK } from '#dist/shared/mutex.js'
import { Deadline, runAsync, runSync } from '#dist/shared/wait.js'
import { inThreads } from '../support/threads.js'
import { COUNTER, MUTEX } from './workers/mutex.js'

const bodies = import.meta.resolve('./workers/mutex.js')
const CONTENDED = 0x100

function fresh() {
  const buffer = new SharedArrayBuffer(256)
  const words = new Int32Array(buffer)
  return { buffer, words, mutex: new Mutex(words, MUTEX, RANK.policy, 'test') }
}

test('one thread at a time holds it', () => {
  const { words, mutex } = fresh()
  assert.is(mutex.holder(), -1)
  assert.ok(mutex.tryLock(0))
  assert.is(mutex.holder(), 0)
  assert.is(words[MUTEX], 1)
  assert.not.ok(mutex.tryLock(1))
  assert.not.ok(mutex.tryLock(0), 'not recursive')
  mutex.unlock()
  assert.is(words[MUTEX], 0)
  runSync(mutex.lock(253, new Deadline(0)), false)
  assert.is(mutex.holder(), 253)
  mutex.unlock()
})

test('the error of a missed deadline names the holder, and the lock stays as it was', async () => {
  const { words, mutex } = fresh()
  mutex.tryLock(7)
  const hasKey = (error: unknown): boolean => {
    assert.instance(error, CacheError)
    assert.is((error as CacheError).code, 'ERR_DCACHE_TIMEOUT')
    assert.match((error as CacheError).message, "'test' is held by slot 7")
    return true
  }
  assert.throws(() => runSync(mutex.lock(3, new Deadline(20)), true), hasKey)
  await runAsync(mutex.lock(3, new Deadline(20))).then(() => assert.unreachable(), hasKey)
  assert.is(mutex.holder(), 7)
  mutex.unlock()
  assert.is(words[MUTEX], 0)
})

test('a thread that slept locks it as contended, because others may be asleep', async () => {
  const { words, mutex } = fresh()
  mutex.tryLock(7)
  const locked = [1, 2].map(async (slot) => {
    await runAsync(mutex.lock(slot, new Deadline()))
    const word = words[MUTEX]!
    mutex.unlock()
    return word
  })
  assert.is(words[MUTEX], 8 | CONTENDED)
  mutex.unlock()
  const [first, second] = await Promise.all(locked)
  assert.equal([first, second], [2 | CONTENDED, 3 | CONTENDED])
  assert.is(words[MUTEX], 0)
})

test("a dead holder's lock can be taken over once, and its sleepers are woken", async () => {
  const { words, mutex } = fresh()
  mutex.tryLock(7)
  assert.not.ok(mutex.steal(6, 2), 'another has it')
  const waiting = runAsync(mutex.lock(1, new Deadline()))
  assert.ok(mutex.steal(7, 2))
  assert.not.ok(mutex.steal(7, 3))
  assert.is(mutex.holder(), 2)
  assert.is(words[MUTEX], 3 | CONTENDED, 'another thread may be asleep')
  mutex.unlock()
  await waiting
  assert.is(mutex.holder(), 1)
  mutex.unlock()
})

test('additions of four threads to a plain counter are not lost', async () => {
  for (const length of [1, 2000]) {
    const { buffer, words } = fresh()
    const sections = length === 1 ? 100_000 : 5000
    await inThreads(bodies, 'count', { threads: 4, buffer, args: { sections, length, firstAsync: 4 } })
    assert.is(words[COUNTER], 4 * sections)
    assert.is(words[MUTEX], 0)
  }
})

test('threads that block and threads that await share it', async () => {
  const { buffer, words } = fresh()
  const sections = 2000
  await inThreads(bodies, 'count', { threads: 4, buffer, args: { sections, length: 2000, firstAsync: 2 } })
  assert.is(words[COUNTER], 4 * sections)
  assert.is(words[MUTEX], 0)
})

test('every sleeper is woken when it becomes free', async () => {
  const { buffer, words, mutex } = fresh()
  mutex.tryLock(9)
  const done = inThreads(bodies, 'sleepers', { threads: 4, buffer })
  while (Atomics.load(words, MUTEX) !== (10 | CONTENDED)) await sleep(5)
  await sleep(50) // until the other threads are asleep too
  mutex.unlock()
  await done
  assert.is(words[COUNTER], 4)
})

test('debug builds assert that the caller holds it, and the order of ranks', async () => {
  const said = await inThreads<string[]>(bodies, 'contracts', {
    threads: 1,
    buffer: new SharedArrayBuffer(256),
    env: { DCACHE_DEBUG: '1' },
  })
  assert.equal(said[0], [
    '',
    "contract: 'round' is not held by slot 3",
    "lock order: slot 3 takes 'stripe' while it holds 'policy'",
    "lock order: slot 3 takes 'policy of another' while it holds 'policy'",
  ])
})

test.run()
