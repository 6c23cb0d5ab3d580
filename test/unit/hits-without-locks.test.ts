// A hit takes no mutex. The tests lock every mutex of the cache with a number that belongs to no slot, and hits and releases
// continue, on the owner's thread and on others. The ancestor has one lock and takes it 14 times in a hit.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Arena } from '#dist/shared/arena.js'
import { blockBytes, copyOf, inThread, refusal, withCache } from '../support/open.js'
import { Group, Header } from '#dist/shared/words.js'

/** The words of all mutexes. */
const mutexes = (arena: Arena): number[] => [
  Header.policyMutex,
  ...Array.from({ length: arena.geometry.stripes }, (_, i) => arena.stripeAt(i)),
  ...Array.from({ length: arena.geometry.groups }, (_, i) => arena.groupAt(i) + Group.mutex),
]

/** A lock word that names no slot. */
const NO_SLOT = 200

function holdAll(arena: Arena): void {
  for (const at of mutexes(arena)) {
    while (Atomics.compareExchange(arena.words, at, 0, NO_SLOT) !== 0);
  }
}

function freeAll(arena: Arena): void {
  for (const at of mutexes(arena)) Atomics.exchange(arena.words, at, 0)
}

test('a read hit takes no lock', () =>
  withCache({ cached: 30 }, async ({ cache, data, arena }) => {
    for (let block = 0; block < 30; block++) (await data.acquire(block, 'read')).release()
    const before = cache.stats().hits
    holdAll(arena)
    try {
      for (let i = 0; i < 3000; i++) {
        const block = (i * 7) % 30
        const guard = data.acquireSync(block, 'read')
        if (i < 30) assert.equal(copyOf(guard.data), blockBytes(block))
        guard.release()
        data.tryAcquire(block, 'read')!.release()
        ;(await data.acquire(block, 'read', { timeoutMs: 0 })).release()
      }
      const bytes = new Uint8Array(4)
      await data.read(bytes, 512, { timeoutMs: 0 })
      assert.is(bytes[3], 1)
    } finally {
      freeAll(arena)
    }
    assert.is(cache.stats().hits, before + 9001)
    assert.is(cache.stats().waits.mutex, 0)
  }))

test('read hits in other threads take no lock, nor do attaching and detaching', () =>
  withCache({ cached: 30 }, async ({ cache, data, arena }) => {
    for (let block = 0; block < 30; block++) (await data.acquire(block, 'read')).release()
    holdAll(arena)
    try {
      const threads = [1, 2].map(() =>
        inThread(cache.handle, 0, ({ client }) => {
          const partition = client.partition('data')
          for (let i = 0; i < 3000; i++) partition.acquireSync(i % 30, 'read', { timeoutMs: 0 }).release()
        }),
      )
      await Promise.all(threads)
    } finally {
      freeAll(arena)
    }
    assert.is(cache.stats().hits, 6000)
    assert.is(cache.stats().waits.mutex, 0)
  }))

test('acquiring a clean block to modify takes no lock, nor does its release without a mark', () =>
  withCache({ cached: 30, flushDelayMs: 1e9 }, async ({ cache, data, arena }) => {
    for (let block = 0; block < 3; block++) (await data.acquire(block, 'read')).release()
    holdAll(arena)
    try {
      for (let i = 0; i < 300; i++) data.acquireSync(i % 3, 'modify').release()
    } finally {
      freeAll(arena)
    }
    assert.is(cache.stats().dirty, 0)
  }))

test('the locks held by these tests are real: a miss waits for them', () =>
  withCache({ cached: 30 }, async ({ data, arena }) => {
    holdAll(arena)
    try {
      await refusal('ERR_DCACHE_TIMEOUT', () => data.acquire(9, 'read', { timeoutMs: 20 }), 'lock')
    } finally {
      freeAll(arena)
    }
    ;(await data.acquire(9, 'read')).release()
  }))

test.run()
