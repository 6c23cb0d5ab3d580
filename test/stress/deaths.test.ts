// @deadline 300
// Threads that end under load, one after the other: by terminate(), by process.exit(), out of memory. Others go on, no
// lock stays held, nothing half-written is seen or reaches a file, and check() stays empty.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { openCache } from 'dcache'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tempFolder } from '../support/temp.js'

const DEATHS = 90
const THREADS = 4
const BLOCKS = 100
const SIZES = { a: 8192, b: 4096 }

const ended = (worker: Worker) =>
  new Promise((resolve) => (worker.threadId === -1 ? resolve(0) : worker.once('exit', resolve)))
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

for (const policy of ['lru2', '2q'] as const) {
  test(`${DEATHS / 2} deaths under ${policy}`, async () => {
    using folder = tempFolder()
    const path = (name: string) => join(folder.path, name)
    const cache = await openCache({
      memory: 48 * SIZES.a,
      flushDelayMs: 20,
      policy,
      partitions: {
        a: { path: path('a'), blockSize: SIZES.a, size: BLOCKS * SIZES.a },
        b: { path: path('b'), blockSize: SIZES.b, size: BLOCKS * SIZES.b },
      },
    })
    const wrong: unknown[] = []
    const start = () => {
      const worker = new Worker(new URL('./deaths-worker.js', import.meta.url), {
        workerData: { handle: cache.handle, blocks: BLOCKS },
        resourceLimits: { maxOldGenerationSizeMb: 32 },
      })
      worker.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ERR_WORKER_OUT_OF_MEMORY') wrong.push(error)
      })
      return worker
    }
    const workers = Array.from({ length: THREADS }, start)
    try {
      await pause(300)
      for (let death = 0; death < DEATHS / 2; death++) {
        const worker = workers[death % THREADS]!
        const exit = ended(worker)
        if (death % 3 === 0) await worker.terminate()
        else worker.postMessage(death % 3 === 1 ? 'exit' : 'memory')
        await exit
        workers[death % THREADS] = start()
        await pause(20 + Math.random() * 30)
        assert.equal(cache.check(), [], `after death ${death}`)
      }
      for (const worker of workers) await worker.terminate()
      assert.equal(wrong, [])
      const endMs = performance.now() + 60_000
      while (cache.stats().threads > 4 && performance.now() < endMs) await pause(10)
      assert.equal(cache.holders(), [], 'nothing stays held')
      assert.equal(cache.check(), [])
    } finally {
      for (const worker of workers) await worker.terminate()
      if (wrong.length > 0) await cache.abandon()
    }
    await cache.close()
    for (const [name, size] of Object.entries(SIZES)) {
      const file = readFileSync(path(name))
      for (let block = 0; block < BLOCKS; block++) {
        const first = file.readInt32LE(block * size)
        for (let at = 0; at < size; at += 4)
          assert.is(file.readInt32LE(block * size + at), first, `block ${block} of ${name}`)
      }
    }
  })
}

test.run()
