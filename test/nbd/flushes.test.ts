// When a connection thread flushes on its own stack, and when it awaits.

import { performance } from 'node:perf_hooks'
import type { CacheClient } from 'dcache'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flushes } from '#dist/nbd/flushes.js'

const SCOPE = { partition: 'disk' }

/** `ms`: how long each flush takes. */
function flushesOf(ms: number, isAlone: () => boolean): Flushes {
  const client: Pick<CacheClient, 'flushSync'> = {
    flushSync: () => {
      for (const endMs = performance.now() + ms; performance.now() < endMs;);
    },
  }
  return new Flushes(client as CacheClient, isAlone)
}

test('only a thread with one connection flushes on its own stack, and only after a few bytes', () => {
  let isAlone = true
  const flushes = flushesOf(0, () => isAlone)
  assert.ok(flushes.tryNow(SCOPE, 4096))
  assert.not(flushes.tryNow(SCOPE, 2 ** 20), 'after many bytes')
  isAlone = false
  assert.not(flushes.tryNow(SCOPE, 4096), 'next to other connections')
})

test('after two slow flushes in a row the thread awaits', () => {
  const flushes = flushesOf(20, () => true)
  assert.ok(flushes.tryNow(SCOPE, 0))
  assert.ok(flushes.tryNow(SCOPE, 0), 'one slow flush says little')
  assert.not(flushes.tryNow(SCOPE, 0))
})

test.run()
