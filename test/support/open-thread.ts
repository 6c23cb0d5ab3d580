// The thread that `startThread` of open.ts starts. It attaches, runs the function whose text it was sent, answers with the
// result or the error, detaches and ends.

import { parentPort, workerData } from 'node:worker_threads'
import { attachCache, CacheError, type CacheHandle } from 'dcache'
import type { ThreadContext } from './open.js'

interface Start {
  readonly handle: CacheHandle
  readonly args: unknown
  readonly text: string
  readonly gates: Int32Array<SharedArrayBuffer>
  readonly mayBlock: boolean
  readonly name: string | undefined
  readonly patienceMs: number
}

const { handle, args, text, gates, mayBlock, name, patienceMs } = workerData as Start
const url = `data:text/javascript,${encodeURIComponent(`export default ${text}`)}`

function open(gate: number): void {
  Atomics.store(gates, gate, 1)
  Atomics.notify(gates, gate)
}

function pass(gate: number): void {
  if (Atomics.wait(gates, gate, 0, patienceMs) === 'timed-out') throw new Error(`gate ${gate} stayed shut`)
}

try {
  const { default: body } = (await import(url)) as {
    default: (context: ThreadContext<unknown>) => unknown
  }
  const client = attachCache(handle, { mayBlock, ...(name === undefined ? {} : { name }) })
  const result = await body({ client, args, open, pass, patienceMs })
  client.detach()
  parentPort!.postMessage({ result })
} catch (error) {
  parentPort!.postMessage({ error: error instanceof CacheError ? error.toJSON() : error })
}
