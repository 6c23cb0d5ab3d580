// prefetch and the reader that serves it, on real engines: what it loads, what it leaves alone, and deaths. Also byte ranges
// of several absent blocks, which are read by one call.

import { InlineEngine } from '../support/inline-engine.js' // first: it must be loaded before the engine
import { closeSync, ftruncateSync, openSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Worker } from 'node:worker_threads'
import { Purpose } from '#dist/core/blocks/victims.js'
import { FileDevice } from '#dist/core/device/file-device.js'
import { giveHint } from '#dist/core/prefetch/hints.js'
import { readerSlot } from '#dist/shared/layout.js'
import { osThreadId } from '#dist/shared/os-thread.js'
import { withEngine } from '../support/engine.js'
import { MemoryDevice } from '../support/memory-device.js'
import {
  blockBytes,
  copyOf,
  inThread,
  refusal,
  refusalNow,
  until,
  untilQuiet,
  withCache,
  writeBlocks,
} from '../support/open.js'
import { tempFolder } from '../support/temp.js'
import { Slot, SlotState } from '#dist/shared/words.js'
import { onlyNormal } from '../support/size.js'

const hints = suite('prefetch')

hints('absent blocks of each partition are loaded, and reading them is then a hit', () =>
  withCache({ cached: 64, partitions: { a: {}, b: { blockSize: 1024, blocks: 20 } } }, async ({ cache }) => {
    const [a, b] = [cache.partition('a'), cache.partition('b')]
    a.prefetch(3, 10)
    b.prefetch(18, 2)
    a.prefetch(63, 1)
    await until('the reads', () => cache.stats().prefetch.loaded === 13)
    assert.is(cache.stats().misses, 0)
    await untilQuiet(cache)
    for (const block of [3, 12, 63]) {
      using guard = a.tryAcquire(block, 'read')
      assert.equal(copyOf(guard!.data), blockBytes(block))
    }
    const target = new Uint8Array(2048)
    b.readSync(target, 18 * 1024)
    assert.equal(target.subarray(1024), blockBytes(19, 1024, 1))
    const { hits, misses, diskReads, diskReadBytes } = cache.stats()
    assert.equal([hits, misses, diskReads, diskReadBytes], [5, 0, 13, 11 * 512 + 2 * 1024])
  }),
)

hints('a worker may hint, and cached and dirty blocks stay as they are', () =>
  withCache({ cached: 64, flushDelayMs: 1e9 }, async ({ cache, data }) => {
    await data.write(new Uint8Array(512).fill(9), 5 * 512)
    await inThread(cache.handle, 0, ({ client }) => {
      client.partition('data').prefetch(0, 16)
    })
    await until('the reads', () => cache.stats().prefetch.loaded === 15)
    await untilQuiet(cache)
    using guard = data.tryAcquire(5, 'read')
    assert.is(guard!.data[7], 9)
  }),
)

hints('at most a quarter of the cache is loaded, and nothing for no blocks', () =>
  withCache({ cached: 16 }, async ({ cache, data }) => {
    data.prefetch(0, 0)
    data.prefetch(0, 64)
    await until('the reads', () => cache.stats().prefetch.loaded === 4)
    assert.is(cache.stats().prefetch.dropped, 60)
    assert.is(cache.stats().diskReads, 4)
    await untilQuiet(cache)
  }),
)

hints('a hint is dropped without a wait if no frame is available', () =>
  withCache({ cached: 4 }, async ({ cache, data }) => {
    const guards = await Promise.all([0, 1, 2, 3].map((block) => data.acquire(block, 'read')))
    data.prefetch(10, 1)
    await until('the hint is dropped', () => cache.stats().prefetch.dropped === 1)
    assert.equal([cache.stats().waits.frame, cache.stats().prefetch.loaded], [0, 0])
    for (const guard of guards) guard.release()
    data.prefetch(10, 1)
    await until('the read', () => cache.stats().prefetch.loaded === 1)
    await untilQuiet(cache)
  }),
)

hints('a hint for spare frames evicts nothing', () => {
  const { engine } = inline()
  const data = engine.client.partition('a')
  const { view } = data
  data.readSync(new Uint8Array(50 * 512), 0)
  giveHint(engine.context, view, 60, 10, Purpose.SPARE)
  giveHint(engine.context, view, 70, 10, Purpose.SPARE)
  for (let i = 0; i < 100; i++) engine.reader.step()
  const { prefetch, evictions } = engine.client.stats()
  assert.equal([prefetch.loaded, prefetch.dropped, evictions], [14, 6, 0])
  giveHint(engine.context, view, 80, 10)
  for (let i = 0; i < 100; i++) engine.reader.step()
  assert.equal([engine.client.stats().prefetch.loaded, engine.client.stats().evictions], [24, 10])
})

hints('a read that fails is an error only for callers that request the block', () =>
  withCache({ cached: 64 }, async ({ cache, data, paths }) => {
    truncateSync(paths['data']!, 20 * 512)
    data.prefetch(18, 10)
    await until('the hint is dropped', () => cache.stats().prefetch.dropped === 10)
    await untilQuiet(cache)
    using guard = await data.acquire(19, 'read')
    assert.equal(copyOf(guard.data), blockBytes(19))
    await refusal('ERR_DCACHE_READ_FAILED', () => data.acquire(20, 'read'), 'block 20')
    // The bad block of a range is identified, and the blocks before it were read.
    await refusal('ERR_DCACHE_READ_FAILED', () => data.read(new Uint8Array(6 * 512), 16 * 512), 'block 20')
    assert.ok(data.tryAcquire(17, 'read')?.release() === undefined)
  }),
)

onlyNormal(hints, 'closing the cache stops the reader, and a closed cache takes no hints', async () => {
  for (let i = 0; i < 6; i++) {
    let late: (() => void) | undefined
    await withEngine(
      { blocks: 256, partitions: { data: { blockSize: 512, blocks: 2000 } } },
      async (cache) => {
        const data = cache.partition('data')
        for (let n = 0; n < 8; n++) data.prefetch(n * 200, 64)
        late = () => {
          data.prefetch(0, 1)
        }
        await until('something is read', () => cache.stats().prefetch.loaded >= i * 10)
        if (i % 2 === 1) data.prefetch(1900, 50)
      },
    )
    refusalNow('ERR_DCACHE_CLOSED', late!)
  }
})

hints('a reader that died while it attached is replaced', async () => {
  await withCache({}, async ({ cache, data, arena }) => {
    if (osThreadId() === 0) return
    // Linux gives no thread so large an id.
    const claim = SlotState.ATTACHING | ((2 ** 28) << SlotState.CLAIM_SHIFT)
    arena.words[arena.slotAt(readerSlot(arena.geometry)) + Slot.state] = claim
    data.prefetch(3, 1)
    await until('it reads', () => cache.stats().prefetch.loaded === 1)
    await untilQuiet(cache)
  })
})

hints('a reader that dies is replaced, and what it held is released', async () => {
  const workers: Worker[] = []
  const note = (worker: Worker) => {
    workers.push(worker)
  }
  process.on('worker', note)
  try {
    await withCache(
      { cached: 256, partitions: { data: { blocks: 2000 } } },
      async ({ cache, data, arena }) => {
        const threadAt = arena.slotAt(readerSlot(arena.geometry)) + Slot.threadId
        data.prefetch(1999, 1)
        await until('the first reader', () => arena.words[threadAt] !== 0)
        for (let i = 0; i < 4; i++) {
          const threadId = arena.words[threadAt]!
          const reader = workers.find((worker) => worker.threadId === threadId)!
          for (let n = 0; n < 8; n++) data.prefetch(i * 400 + n * 50, 50)
          // Not awaited: the end of a worker does not keep a process alive, but the timers of 'until' do.
          void reader.terminate()
          await until(
            'the next reader',
            () => arena.words[threadAt] !== threadId && arena.words[threadAt] !== 0,
          )
          const { loaded } = cache.stats().prefetch
          data.prefetch(1900 + i, 1)
          await until('it reads', () => cache.stats().prefetch.loaded > loaded)
        }
        await untilQuiet(cache)
        const target = new Uint8Array(2000 * 512)
        await data.read(target, 0)
        for (let block = 0; block < 2000; block++)
          assert.equal(target.slice(block * 512, block * 512 + 512), blockBytes(block))
      },
    )
  } finally {
    process.off('worker', note)
  }
})

onlyNormal(hints, 'sequential reads of a thread are read ahead, unless that is turned off', async () => {
  for (const readAheadBytes of [2 ** 20, 0]) {
    await withCache(
      { cached: 512, readAheadBytes, partitions: { data: { blocks: 4000 } } },
      async ({ cache }) => {
        await inThread(cache.handle, 0, ({ client }) => {
          const data = client.partition('data')
          for (let block = 0; block < 4000; block++) {
            const guard = data.acquireSync(block, 'read')
            if (guard.data[5] !== 1 + ((block * 7) % 250)) throw new Error(`not block ${block}`)
            guard.release()
          }
        })
        if (readAheadBytes > 0) await until('the reader', () => cache.stats().prefetch.loaded > 0)
        else assert.equal(cache.stats().prefetch, { loaded: 0, dropped: 0, unused: 0 })
        await untilQuiet(cache)
      },
    )
  }
})

hints('up to eight hints of a thread wait, and more are dropped', () => {
  const { engine, device } = inline()
  const data = engine.client.partition('a')
  for (let i = 0; i < 9; i++) data.prefetch(2 * i, 2)
  assert.is(engine.client.stats().prefetch.dropped, 2)
  engine.stepReader()
  assert.is(engine.client.stats().prefetch.loaded, 16)
  data.prefetch(16, 1)
  engine.stepReader()
  assert.ok(data.tryAcquire(16, 'read')?.release() === undefined)
  assert.equal(device.calls, [...Array.from({ length: 8 }, (_, i) => [2 * i, 2]), [16, 1]])
  assert.equal(engine.checkQuiet(), [])
})

hints.run()

const runs = suite('ranges of absent blocks')

/** A cache of 64 blocks in memory; `calls` has the first block and the number of blocks of each read. */
function inline() {
  const memory = new MemoryDevice(512 * 100)
  for (let block = 0; block < 100; block++) memory.prepare(blockBytes(block), block * 512)
  const calls: [number, number][] = []
  const readSync = memory.readSync.bind(memory)
  const device = Object.assign(memory, {
    calls,
    readSync(targets: readonly Uint8Array[], position: number) {
      calls.push([position / 512, targets.length])
      readSync(targets, position)
    },
  })
  const engine = new InlineEngine({ blocks: 64, partitions: { a: { device, blockSize: 512 } } })
  return { engine, device }
}

const contents = (first: number, count: number): Uint8Array =>
  new Uint8Array(Buffer.concat(Array.from({ length: count }, (_, i) => blockBytes(first + i))))

runs('neighbours are read by one call, up to a quarter of the cache', () => {
  const { engine, device } = inline()
  const data = engine.client.partition('a')
  const target = new Uint8Array(40 * 512)
  data.readSync(target, 0)
  assert.equal(target, contents(0, 40))
  assert.equal(device.calls, [
    [0, 16],
    [16, 16],
    [32, 8],
  ])
  const { hits, misses, diskReads, diskReadBytes } = engine.client.stats()
  assert.equal([hits, misses, diskReads, diskReadBytes], [0, 40, 40, 40 * 512])
  assert.equal(engine.checkQuiet(), [])
})

runs('cached and dirty blocks are not read again, and a range may begin and end inside a block', () => {
  const { engine, device } = inline()
  const data = engine.client.partition('a')
  data.writeSync(new Uint8Array(512).fill(200), 3 * 512)
  data.acquireSync(6, 'read').release()
  device.calls.length = 0
  const target = new Uint8Array(9 * 512 - 200)
  data.readSync(target, 100)
  const expected = contents(0, 9)
  expected.fill(200, 3 * 512, 4 * 512)
  assert.equal(target, expected.slice(100, 9 * 512 - 100))
  assert.equal(device.calls, [
    [0, 3],
    [4, 2],
    [7, 2],
  ])
  assert.equal(engine.checkQuiet(), [])
})

for (const bad of [0, 1, 5, 9]) {
  runs(`when block ${bad} of ten is bad, the error names it and the blocks before it were read`, async () => {
    const { engine, device } = inline()
    const data = engine.client.partition('a')
    for (const call of ['readSync', 'read'] as const) {
      engine.evictClean()
      device.before = (one) => {
        if (one.kind === 'read' && one.position === (20 + bad) * 512)
          throw Object.assign(new Error('a bad sector'), { code: 'EIO' })
      }
      const target = new Uint8Array(10 * 512)
      await refusal('ERR_DCACHE_READ_FAILED', () => data[call](target, 20 * 512), `block ${20 + bad} `)
      assert.equal(target.slice(0, bad * 512), contents(20, bad))
      assert.equal(engine.checkQuiet(), [])
      for (let block = 20; block < 20 + bad; block++) data.tryAcquire(block, 'read')!.release()
      assert.is(data.tryAcquire(20 + bad, 'read'), undefined)
      device.before = undefined
      await data[call](target, 20 * 512)
      assert.equal(target, contents(20, 10))
    }
  })
}

runs('a block that another caller holds ends a run and is waited for', () =>
  withCache({ cached: 64 }, async ({ cache, data }) => {
    const guard = await data.acquire(4, 'modify')
    const target = new Uint8Array(10 * 512)
    const reading = data.read(target, 0)
    await until('the wait', () => cache.holders().some(({ what, block }) => what === 'waits' && block === 4))
    assert.is(cache.stats().diskReads, 5)
    guard.data.fill(77)
    guard.markDirty()
    guard.release()
    await reading
    const expected = contents(0, 10)
    expected.fill(77, 4 * 512, 5 * 512)
    assert.equal(target, expected)
  }),
)

runs('in a thread that may not block, at most one block is evicted in vain', () =>
  withCache({ cached: 16 }, async ({ cache, data }) => {
    await data.read(new Uint8Array(16 * 512), 0)
    const { evictions } = cache.stats()
    refusalNow('ERR_DCACHE_WOULD_BLOCK', () => {
      data.readSync(new Uint8Array(10 * 512), 30 * 512)
    })
    assert.ok(cache.stats().evictions <= evictions + 1)
  }),
)

runs('a device continues a short read, and names the position where the file ends', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'file')
  writeBlocks(path, 2000)
  const fd = openSync(path, 'r+')
  try {
    const device = new FileDevice(fd, 512)
    // More buffers than one call into the system accepts.
    for (const read of ['readSync', 'read'] as const) {
      const targets = Array.from({ length: 1500 }, () => new Uint8Array(512))
      await device[read](targets, 0)
      targets.forEach((target, i) => {
        assert.equal(target, blockBytes(i + 1))
      })
      await device[read]([], 0)
    }
    ftruncateSync(fd, 11 * 512 + 100)
    for (const read of ['readSync', 'read'] as const) {
      let error: unknown
      try {
        await device[read](
          Array.from({ length: 20 }, () => new Uint8Array(512)),
          0,
        )
      } catch (caught) {
        error = caught
      }
      assert.match((error as Error).message, `byte ${10 * 512 + 100}`)
    }
  } finally {
    closeSync(fd)
  }
})

runs.run()
