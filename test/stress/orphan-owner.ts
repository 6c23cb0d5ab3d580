// A thread that owns a cache, posts its handle, changes nothing, and ends when it is told to.

import { parentPort, workerData } from 'node:worker_threads'
import { openCache } from 'dcache'

const { path } = workerData as { path: string }
const cache = await openCache({
  memory: '1MiB',
  partitions: { a: { path, blockSize: 4096, size: '1MiB' } },
})
parentPort?.postMessage(cache.handle)
parentPort?.on('message', () => process.exit())
