// No blocking call is reachable from the asynchronous interface. A mixed load runs on the owner's thread and in a worker that
// may not block, concurrently with threads that use Sync calls, while every function that blocks is watched. The test also
// prints how late the event loop was, compared with an idle one.

import { blockingCallsDuring } from '../support/blocking-calls.js'
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import { readSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BlockCache, BlockGuard, Partition } from 'dcache'
import { COUNTED, mixedLoad } from '../support/async-load.js'
import { inThread, until, withCache } from '../support/open.js'
import { Group } from '#dist/shared/words.js'

const OPTIONS = { cached: 20, dirtyLimit: 0.4, flushDelayMs: 5, threads: 4 }

/** Makes every kind of wait in turn: for a block, a frame, a spare, the dirty limit, a round. `images`: how many there may be. */
async function everyWait(cache: BlockCache, data: Partition, images: number): Promise<void> {
  const waitsFor = (mode: string) =>
    until(`a wait: ${mode}`, () =>
      cache.holders().some((holder) => holder.what === 'waits' && holder.mode === mode),
    )
  const holder = await data.acquire(0, 'modify')
  const next = data.acquire(0, 'modify')
  const late = [data.read(new Uint8Array(4), 0), data.write(new Uint8Array(4), 4)]
  await waitsFor('modify')
  holder.release()
  ;(await next).release()
  await Promise.all(late)
  await cache.flush()

  const all = Array.from({ length: cache.stats().size }, (_, block) => block)
  const guards = await Promise.all(all.map((block) => data.acquire(block, 'read')))
  const frame = data.acquire(50, 'read')
  await waitsFor('frame')
  for (const held of guards) held.release()
  ;(await frame).release()

  // Only the change of a dirty block needs a spare, and the background may have written the blocks first: then once more.
  for (let i = 0; i < 10_000 && cache.stats().waits.spare === 0; i++) {
    for (let block = 0; block <= images; block++)
      await data.write(new Uint8Array(10).fill(0), block * 512 + 100)
    const changing: BlockGuard[] = []
    for (let block = 0; block < images; block++) changing.push(await data.acquire(block, 'modify'))
    ;(await data.acquire(images, 'modify')).release()
    for (const held of changing) held.release()
  }
  for (let i = 0; i < 10_000 && cache.stats().waits.dirtyLimit === 0; i++) {
    await data.write(new Uint8Array(512), (i % 60) * 512)
  }
  await cache.flush()
}

test('the watch sees blocking calls', async () => {
  const calls = await blockingCallsDuring(async () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0)
    assert.throws(() => readSync(-1, new Uint8Array(1)))
  })
  assert.equal(
    calls.map((call) => call.split(' ')[0]),
    ['wait', 'readSync'],
  )
})

test('no kind of wait blocks the owner’s thread', () =>
  withCache(OPTIONS, async ({ cache, data, arena }) => {
    const { spares, loans } = arena.geometry
    assert.equal(await blockingCallsDuring(() => everyWait(cache, data, spares + loans)), [])
    const { waits } = cache.stats()
    for (const kind of ['latch', 'frame', 'spare', 'dirtyLimit'] as const) assert.is.not(waits[kind], 0, kind)
  }))

test('a release never waits for the round mutex: its next holder finishes the release', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, arena, onDisk }) => {
    await data.write(new Uint8Array(512).fill(4), 0)
    const changed = [await data.acquire(0, 'modify'), await data.acquire(1, 'modify')]
    const unchanged = await data.acquire(2, 'overwrite')
    const mutexAt = arena.groupAt(0) + Group.mutex
    await until('the lock', () => Atomics.compareExchange(arena.words, mutexAt, 0, 200) === 0)
    const calls = await blockingCallsDuring(async () => {
      for (const guard of changed) {
        guard.data.fill(6)
        guard.markDirty('trailer')
        guard.release()
      }
      unchanged.release()
      assert.is(data.tryAcquire(0, 'read'), undefined, 'still latched for other callers')
    })
    Atomics.store(arena.words, mutexAt, 0)
    assert.equal(calls, [])
    await cache.flush()
    assert.is(onDisk(0)[100], 6)
    assert.is(onDisk(1)[100], 6)
  }))

/** Counts in blocks with Sync calls, as the mixed load does; returns how many changes it made. */
function countSync(cache: BlockCache, turns: number): Promise<number> {
  return inThread(cache.handle, { turns, blocks: COUNTED }, ({ client, args }) => {
    const partition = client.partition('data')
    for (let i = 0; i < args.turns; i++) {
      const guard = partition.acquireSync((i * 5) % args.blocks, 'modify')
      const word = new DataView(guard.bytes.buffer, guard.bytes.byteOffset + guard.offset)
      word.setUint32(0, word.getUint32(0) + 1)
      guard.markDirty(['data', 'trailer'][i % 2])
      guard.release()
      if (i % 50 === 0) client.flushSync()
    }
    return args.turns
  })
}

/** The mixed load in a worker that may not block. */
function loadInThread(cache: BlockCache, seed: number): Promise<{ changes: number; blocking: string[] }> {
  const workerData = { handle: cache.handle, seed, tasks: 6, turns: 150 }
  const worker = new Worker(new URL('../support/async-thread.js', import.meta.url), { workerData })
  return new Promise((resolve, reject) => {
    worker.once('message', (message: { changes: number; blocking: string[] } | { error: unknown }) => {
      if ('error' in message) reject(new Error(`the load failed: ${JSON.stringify(message.error)}`))
      else resolve(message)
    })
    worker.once('error', reject)
  })
}

function measure(): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: 5 })
  histogram.enable()
  return histogram
}

function show(name: string, histogram: IntervalHistogram): void {
  histogram.disable()
  const ms = (nanoseconds: number) => (nanoseconds / 1e6).toFixed(1)
  const [p50, p99, max] = [histogram.percentile(50), histogram.percentile(99), histogram.max].map(ms)
  console.log(`\n# event loop, a 5 ms timer came after, ms: ${name}: p50 ${p50!}, p99 ${p99!}, max ${max!}`)
}

test('a mixed load blocks neither the owner’s thread nor a worker that may not block', () =>
  withCache(OPTIONS, async ({ cache, data, onDisk }) => {
    const idle = measure()
    await new Promise((resolve) => setTimeout(resolve, 500))
    show('idle', idle)

    await data.write(new Uint8Array(64 * 512), 0)
    const loaded = measure()
    const others = [countSync(cache, 400), countSync(cache, 400)]
    const there = loadInThread(cache, 2)
    let here = 0
    const blocking = await blockingCallsDuring(async () => {
      here = await mixedLoad(cache, 1, 10, 150)
    })
    const { changes, blocking: blockingThere } = await there
    const counted = (await Promise.all(others)).reduce((a, b) => a + b, here + changes)
    show('under load', loaded)

    assert.equal(blocking, [])
    assert.equal(blockingThere, [])
    await cache.flush()
    let sum = 0
    for (let block = 0; block < COUNTED; block++) sum += new DataView(onDisk(block).buffer).getUint32(0)
    assert.is(sum, counted, 'no change was lost')
    const { waits, spares } = cache.stats()
    assert.is.not(waits.latch, 0)
    assert.is(spares.free, spares.total)
    console.log(`# waits: ${Object.entries(waits).map(([kind, count]) => `${kind} ${count.toFixed(0)}`).join(', ')}`) // prettier-ignore
  }))

test.run()
