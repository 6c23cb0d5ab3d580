// Waits that must fail: aborted ones, waits of threads that may not block, and waits for a block that the thread itself
// holds. Each fails in time with an error of its own and leaves nothing held.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  assertSound,
  Gates,
  inThread,
  refusal,
  refusalNow,
  startThread,
  until,
  withCache,
} from '../support/open.js'
import { Header } from '#dist/shared/words.js'

const aborting = suite('aborted signals')

aborting('before the call refuses it even if no wait is needed', () =>
  withCache({}, async ({ cache, data }) => {
    const signal = AbortSignal.abort(new Error('enough'))
    for (let pass = 0; pass < 2; pass++) {
      const error = await refusal('ERR_DCACHE_ABORTED', () => data.acquire(0, 'read', { signal }))
      assert.is((error.cause as Error).message, 'enough')
      await refusal('ERR_DCACHE_ABORTED', () => data.read(new Uint8Array(4), 0, { signal }))
      await refusal('ERR_DCACHE_ABORTED', () => data.write(new Uint8Array(4), 0, 'data', { signal }))
      ;(await data.acquire(0, 'read')).release()
    }
    assert.is(cache.stats().dirty, 0)
  }),
)

for (const mode of ['read', 'modify', 'overwrite'] as const) {
  aborting(`ends a wait for a block to ${mode}`, () =>
    withCache({}, async ({ cache, data }) => {
      const holder = await data.acquire(3, 'modify')
      const controller = new AbortController()
      const { signal } = controller
      const waits = Promise.all([
        refusal('ERR_DCACHE_ABORTED', () => data.acquire(3, mode, { signal })),
        refusal('ERR_DCACHE_ABORTED', () => data.read(new Uint8Array(4), 3 * 512, { signal })),
        refusal('ERR_DCACHE_ABORTED', () => data.write(new Uint8Array(4), 3 * 512, 'data', { signal })),
      ])
      await until('the waits', () => cache.holders().some(({ what }) => what === 'waits'))
      controller.abort()
      await waits
      assert.not(cache.holders().some(({ what }) => what === 'waits'))
      holder.release()
      ;(await data.acquire(3, 'modify')).release()
    }),
  )
}

aborting('ends a wait for a frame', () =>
  withCache({ cached: 2 }, async ({ data }) => {
    const guards = [await data.acquire(0, 'read'), await data.acquire(1, 'read')]
    const wait = refusal('ERR_DCACHE_ABORTED', () =>
      data.acquire(2, 'read', { signal: AbortSignal.timeout(20) }),
    )
    await wait
    for (const guard of guards) guard.release()
    ;(await data.acquire(2, 'read')).release()
  }),
)

aborting('ends a wait for a spare and leaves the block to the thread that got it in the meantime', () =>
  withCache({ cached: 7, flushDelayMs: 1e9 }, async ({ cache, data, arena }) => {
    assert.equal([arena.geometry.spares, arena.geometry.loans], [2, 0])
    for (const block of [0, 1, 2]) await data.write(new Uint8Array(512).fill(9), block * 512)
    const guards = [await data.acquire(0, 'modify'), await data.acquire(1, 'modify')]
    const gates = new Gates()
    const thread = startThread(
      cache.handle,
      0,
      ({ client, open, pass }) => {
        open(3)
        pass(0)
        // A change of a dirty block needs a spare. Once a round has cleaned the block, it does not.
        const guard = client.partition('data').acquireSync(2, 'modify')
        open(1)
        pass(2)
        const isAlone = client.holders().some(({ what, block }) => what === 'holds' && block === 2)
        guard.release()
        return isAlone
      },
      { gates },
    )
    await gates.opened(3)
    const controller = new AbortController()
    const wait = refusal('ERR_DCACHE_ABORTED', () => data.acquire(2, 'modify', { signal: controller.signal }))
    assert.is(cache.stats().waits.spare, 1)
    // This thread's event loop is blocked, so that nothing but the abort can end its wait.
    gates.open(0)
    gates.sleepUntilOpened(1)
    controller.abort()
    await wait
    gates.open(2)
    assert.ok(await thread.result)
    for (const guard of guards) guard.release()
    assert.is(arena.words[Header.freedWaiters], 0)
    await cache.flush()
  }),
)

aborting.run()

const refusing = suite('calls that would have to wait')

refusing('on the owner’s thread they fail at once, and hits work', () =>
  withCache({ cached: 4, flushDelayMs: 1e9 }, async ({ cache, data }) => {
    const startMs = performance.now()
    refusalNow('ERR_DCACHE_WOULD_BLOCK', () => data.acquireSync(3, 'read'))
    refusalNow('ERR_DCACHE_WOULD_BLOCK', () => data.acquireSync(3, 'modify'))
    refusalNow('ERR_DCACHE_WOULD_BLOCK', () => data.readSync(new Uint8Array(4), 3 * 512))
    refusalNow('ERR_DCACHE_WOULD_BLOCK', () => data.writeSync(new Uint8Array(4), 3 * 512))
    assertSound(cache)
    await data.write(new Uint8Array(512).fill(8), 3 * 512)
    refusalNow('ERR_DCACHE_WOULD_BLOCK', () => cache.flushSync())
    data.acquireSync(3, 'read').release()
    // The refused flush has started a round, which may be writing this block.
    await cache.flush()
    data.acquireSync(3, 'modify').release()
    data.writeSync(new Uint8Array(4), 3 * 512)
    await cache.flush()
    cache.flushSync()
    const guards = await Promise.all([0, 1, 2, 3].map((block) => data.acquire(block, 'read')))
    refusalNow('ERR_DCACHE_WOULD_BLOCK', () => data.acquireSync(9, 'read'))
    for (const guard of guards) guard.release()
    assert.ok(performance.now() - startMs < 25_000, 'none of them waited for its deadline')
  }),
)

refusing('for a block that another thread holds they fail at once', () =>
  withCache({}, async ({ cache, data }) => {
    const gates = new Gates()
    const thread = startThread(
      cache.handle,
      0,
      ({ client, open, pass }) => {
        const guard = client.partition('data').acquireSync(3, 'modify')
        open(0)
        pass(1)
        guard.release()
      },
      { gates },
    )
    await gates.opened(0)
    refusalNow('ERR_DCACHE_WOULD_BLOCK', () => data.acquireSync(3, 'read'))
    refusalNow('ERR_DCACHE_WOULD_BLOCK', () => data.acquireSync(3, 'modify'))
    const error = await refusal(
      'ERR_DCACHE_TIMEOUT',
      () => data.acquire(3, 'read', { timeoutMs: 20 }),
      "'data'",
      3,
    )
    assert.ok(error.message.includes(`thread ${thread.worker.threadId}`), error.message)
    gates.open(1)
    await thread.result
  }),
)

refusing('for a mutex of the cache they fail and leave nothing latched', () =>
  withCache({ cached: 4 }, async ({ cache, data, arena }) => {
    for (const block of [0, 1, 2, 3]) (await data.acquire(block, 'read')).release()
    const { words } = arena
    const stripes = Array.from({ length: arena.geometry.stripes }, (_, i) => arena.stripeAt(i))
    for (const locks of [stripes, [Header.policyMutex]]) {
      for (const at of locks) Atomics.store(words, at, 200)
      refusalNow('ERR_DCACHE_WOULD_BLOCK', () => data.acquireSync(9, 'read'))
      await refusal('ERR_DCACHE_TIMEOUT', () => data.acquire(9, 'read', { timeoutMs: 20 }))
      await refusal('ERR_DCACHE_ABORTED', () => data.acquire(9, 'read', { signal: AbortSignal.timeout(20) }))
      for (const at of locks) Atomics.store(words, at, 0)
      assertSound(cache)
      const guards = await Promise.all([5, 6, 7, 8].map((block) => data.acquire(block, 'read')))
      for (const guard of guards) guard.release()
    }
  }),
)

refusing.run()

const deadlocks = suite('a thread that waits for itself')

deadlocks('a Sync call for a block that the thread holds fails at once', () =>
  withCache({}, async ({ cache }) => {
    const found = await inThread(cache.handle, 0, ({ client }) => {
      const partition = client.partition('data')
      const results: string[] = []
      for (const [first, second] of [
        ['modify', 'modify'],
        ['modify', 'read'],
        ['modify', 'overwrite'],
        ['overwrite', 'read'],
        ['read', 'modify'],
        ['read', 'read'],
      ] as const) {
        const guard = partition.acquireSync(3, first)
        try {
          partition.acquireSync(3, second).release()
          results.push('got in')
        } catch (error) {
          const { code, message } = error as { code: string; message: string }
          results.push(`${code} ${message.includes("block 3 of 'data'")}`)
        }
        guard.release()
      }
      partition.acquireSync(3, 'modify').release()
      return results
    })
    assert.equal(found, [...Array<string>(5).fill('ERR_DCACHE_DEADLOCK true'), 'got in'])
  }),
)

deadlocks('a reader may latch its block again past a waiting writer', () =>
  withCache({}, async ({ cache, data }) => {
    const gates = new Gates()
    const thread = startThread(
      cache.handle,
      0,
      ({ client, open, pass }) => {
        const partition = client.partition('data')
        const first = partition.acquireSync(3, 'read')
        open(0)
        pass(1)
        const second = partition.acquireSync(3, 'read', { timeoutMs: 5000 })
        second.release()
        first.release()
      },
      { gates },
    )
    await gates.opened(0)
    const writer = data.acquire(3, 'modify')
    await until('the writer', () => cache.holders().some(({ what }) => what === 'waits'))
    gates.open(1)
    await thread.result
    ;(await writer).release()
  }),
)

deadlocks.run()
