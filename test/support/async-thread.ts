// A worker thread that attaches as one that may not block, runs the mixed load, and reports its changes and its blocking calls.

import { blockingCallsDuring } from './blocking-calls.js'
import { parentPort, workerData } from 'node:worker_threads'
import { attachCache, CacheError, type CacheHandle } from 'dcache'
import { mixedLoad } from './async-load.js'

const { handle, seed, tasks, turns } = workerData as {
  handle: CacheHandle
  seed: number
  tasks: number
  turns: number
}
try {
  const client = attachCache(handle, { mayBlock: false })
  let changes = 0
  const blocking = await blockingCallsDuring(async () => {
    changes = await mixedLoad(client, seed, tasks, turns)
  })
  client.detach()
  parentPort!.postMessage({ changes, blocking })
} catch (error) {
  parentPort!.postMessage({ error: error instanceof CacheError ? error.toJSON() : error })
}
