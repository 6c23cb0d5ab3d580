// @deadline 150
// Four threads and the owner's own tasks on a cache that is much smaller than its partitions. Every record that is read is
// compared with a shared table, check() runs during the load, and at the end the files are compared too.
// DCACHE_STRESS_SECONDS sets the duration (30, at the small size 5).

import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BlockCache } from 'dcache'
import { withEngine } from '../support/engine.js'
import { sized } from '../support/size.js'
import { firstContents, PARTITIONS, Truth, verifyFile } from './records.js'
import type { StressReport, StressWorkerData } from './stress-worker.js'
import { asyncCalls, Traffic } from './traffic.js'

const seconds = Number(process.env['DCACHE_STRESS_SECONDS'] ?? sized(5, 30))
const seed = Number(process.env['DCACHE_STRESS_SEED'] ?? Date.now() % 1e9)
const WORKERS = 4
/** The number of tasks on the owner's event loop. */
const TASKS = 3
const CHECK_EVERY_MS = 100

function startWorker(data: StressWorkerData, add: (counts: Record<string, number>) => void): Promise<void> {
  const worker = new Worker(new URL('./stress-worker.js', import.meta.url), { workerData: data })
  return new Promise((resolve, reject) => {
    worker.on('message', ({ counts }: StressReport) => {
      add(counts)
    })
    worker.once('error', reject)
    worker.once('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`a worker ended with code ${code}`))
    })
  })
}

/** Calls check() repeatedly until the load is over. */
async function watch(cache: BlockCache, truth: Truth): Promise<number> {
  for (let checks = 1; ; checks++) {
    assert.equal(cache.check(), [])
    if (truth.isOver) return checks
    await sleep(CHECK_EVERY_MS)
  }
}

async function makeTraffic(traffic: Traffic, truth: Truth): Promise<void> {
  while (!truth.isOver) {
    await traffic.step()
    // A hit is answered at once, so the task must yield to the event loop.
    await sleep(1)
  }
}

test(`every record is right in ${seconds} s of load from ${WORKERS} threads and the owner`, async () => {
  const truth = new Truth({ lives: WORKERS + TASKS })
  const counts: Record<string, number> = {}
  const add = (more: Record<string, number>) => {
    for (const [what, count] of Object.entries(more)) counts[what] = (counts[what] ?? 0) + count
  }
  const partitions = Object.fromEntries(
    PARTITIONS.map(({ name, ...sizes }, i) => [name, { ...sizes, contents: firstContents(i) }]),
  )
  await withEngine(
    { blocks: 32, partitions, flushDelayMs: 50 },
    async (cache, files) => {
      const descriptors = PARTITIONS.map(({ name }) => openSync(files.path(name), 'r'))
      const timer = setTimeout(() => {
        truth.end()
      }, seconds * 1000)
      const common = { truth, files: descriptors, threads: WORKERS + TASKS }
      try {
        const workers = Array.from({ length: WORKERS }, (_, index) =>
          startWorker(
            { ...common, truth: truth.buffer, handle: cache.handle, index, seed: seed + index },
            add,
          ),
        )
        const calls = asyncCalls(cache)
        const tasks = Array.from({ length: TASKS }, async (_, i) => {
          const index = WORKERS + i
          const traffic = new Traffic({
            ...common,
            client: cache,
            calls,
            index,
            life: index,
            seed: seed + index,
          })
          await makeTraffic(traffic, truth)
          add(traffic.counts)
        })
        const all = [...workers, ...tasks, watch(cache, truth)]
        for (const one of all) one.catch(() => truth.end()) // prettier-ignore
        const results = await Promise.allSettled(all)
        const failed = results.find((result) => result.status === 'rejected')
        if (failed) throw failed.reason
        const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
        console.log(`# seed ${seed}: ${total} steps, ${cache.stats().rounds} rounds`)
        console.log(`# ${Object.entries(counts).map(([what, count]) => `${what} ${count}`).join(', ')}`) // prettier-ignore
      } finally {
        clearTimeout(timer)
        truth.end()
        for (const descriptor of descriptors) closeSync(descriptor)
      }
    },
    (files) => {
      PARTITIONS.forEach(({ name }, partition) => verifyFile(files.contents(name), partition, truth))
    },
  )
})

test.run()
