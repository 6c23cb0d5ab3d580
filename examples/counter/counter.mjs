// Four threads increment 1,000 counters, one in each block of a file that is four times larger than the cache.

import { attachCache, openCache } from 'dcache'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread, Worker, workerData } from 'node:worker_threads'

const THREADS = 4
const COUNTERS = 1000
const INCREMENTS = 25_000

/** Adds 1 to the counter of a block. No other thread can read or change the block until its release. */
function increment(counters, block) {
  const guard = counters.acquireSync(block, 'modify', { start: 0, length: 4 })
  try {
    const counter = new DataView(guard.bytes.buffer, guard.bytes.byteOffset + guard.offset, 4)
    counter.setUint32(0, counter.getUint32(0) + 1)
    guard.markDirty()
  } finally {
    guard.release()
  }
}

/** The sum of all counters. */
async function sumOf(counters) {
  const bytes = Buffer.alloc(4)
  let sum = 0
  for (let block = 0; block < COUNTERS; block++) {
    await counters.read(bytes, block * counters.blockSize)
    sum += bytes.readUInt32BE()
  }
  return sum
}

async function main() {
  const folder = await mkdtemp(join(tmpdir(), 'dcache-counter-'))
  try {
    const file = { path: join(folder, 'counters.img'), blockSize: 4096, size: COUNTERS * 4096 }
    const cache = await openCache({ memory: '1MiB', partitions: { counters: file } })
    try {
      const workers = Array.from(
        { length: THREADS },
        () => new Worker(new URL(import.meta.url), { workerData: cache.handle }),
      )
      await Promise.all(workers.map((worker) => once(worker, 'exit')))
      await cache.flush()
      const sum = await sumOf(cache.partition('counters'))
      console.log(`${THREADS} threads made ${THREADS * INCREMENTS} increments; the counters sum to ${sum}`)
      if (sum !== THREADS * INCREMENTS) process.exitCode = 1
    } finally {
      await cache.close()
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}

function work() {
  const cache = attachCache(workerData)
  const counters = cache.partition('counters')
  for (let i = 0; i < INCREMENTS; i++) increment(counters, Math.floor(Math.random() * COUNTERS))
  cache.detach()
}

if (isMainThread) await main()
else work()
