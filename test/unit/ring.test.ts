// The ring: every record is popped once, each producer's in order; a full ring refuses; no consumer misses a push.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CacheError } from '#dist/shared/errors.js'
import { Ring } from '#dist/shared/ring.js'
import { Deadline, runAsync, runSync, type Step } from '#dist/shared/wait.js'
import { inThreads } from '../support/threads.js'
import type { RingWork } from './workers/ring.js'

const bodies = import.meta.resolve('./workers/ring.js')

function fresh(capacity: number, recordWords: number) {
  const buffer = new SharedArrayBuffer((16 + capacity * recordWords + 16) * 4)
  const ring = new Ring(new Int32Array(buffer), 0, capacity, recordWords)
  ring.init()
  return { buffer, ring, words: new Int32Array(buffer) }
}

test('records are popped in the order of their pushes, round after round', () => {
  const { ring } = fresh(4, 3)
  assert.is(ring.tryPop(), undefined)
  assert.ok(ring.isEmpty)
  for (let i = 0; i < 50; i++) {
    for (let j = 0; j <= i % 4; j++) assert.ok(ring.tryPush(i, -j))
    assert.not.ok(ring.isEmpty)
    for (let j = 0; j <= i % 4; j++) assert.equal(ring.tryPop(), [i, -j])
    assert.is(ring.tryPop(), undefined)
  }
})

test('a full ring refuses a push and keeps its records', () => {
  const { ring } = fresh(4, 2)
  for (let i = 0; i < 4; i++) assert.ok(ring.tryPush(i))
  assert.not.ok(ring.tryPush(99))
  assert.equal(ring.tryPop(), [0])
  assert.ok(ring.tryPush(4))
  assert.not.ok(ring.tryPush(99))
  assert.equal(
    [1, 2, 3, 4].map(() => ring.tryPop()),
    [[1], [2], [3], [4]],
  )
})

test('its sequence numbers may wrap', () => {
  const { ring, words } = fresh(4, 2)
  const start = 2 ** 31 - 6
  words[0] = start
  words[1] = start
  for (let i = start; i < start + 4; i++) words[16 + (i & 3) * 2] = i
  for (let i = 0; i < 20; i++) {
    assert.ok(ring.tryPush(i))
    assert.ok(ring.tryPush(-i))
    assert.equal(ring.tryPop(), [i])
    assert.equal(ring.tryPop(), [-i])
    assert.is(ring.tryPop(), undefined)
  }
})

test('a consumer that waits gets a record or its deadline', async () => {
  const { ring } = fresh(4, 2)
  const isLate = (error: unknown): boolean =>
    error instanceof CacheError && error.code === 'ERR_DCACHE_TIMEOUT'
  assert.throws(() => runSync(ring.pop(new Deadline(20)), true), isLate)
  await runAsync(ring.pop(new Deadline(20))).then(
    () => assert.unreachable(),
    (error: unknown) => assert.ok(isLate(error)),
  )
  const looking = ring.pop(new Deadline())
  const step = looking.next().value as Step
  assert.ok(step.kind === 'wait' && step.words[step.at] === step.value)
  ring.tryPush(6)
  assert.ok(step.words[step.at] !== step.value, 'a push between the check and the sleep is not missed')
  assert.equal(looking.next(), { done: true, value: [6] })
  const popped = runAsync(ring.pop(new Deadline()))
  ring.tryPush(7)
  assert.equal(await popped, [7])
  ring.tryPush(8)
  assert.equal(runSync(ring.pop(new Deadline()), false), [8], 'no wait if there is a record')
})

test("with many producers and consumers, every record is popped once, in its producer's order", async () => {
  const producers = 2
  const consumers = 3
  for (const [capacity, each] of [
    [4, 5000],
    [256, 20_000],
  ] as const) {
    const { buffer, words } = fresh(capacity, 4)
    words[words.length - 3] = consumers
    const args: RingWork = { capacity, recordWords: 4, producers, each, firstAsync: producers + 2 }
    const results = await inThreads<number[][]>(bodies, 'work', {
      threads: producers + consumers,
      buffer,
      args,
    })
    const seen = Array.from({ length: producers }, () => new Uint8Array(each))
    for (const got of results.slice(producers)) {
      const last = new Int32Array(producers).fill(-1)
      for (const [producer, number, sum] of got as [number, number, number][]) {
        assert.is(sum, producer ^ number)
        assert.ok(number > last[producer]!, "a consumer sees each producer's records in order")
        last[producer] = number
        seen[producer]![number]!++
      }
    }
    for (const counts of seen) assert.ok(counts.every((count) => count === 1))
    console.log(`\n# capacity ${capacity}: full ${results.slice(0, producers).flat(2).join(' and ')} times`)
  }
})

test.run()
