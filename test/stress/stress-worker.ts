// A thread of the stress test: attaches, makes traffic until it is told to stop, and reports what it did.

import { parentPort, workerData } from 'node:worker_threads'
import { attachCache, type CacheHandle } from 'dcache'
import { Truth } from './records.js'
import { syncCalls, Traffic } from './traffic.js'

export interface StressWorkerData {
  readonly handle: CacheHandle
  readonly truth: SharedArrayBuffer
  readonly index: number
  readonly threads: number
  readonly files: readonly number[]
  readonly seed: number
}

export interface StressReport {
  readonly counts: Record<string, number>
}

const { handle, truth: buffer, ...rest } = workerData as StressWorkerData
const truth = new Truth(buffer)
const client = attachCache(handle)
const traffic = new Traffic({ ...rest, life: rest.index, client, calls: syncCalls(client), truth })
try {
  while (!truth.isOver) await traffic.step()
} catch (error) {
  truth.end()
  throw error
}
parentPort?.postMessage({ counts: traffic.counts } satisfies StressReport)
client.detach()
