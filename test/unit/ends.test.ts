// Ends of threads and of caches: threads whose end no thread is told of, workers of workers, listeners that throw, slots that
// are about to be free, detaching during a call, and closing while a call into the system does not end.

import { fstatSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type CacheEvents, type CacheHandle, openCache } from 'dcache'
import type { Arena } from '#dist/shared/arena.js'
import { slotName } from '#dist/shared/slot-name.js'
import { openArena } from '#dist/workers/attach.js'
import { firstClientSlot } from '#dist/shared/layout.js'
import { readRecord } from '#dist/shared/partition-record.js'
import { withEngine } from '../support/engine.js'
import {
  Gates,
  inThread,
  memoryFor,
  refusal,
  startThread,
  until,
  withCache,
  writeBlocks,
} from '../support/open.js'
import { tempFolder } from '../support/temp.js'
import { Slot, SlotState } from '#dist/shared/words.js'
import { onlyNormal, sample } from '../support/size.js'

const dcache = import.meta.resolve('dcache')

/** Code of a thread that holds block 1, changed, and block 2 for reading. It reports this, and ends when it is told to. */
const HOLDS = `const { workerData, parentPort } = require('node:worker_threads')
  import(workerData.dcache).then(({ attachCache }) => {
    const data = attachCache(workerData.handle).partition('data')
    data.acquireSync(2, 'read')
    data.acquireSync(1, 'modify').data.fill(99)
    parentPort.postMessage('holds')
    parentPort.once('message', () => process.exit(0))
  })`

/** Code of a worker that creates the one above. With `listens` it is attached, and so is told of that one's end. */
const CREATES = `const { workerData, parentPort, Worker } = require('node:worker_threads')
  const ready = workerData.listens ? import(workerData.dcache).then(({ attachCache }) => attachCache(workerData.handle)) : Promise.resolve()
  ready.then(() => {
    const worker = new Worker(workerData.inner, { eval: true, workerData })
    worker.once('message', () => parentPort.postMessage('holds'))
    worker.once('exit', () => parentPort.postMessage('ended'))
    parentPort.once('message', () => worker.postMessage('end'))
  })`

const said = (worker: Worker): Promise<unknown> => new Promise((resolve) => worker.once('message', resolve))

function creator(handle: CacheHandle, listens: boolean): Worker {
  return new Worker(CREATES, { eval: true, workerData: { dcache, handle, inner: HOLDS, listens } })
}

const ends = suite('ends of threads')

for (const listens of [true, false]) {
  if (!listens && process.platform !== 'linux') continue
  for (const how of ['exits', 'ends with its creator'] as const) {
    if (how !== 'exits' && process.platform !== 'linux') continue
    ends(
      `a worker ${how}, and its creator ${listens ? 'is' : 'is not'} attached: all it held is released and its end is reported`,
      () =>
        withCache({ threads: 2 }, async ({ cache, data }) => {
          const heard: CacheEvents['workerDied'][] = []
          const { threads } = cache.stats()
          cache.on('workerDied', (info) => heard.push(info))
          const worker = creator(cache.handle, listens)
          await said(worker)
          assert.is(cache.stats().blocks.held, 2)
          if (how === 'exits') {
            worker.postMessage('end')
            await said(worker)
          }
          const isOver = worker.terminate()
          const guard = await data.acquire(1, 'modify')
          assert.not.ok(guard.data.includes(99))
          guard.release()
          ;(await data.acquire(2, 'modify')).release()
          await isOver
          await until('the slots', () => cache.stats().threads === threads)
          await until('the news', () => heard.length === (listens ? 2 : 1))
          await new Promise((resolve) => setTimeout(resolve, 20))
          assert.is(
            new Set(heard.map(({ threadId }) => threadId)).size,
            listens ? 2 : 1,
            'each end is reported once',
          )
        }),
    )
  }
}

ends('a thread that attaches after another has ended gets its slot', () =>
  withCache({ threads: 1 }, async ({ cache }) => {
    const { threads } = cache.stats()
    for (let i = 0; i < 6; i++) {
      const gates = new Gates()
      const { worker } = startThread(cache.handle, 0, ({ client, open }) => {
        client.partition('data').acquireSync(3, 'modify')
        open(0)
        return new Promise(() => setInterval(() => undefined, 1000))
      }, { gates }) // prettier-ignore
      await gates.opened(0)
      await worker.terminate()
      assert.is(await inThread(cache.handle, 0, ({ client }) => client.stats().threads), threads + 1)
    }
  }),
)

ends('attaching is refused soon when running threads have all slots', () =>
  withCache({ threads: 1 }, async ({ cache }) => {
    const gates = new Gates()
    const { result } = startThread(cache.handle, 0, ({ open, pass }) => { open(0); pass(1) }, { gates }) // prettier-ignore
    await gates.opened(0)
    await refusal('ERR_DCACHE_THREADS', () => inThread(cache.handle, 0, () => 0), 'all 1 thread slots')
    gates.open(1)
    await result
  }),
)

ends.run()

const listeners = suite('listeners')

listeners('one that throws causes an uncaught exception and disturbs nothing else', async () => {
  const uncaught: unknown[] = []
  const note = (error: unknown) => uncaught.push(error)
  process.on('uncaughtException', note)
  try {
    const partitions = { data: { blockSize: 512, blocks: 8 } }
    await withEngine({ blocks: 16, partitions }, (a) =>
      withEngine({ blocks: 16, partitions }, async (b) => {
        const heard: string[] = []
        const fault = new Error('a fault of the listener')
        for (const [name, cache] of [
          ['a', a],
          ['b', b],
        ] as const) {
          cache.on('workerDied', () => {
            heard.push(`${name}1`)
            throw fault
          })
          cache.on('workerDied', () => heard.push(`${name}2`))
        }
        const code = `const { workerData } = require('node:worker_threads')
          import(workerData.dcache).then(({ attachCache }) => {
            for (const handle of workerData.handles) attachCache(handle).partition('data').acquireSync(3, 'overwrite')
            process.exit(0)
          })`
        for (let i = 1; i <= 2; i++) {
          new Worker(code, { eval: true, workerData: { dcache, handles: [a.handle, b.handle] } })
          await until('both caches to tell all listeners', () => heard.length === 4 * i)
          for (const cache of [a, b]) (await cache.partition('data').acquire(3, 'modify')).release()
        }
        assert.equal(heard.toSorted(), ['a1', 'a1', 'a2', 'a2', 'b1', 'b1', 'b2', 'b2'])
        await until('the exceptions', () => uncaught.length === 4)
        assert.ok(uncaught.every((error) => error === fault))
      }),
    )
  } finally {
    process.off('uncaughtException', note)
  }
})

listeners.run()

const detaching = suite('detach during a call')

detaching('is refused during any asynchronous call of the thread', () =>
  withCache({ cached: 16, flushDelayMs: 1e9 }, async ({ cache, data }) => {
    const guard = await data.acquire(0, 'modify')
    const refusals = await inThread(cache.handle, 0, async ({ client }) => {
      const theirs = client.partition('data')
      const calls: Record<string, () => Promise<unknown>> = {
        'a read from the disk': () => theirs.read(new Uint8Array(512 * 8), 512 * 20),
        'a read of a held block': () => theirs.read(new Uint8Array(512), 0, { timeoutMs: 100 }),
        'an acquire of one': () => theirs.acquire(0, 'modify', { timeoutMs: 100 }),
        'a write to one': () => theirs.write(new Uint8Array(512), 0, undefined, { timeoutMs: 100 }),
        'a flush': async () => {
          await theirs.write(new Uint8Array(512), 512)
          await client.flush()
        },
      }
      const found: string[] = []
      for (const [what, call] of Object.entries(calls)) {
        const result = call().catch(() => undefined)
        for (const detach of [() => { client.detach() }, () => { client[Symbol.dispose]() }]) {
          try {
            detach()
            found.push(`${what}: detached`)
          } catch (error) {
            const { code, message } = error as { code: string; message: string }
            if (code !== 'ERR_DCACHE_GUARDS_HELD' || !message.includes('asynchronous call')) found.push(message)
          }
        }
        await result
      }
      client.detach()
      return found
    }) // prettier-ignore
    assert.equal(refusals, [])
    guard.release()
    const arena = openArena(cache.handle)
    for (let slot = firstClientSlot(arena.geometry); slot < arena.geometry.slots; slot++)
      assert.is(arena.words[arena.slotAt(slot) + Slot.state], SlotState.FREE, 'the slot is free')
  }),
)

detaching.run()

const closing = suite('closing during a call that does not end')

for (const end of sample(['close', 'abandon'] as const, 1)) {
  onlyNormal(
    closing,
    `${end}() ends, names the descriptors that stay open, and closes them after the call`,
    async () => {
      const warnings: (Error & { code?: string })[] = []
      const note = (warning: Error) => warnings.push(warning)
      process.on('warning', note)
      const gates = new Gates()
      let fd = -1
      let leave: (() => void) | undefined
      let thread: Promise<unknown> | undefined
      try {
        using folder = tempFolder()
        const path = join(folder.path, 'data')
        writeBlocks(path, 8)
        const cache = await openCache({
          memory: memoryFor(16),
          partitions: { data: { path, blockSize: 512 } },
        })
        fd = readRecord(openArena(cache.handle), 0).fd
        const { result } = startThread(cache.handle, 0, ({ open, pass }) => { open(0); pass(1) }, { gates, name: 'stuck' }) // prettier-ignore
        thread = result
        await gates.opened(0)
        // Simulates a thread whose call into the system does not return.
        const arena = openArena(cache.handle)
        const at = slotNamed(arena, 'stuck') + Slot.inIo
        Atomics.add(arena.words, at, 1)
        leave = () => Atomics.sub(arena.words, at, 1)
        await cache[end]()
        await until('the warning', () => warnings.some(({ code }) => code === 'DCACHE_FILES_OPEN'))
        const { message } = warnings.find(({ code }) => code === 'DCACHE_FILES_OPEN')!
        for (const text of ["'stuck'", `${fd} of 'data'`]) assert.ok(message.includes(text), message)
        assert.ok(fstatSync(fd).isFile(), 'its number must not name another file')
        leave()
        await until('the descriptor is closed', () => {
          try {
            fstatSync(fd)
            return false
          } catch {
            return true
          }
        })
      } finally {
        process.off('warning', note)
        gates.open(1)
        await thread
      }
    },
  )
}

closing.run()

/** The index of the first word of the slot of the thread with this name. */
function slotNamed(arena: Arena, name: string): number {
  for (let slot = 0; slot < arena.geometry.slots; slot++)
    if (slotName(arena, slot) === name) return arena.slotAt(slot)
  throw new Error(`no slot of '${name}'`)
}
