// A thread attached to a cache whose owner ends: it changes a block before that, flushes after it, and posts the outcome.

import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { attachCache, type CacheError, type CacheHandle } from 'dcache'

const { handle } = workerData as { handle: CacheHandle }
const cache = attachCache(handle)
const port = parentPort!
cache.partition('a').writeSync(new Uint8Array(4096).fill(3), 4096)
port.postMessage('changed')
await once(port, 'message')
try {
  cache.flushSync()
  port.postMessage('flushed')
} catch (error) {
  port.postMessage((error as CacheError).code)
}
