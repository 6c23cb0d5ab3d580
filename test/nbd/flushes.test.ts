// When a connection thread flushes on its own stack, and when it awaits.

import { performance } from 'node:perf_hooks'
import type { CacheClient } from 'dcache'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flushes } from '#dist/nbd/flushes.js'

const SCOPE = { partition: 'disk' }

/** `ms`: how long each flush takes. */
function flushesOf(ms: number, connections?: () => number): Flushes {
  const client: Pick<CacheClient, 'flushSync' | 'flush'> = {
    flushSync: () => {
      for (const endMs = performance.now() + ms; performance.now() < endMs;);
    },
    flush: () => Promise.resolve(),
  }
  return new Flushes(client as CacheClient, connections)
}

test('a thread flushes on its own stack only after a few bytes of all its connections', async () => {
  const flushes = flushesOf(0, () => 1)
  flushes.noteBytes('disk', 4096)
  assert.ok(flushes.tryNow(SCOPE))
  for (let i = 0; i < 16; i++) flushes.noteBytes('disk', 4096)
  assert.ok(flushes.tryNow(SCOPE))
  for (let i = 0; i < 17; i++) flushes.noteBytes('disk', 4096)
  assert.not(flushes.tryNow(SCOPE), 'after many bytes')
  assert.ok(flushes.tryNow({ partition: 'other' }))
  await flushes.later({ ...SCOPE, block: 0, count: 1 })
  assert.not(flushes.tryNow(SCOPE), 'most are still unflushed')
  await flushes.later(SCOPE)
  assert.ok(flushes.tryNow(SCOPE), 'they are flushed')
  flushes.noteBytes('disk', 2 ** 20)
  await flushes.later(SCOPE)
  assert.ok(flushes.tryNow(SCOPE))
})

test('a thread of the program never blocks', () => {
  assert.not(flushesOf(0).tryNow(SCOPE))
})

test('after two slow flushes in a row the thread awaits', () => {
  const flushes = flushesOf(20, () => 1)
  assert.ok(flushes.tryNow(SCOPE))
  assert.ok(flushes.tryNow(SCOPE), 'one slow flush says little')
  assert.not(flushes.tryNow(SCOPE))
})

test('a thread with several connections blocks while nothing comes during the flushes that it awaits', async () => {
  const flushes = flushesOf(0, () => 2)
  /** How many flushes block before one is awaited. `comes`: a request comes during that one. */
  const blocked = async (comes = false) => {
    let count = 0
    while (flushes.tryNow(SCOPE)) count++
    const later = flushes.later(SCOPE)
    if (comes) flushes.noteRequest()
    await later
    return count
  }
  assert.equal([await blocked(), await blocked(), await blocked(), await blocked()], [0, 0, 0, 0])
  assert.equal([await blocked(), await blocked(true)], [63, 63])
  assert.equal([await blocked(), await blocked(), await blocked(true)], [0, 0, 0])
  assert.equal(
    [await blocked(), await blocked(), await blocked(), await blocked(), await blocked()],
    [0, 0, 0, 0, 63],
  )
})

test('a request that is under way all the time keeps the thread from blocking', async () => {
  const flushes = flushesOf(0, () => 2)
  flushes.noteBegin()
  for (let i = 0; i < 10; i++) {
    assert.not(flushes.tryNow(SCOPE))
    flushes.noteBegin()
    await flushes.later(SCOPE)
    flushes.noteEnd()
  }
  flushes.noteEnd()
  for (let i = 0; i < 4; i++) {
    flushes.noteBegin()
    await flushes.later(SCOPE)
    flushes.noteEnd()
  }
  assert.ok(flushes.tryNow(SCOPE))
})

test.run()
