// The latch of a frame: each transition of the table in latch.ts, and then real threads.

import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  downgrade,
  freeze,
  handOver,
  pinsOf,
  prepareWait,
  thaw,
  tryLatch,
  tryPin,
  tryPinPastWaiters,
  unlatch,
  unpin,
  waitOut,
  wakeAll,
  writerOf,
} from '#dist/shared/latch.js'
import { Deadline, runSync, timedOut } from '#dist/shared/wait.js'
import { inThreads } from '../support/threads.js'
import { ARRIVED, FIRST, LATCH, SECOND, SLEEPS } from './workers/latch.js'
import { Latch } from '#dist/shared/words.js'

const bodies = import.meta.resolve('./workers/latch.js')
const latched = (slot: number): number => (slot + 1) << 16

function fresh(word = 0) {
  const buffer = new SharedArrayBuffer(512)
  const words = new Int32Array(buffer)
  words[LATCH] = word
  return { buffer, words }
}

/** The word after an action on a latch that stood at `word`, and what the action gave back. */
function after<T>(word: number, action: (words: Int32Array<SharedArrayBuffer>) => T): [number, T] {
  const { words } = fresh(word)
  const result = action(words)
  return [words[LATCH]!, result]
}

/** Whether an action wakes somebody who sleeps on the latch's word. */
async function wakes(
  word: number,
  action: (words: Int32Array<SharedArrayBuffer>) => unknown,
): Promise<boolean> {
  const { words } = fresh(word)
  const asleep = Atomics.waitAsync(words, LATCH, word, 1000)
  assert.ok(asleep.async)
  action(words)
  // Who was not woken is still there to be counted.
  const left = Atomics.notify(words, LATCH)
  await asleep.value
  return left === 0
}

const table = suite('transitions')

table('the parts of a word', () => {
  assert.is(writerOf(0), -1)
  assert.is(writerOf(latched(0)), 0)
  assert.is(writerOf(latched(253) | Latch.WAIT_READER | Latch.WAIT_WRITER | Latch.FROZEN | 5), 253)
  assert.is(pinsOf(latched(253) | 7), 7)
  assert.is(latched(254) & ~Latch.WRITER, 0, 'every slot fits')
})

table('a pin goes in beside pins only', () => {
  const pin = (words: Int32Array<SharedArrayBuffer>) => tryPin(words, LATCH)
  assert.equal(after(0, pin), [1, true])
  assert.equal(after(41, pin), [42, true])
  for (const word of [
    latched(0),
    Latch.FROZEN,
    3 | Latch.FROZEN,
    3 | Latch.WAIT_WRITER,
    Latch.WAIT_WRITER,
    latched(2) | Latch.WAIT_READER,
  ])
    assert.equal(after(word, pin), [word, false])
})

table('a pin past waiters still not beside a writer or in the frost', () => {
  const pin = (words: Int32Array<SharedArrayBuffer>) => tryPinPastWaiters(words, LATCH)
  assert.equal(after(0, pin), [1, true])
  assert.equal(after(3 | Latch.WAIT_WRITER, pin), [4 | Latch.WAIT_WRITER, true])
  assert.equal(after(3 | Latch.WAIT_WRITER | Latch.WAIT_READER, pin), [
    4 | Latch.WAIT_WRITER | Latch.WAIT_READER,
    true,
  ])
  for (const word of [latched(0), latched(5) | Latch.WAIT_WRITER, Latch.FROZEN, 3 | Latch.FROZEN])
    assert.equal(after(word, pin), [word, false])
})

table('the latch goes to one when nobody is in, waiters or not', () => {
  const latch = (words: Int32Array<SharedArrayBuffer>) => tryLatch(words, LATCH, 6)
  assert.equal(after(0, latch), [latched(6), true])
  assert.equal(after(Latch.WAIT_WRITER, latch), [latched(6) | Latch.WAIT_WRITER, true])
  assert.equal(after(Latch.WAIT_READER, latch), [latched(6) | Latch.WAIT_READER, true])
  for (const word of [1, 3 | Latch.WAIT_WRITER, latched(6), latched(0) | Latch.WAIT_READER, Latch.FROZEN])
    assert.equal(after(word, latch), [word, false])
})

table('the last pin that leaves clears the waiters and wakes them', async () => {
  const leave = (words: Int32Array<SharedArrayBuffer>): void => unpin(words, LATCH)
  assert.is(after(1, leave)[0], 0)
  assert.is(after(3, leave)[0], 2)
  assert.is(after(1 | Latch.WAIT_WRITER | Latch.WAIT_READER, leave)[0], 0)
  assert.is(after(2 | Latch.WAIT_WRITER, leave)[0], 1 | Latch.WAIT_WRITER)
  assert.is(after(Latch.PINS, leave)[0], Latch.PINS - 1)
  assert.ok(await wakes(1 | Latch.WAIT_WRITER, leave))
  assert.ok(await wakes(1 | Latch.WAIT_READER, leave))
  assert.not.ok(await wakes(2 | Latch.WAIT_WRITER, leave), 'somebody is still in')
})

table('the writer that leaves clears the waiters and wakes them', async () => {
  const leave = (words: Int32Array<SharedArrayBuffer>): void => unlatch(words, LATCH)
  assert.is(after(latched(3), leave)[0], 0)
  assert.is(after(latched(3) | Latch.WAIT_READER | Latch.WAIT_WRITER, leave)[0], 0)
  assert.is(after(latched(3) | Latch.FROZEN, leave)[0], Latch.FROZEN)
  assert.ok(await wakes(latched(3) | Latch.WAIT_READER, leave))
  assert.ok(await wakes(latched(3) | Latch.WAIT_WRITER, leave))
})

table('a downgrade leaves one pin and wakes who waits', async () => {
  const lower = (words: Int32Array<SharedArrayBuffer>): void => downgrade(words, LATCH)
  assert.is(after(latched(3), lower)[0], 1)
  assert.is(after(latched(3) | Latch.WAIT_READER | Latch.WAIT_WRITER, lower)[0], 1)
  assert.ok(await wakes(latched(3) | Latch.WAIT_READER, lower))
  assert.ok(await wakes(latched(3) | Latch.WAIT_WRITER, lower))
})

table('waking without leaving', async () => {
  const wake = (words: Int32Array<SharedArrayBuffer>): void => wakeAll(words, LATCH)
  assert.is(after(latched(3) | Latch.WAIT_READER, wake)[0], latched(3))
  assert.is(after(2 | Latch.WAIT_WRITER, wake)[0], 2)
  assert.ok(await wakes(latched(3) | Latch.WAIT_READER, wake))
})

table('a waiter leaves its bit, or has nothing to wait for', () => {
  const wait = (alone: boolean) => (words: Int32Array<SharedArrayBuffer>) => prepareWait(words, LATCH, alone)
  for (const word of [1, 9, latched(2), Latch.FROZEN, latched(2) | Latch.WAIT_READER]) {
    const asleep = word | Latch.WAIT_WRITER
    assert.equal(after(word, wait(true)), [asleep, asleep])
  }
  for (const word of [latched(2), Latch.FROZEN, latched(2) | Latch.WAIT_WRITER, 4 | Latch.WAIT_WRITER]) {
    const asleep = word | Latch.WAIT_READER
    assert.equal(after(word, wait(false)), [asleep, asleep])
  }
  assert.equal(after(0, wait(true)), [0, 0])
  assert.equal(after(0, wait(false)), [0, 0])
  assert.equal(after(5, wait(false)), [5, 0], 'readers do not keep a reader out')
  assert.equal(after(Latch.WAIT_WRITER, wait(true)), [Latch.WAIT_WRITER, 0])
})

table('the bit of a writer that went away keeps no reader out', async () => {
  const wait = (words: Int32Array<SharedArrayBuffer>): number => prepareWait(words, LATCH, false)
  assert.equal(after(Latch.WAIT_WRITER, wait), [0, 0])
  assert.ok(await wakes(Latch.WAIT_WRITER, wait))
})

table('a latch goes from slot to slot, its waiters with it', () => {
  const hand = (words: Int32Array<SharedArrayBuffer>): void => handOver(words, LATCH, 9)
  assert.is(after(latched(3), hand)[0], latched(9))
  assert.is(
    after(latched(252) | Latch.WAIT_WRITER | Latch.WAIT_READER, hand)[0],
    latched(9) | Latch.WAIT_WRITER | Latch.WAIT_READER,
  )
})

table('the reaper freezes, counts and thaws', async () => {
  assert.is(
    after(3 | Latch.WAIT_WRITER, (words) => freeze(words, LATCH))[0],
    3 | Latch.WAIT_WRITER | Latch.FROZEN,
  )
  const word = 3 | Latch.WAIT_WRITER | Latch.FROZEN
  const toTwo = (words: Int32Array<SharedArrayBuffer>): boolean => thaw(words, LATCH, word, 2)
  assert.equal(after(word, toTwo), [2, true])
  assert.equal(after(word - 1, toTwo), [word - 1, false], 'one left meanwhile')
  assert.ok(await wakes(word, toTwo))
})

table('a slice of a wait: nothing in the way, not this frame, a deadline', () => {
  const late = () => timedOut('the block', 0)
  const wait = (words: Int32Array<SharedArrayBuffer>, still: () => boolean, deadline = new Deadline()) =>
    runSync(waitOut(words, LATCH, true, deadline, still, late), true)
  assert.equal(
    after(0, (words) => wait(words, () => true)),
    [0, false],
  )
  assert.is(after(latched(3), (words) => wait(words, () => false))[1], false)
  const { words } = fresh(latched(3))
  assert.throws(() => wait(words, () => true, new Deadline(0)), /the block/)
  assert.is(words[LATCH], latched(3), 'who gives up takes its bit away')
  assert.ok(
    wait(words, () => true, new Deadline(60_000)),
    'a slice',
  )
})

test('readers are in together, a writer is alone, and nobody is forgotten', async () => {
  const { buffer, words } = fresh()
  const changes = await inThreads<number>(bodies, 'readAndWrite', {
    threads: 4,
    buffer,
    args: { turns: 30_000 },
  })
  const sum = changes.reduce((a, b) => a + b)
  assert.is(words[FIRST], sum)
  assert.is(words[SECOND], sum)
  assert.is(words[LATCH]! & (Latch.PINS | Latch.WRITER), 0)
  console.log(`\n# ${words[SLEEPS]!} sleeps in ${4 * 30_000} turns`)
})

test('all who wait for one holder are woken when it leaves', async () => {
  for (const leave of ['unlatch', 'downgrade', 'unpin']) {
    const { buffer, words } = fresh(leave === 'unpin' ? 1 : latched(100))
    // Readers go in beside a pin until somebody waits to be alone: that one case has no readers that wait for sure.
    const done = inThreads(bodies, 'waiter', { threads: 4, buffer, args: { firstAlone: 2 } })
    while (Atomics.load(words, ARRIVED) < 4 || (Atomics.load(words, LATCH) & Latch.WAIT_WRITER) === 0)
      await sleep(5)
    await sleep(50)
    assert.is(words[FIRST], 0, 'nobody got in alone')
    if (leave === 'unlatch') unlatch(words, LATCH)
    else if (leave === 'downgrade') downgrade(words, LATCH)
    if (leave !== 'unlatch') unpin(words, LATCH)
    await done
    assert.is(words[FIRST], 2)
    assert.is(words[LATCH]! & (Latch.PINS | Latch.WRITER), 0)
  }
})

test('a thread that is in goes in again past a waiting writer', async () => {
  const { buffer, words } = fresh(1)
  const done = inThreads(bodies, 'waiter', { threads: 1, buffer, args: { firstAlone: 0 } })
  while ((Atomics.load(words, LATCH) & Latch.WAIT_WRITER) === 0) await sleep(5)
  assert.not.ok(tryPin(words, LATCH), 'others queue behind the writer')
  assert.ok(tryPinPastWaiters(words, LATCH))
  unpin(words, LATCH)
  assert.is(words[FIRST], 0)
  unpin(words, LATCH)
  await done
  assert.is(words[FIRST], 1)
})

table.run()
test.run()
