// Acquiring and releasing blocks: the modes, `tryAcquire`, the wait for a frame, release, and marking with a class. The file
// follows the ancestor's `getdblock`, `putdblock` and `dirtydblock`.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { blockBytes, copyOf, inThread, refusal, refusalNow, until, withCache } from '../support/open.js'

const ZEROS = new Uint8Array(512)

const modes = suite('modes: read, modify and overwrite')

modes('read loads the block once and allows other readers', () =>
  withCache({}, async ({ cache, data }) => {
    using first = await data.acquire(3, 'read')
    using second = await data.acquire(3, 'read')
    assert.equal(copyOf(first.data), blockBytes(3))
    assert.equal(copyOf(second.data), blockBytes(3))
    assert.is(data.tryAcquire(3, 'modify'), undefined, 'no exclusive latch while readers hold the block')
    assert.is(cache.stats().diskReads, 1)
  }),
)

modes('modify loads the block and excludes all other guards', () =>
  withCache({}, async ({ cache, data, onDisk }) => {
    {
      using guard = await data.acquire(3, 'modify')
      assert.equal(copyOf(guard.data), blockBytes(3))
      assert.is(data.tryAcquire(3, 'read'), undefined)
      assert.is(data.tryAcquire(3, 'modify'), undefined)
      guard.data[0] = 255
      guard.markDirty()
    }
    using guard = await data.acquire(3, 'read')
    assert.is(guard.data[0], 255)
    assert.is(onDisk(3)[0], 0, 'not on disk before a round')
    assert.is(cache.stats().diskReads, 1)
  }),
)

modes('overwrite does not load: an absent block shows zeros, a cached one its contents', () =>
  withCache({}, async ({ cache, data, onDisk }) => {
    {
      using guard = await data.acquire(3, 'overwrite')
      assert.equal(copyOf(guard.data), ZEROS)
      guard.data.fill(9)
      guard.markDirty()
    }
    assert.is(cache.stats().diskReads, 0)
    {
      using guard = await data.acquire(3, 'overwrite')
      assert.equal(copyOf(guard.data), new Uint8Array(512).fill(9))
    }
    await cache.flush()
    assert.equal(onDisk(3), new Uint8Array(512).fill(9))
  }),
)

modes('overwrite shows zeros in a frame that held another block', () =>
  withCache({ cached: 2 }, async ({ data }) => {
    for (let block = 0; block < 8; block++) {
      // Both frames hold contents of other blocks.
      for (const other of [block, block + 10]) (await data.acquire(other, 'read')).release()
      using guard = await data.acquire(block + 20, 'overwrite')
      assert.equal(copyOf(guard.data), ZEROS)
    }
  }),
)

modes.run()

const resident = suite('tryAcquire: only if cached')

resident('an absent block gives no guard and causes no I/O', () =>
  withCache({}, async ({ cache, data }) => {
    for (const mode of ['read', 'modify', 'overwrite'] as const)
      assert.is(data.tryAcquire(3, mode), undefined)
    assert.is(cache.stats().diskReads, 0)
    assert.is(cache.stats().misses, 0, 'it is not counted as a miss')
    ;(await data.acquire(3, 'read')).release()
    for (const mode of ['read', 'modify', 'overwrite'] as const) {
      const guard = data.tryAcquire(3, mode)
      assert.ok(guard, mode)
      assert.equal(copyOf(guard.data), blockBytes(3))
      guard.release()
    }
    assert.is(cache.stats().diskReads, 1)
  }),
)

resident('a cached block can be changed and written', () =>
  withCache({}, async ({ cache, data, onDisk }) => {
    ;(await data.acquire(3, 'read')).release()
    const guard = data.tryAcquire(3, 'modify')!
    guard.data.fill(7)
    guard.markDirty()
    guard.release()
    await cache.flush()
    assert.equal(onDisk(3), new Uint8Array(512).fill(7))
  }),
)

resident.run()

const waiting = suite('the wait for a frame')

waiting(
  'with all frames held it fails with ERR_DCACHE_EXHAUSTED at the deadline and leaves nothing behind',
  () =>
    withCache({ cached: 4 }, async ({ cache, data }) => {
      const guards = await Promise.all([0, 1, 2, 3].map((block) => data.acquire(block, 'read')))
      await refusal('ERR_DCACHE_EXHAUSTED', () => data.acquire(9, 'read', { timeoutMs: 30 }), 4, 30)
      assert.is(cache.stats().stalls, 1)
      assert.is(cache.stats().waits.frame, 1)
      for (const guard of guards) guard.release()
      using guard = await data.acquire(9, 'read')
      assert.equal(copyOf(guard.data), blockBytes(9))
    }),
)

waiting('a release ends it', () =>
  withCache({ cached: 4 }, async ({ cache, data }) => {
    const guards = await Promise.all([0, 1, 2, 3].map((block) => data.acquire(block, 'read')))
    const late = data.acquire(9, 'read')
    await until('the wait', () =>
      cache.holders().some(({ what, mode }) => what === 'waits' && mode === 'frame'),
    )
    guards[2]!.release()
    using guard = await late
    assert.equal(copyOf(guard.data), blockBytes(9))
    assert.is(data.tryAcquire(2, 'read'), undefined, 'the released block was the victim')
    for (const i of [0, 1, 3]) guards[i]!.release()
  }),
)

waiting('a round ends it when the frames are dirty and not held', () =>
  withCache({ cached: 4, dirtyLimit: 1, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    for (let block = 0; block < 4; block++) await data.write(new Uint8Array(512).fill(99), block * 512)
    using guard = await data.acquire(9, 'read')
    assert.equal(copyOf(guard.data), blockBytes(9))
    assert.ok([0, 1, 2, 3].every((block) => onDisk(block)[0] === 99))
    await until('the end of the round', () => cache.stats().rounds > 0)
  }),
)

waiting.run()

const release = suite('release: the block is unlatched, unpinned and may be evicted')

release('a held block is never evicted, a released one is', () =>
  withCache({ cached: 4 }, async ({ cache, data }) => {
    const held = await data.acquire(0, 'read')
    for (let block = 1; block < 40; block++) (await data.acquire(block, 'read')).release()
    assert.equal(copyOf(held.data), blockBytes(0))
    held.release()
    for (let block = 1; block < 40; block++) (await data.acquire(block, 'read')).release()
    assert.is(data.tryAcquire(0, 'read'), undefined)
    assert.is(cache.stats().evictions, cache.stats().misses - 4)
  }),
)

release('a dirty block is not evicted before it is durable', () =>
  withCache({ cached: 4, flushDelayMs: 1e9 }, async ({ cache, data }) => {
    await data.write(new Uint8Array(512).fill(99), 0)
    for (let block = 1; block < 40; block++) (await data.acquire(block, 'read')).release()
    assert.is(cache.stats().diskWrites, 0)
    data.tryAcquire(0, 'read')!.release()
    await cache.flush()
    cache.evictClean()
    assert.is(data.tryAcquire(0, 'read'), undefined)
    using guard = await data.acquire(0, 'read')
    assert.is(guard.data[0], 99)
  }),
)

release('the waiting request gets the latch', () =>
  withCache({}, async ({ data }) => {
    const holder = await data.acquire(0, 'modify')
    const next = data.acquire(0, 'modify')
    await new Promise((resolve) => setTimeout(resolve, 5))
    holder.data[5] = 77
    holder.markDirty()
    holder.release()
    using guard = await next
    assert.is(guard.data[5], 77)
  }),
)

release.run()

const marking = suite('markDirty: a class with each change')

marking('the classes are those of writeOrder, and the first is the default', () =>
  withCache({ writeOrder: ['x', 'y'], flushDelayMs: 1e9, traceEntries: 64 }, async ({ cache, data }) => {
    for (const [block, name] of ([undefined, 'x', 'y'] as const).entries()) {
      using guard = await data.acquire(block, 'modify')
      guard.markDirty(name)
    }
    const classes = cache.trace().filter(({ point }) => point === 'block.dirty').map(({ value }) => value) // prettier-ignore
    assert.equal(classes, [1, 1, 2])
  }),
)

marking('an unknown class is refused at once, and the guard stays usable', () =>
  withCache({ writeOrder: ['x', 'y'] }, async ({ cache, data, onDisk }) => {
    {
      using guard = await data.acquire(0, 'modify')
      guard.data.fill(5)
      refusalNow('ERR_DCACHE_UNKNOWN_CLASS', () => guard.markDirty('z'), "'z'", 'x, y')
      guard.markDirty('y')
    }
    await cache.flush()
    assert.equal(onDisk(0), new Uint8Array(512).fill(5))
  }),
)

marking('a guard may be marked at any time before release, and the last class counts', () =>
  withCache({ flushDelayMs: 1e9, traceEntries: 64 }, async ({ cache, data }) => {
    {
      using guard = await data.acquire(0, 'modify')
      guard.markDirty('trailer')
      guard.markDirty('directory')
      guard.data.fill(5)
    }
    await until('the release to be processed', () => cache.stats().dirty === 1)
    assert.is(cache.trace().find(({ point }) => point === 'block.dirty')?.value, 2)
  }),
)

marking('at the dirty limit a round starts automatically', () =>
  withCache({ cached: 4, dirtyLimit: 0.5, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    for (const block of [0, 1]) await data.write(new Uint8Array(512).fill(44), block * 512)
    await until('a round', () => cache.stats().dirty === 0)
    assert.is(onDisk(0)[7], 44)
    assert.is(onDisk(1)[7], 44)
  }),
)

marking('below the dirty limit a delayed kick writes the change', () =>
  withCache({ flushDelayMs: 500 }, async ({ cache, data, onDisk }) => {
    await data.write(new Uint8Array(512).fill(44), 0)
    await until('the release to be processed', () => cache.stats().dirty === 1)
    await until('the delayed kick', () => cache.stats().dirty === 0)
    assert.is(onDisk(0)[7], 44)
    assert.is(cache.stats().flushes, 0)
  }),
)

marking('at the dirty limit, a change of a clean block waits and one of a dirty block does not', () =>
  withCache({ cached: 8, dirtyLimit: 0.25, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    for (let i = 0; i < 200; i++) await data.write(new Uint8Array(512).fill(i), (i % 40) * 512)
    assert.is.not(cache.stats().waits.dirtyLimit, 0)
    await cache.flush()
    for (let block = 0; block < 40; block++) assert.is(onDisk(block)[9], 160 + block)
  }),
)

marking.run()

const held = suite('all blocks held')

held('the error names what is missing, for the owner and for a thread', () =>
  withCache({ cached: 4 }, async ({ cache, data }) => {
    const guards = await Promise.all([0, 1, 2, 3].map((block) => data.acquire(block, 'read')))
    const error = await refusal('ERR_DCACHE_EXHAUSTED', () => data.acquire(9, 'read', { timeoutMs: 50 }))
    assert.match(error.message, /no frame became free: all 4 are held or dirty/)
    const late = await refusal('ERR_DCACHE_EXHAUSTED', () =>
      inThread(cache.handle, 0, ({ client }) => {
        client.partition('data').acquireSync(9, 'modify', { timeoutMs: 50 })
      }),
    )
    assert.match(late.message, /4 are held or dirty/)
    // Only the request for another block fails: the cached blocks are still available.
    ;(await data.acquire(2, 'read')).release()
    for (const guard of guards) guard.release()
  }),
)

held.run()
