// A worker thread that may not block: attaches so, runs the mixed load, and says how much it changed and what blocked it.

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
