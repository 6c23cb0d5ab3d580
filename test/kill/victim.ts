// The process that is killed: its cache is much smaller than its working set, with short delays, so that rounds never stop.
// argv: the folder, and the number after which this run's changes begin. Prints `worker change` after each flush.

import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { openCache } from 'dcache'
import { DATA_BLOCK, DIRECTORY_BLOCK, LANES, WORKERS } from './layout.js'

const [folder, base] = [process.argv[2]!, Number(process.argv[3])]
const cache = await openCache({
  memory: 40 * DATA_BLOCK,
  flushDelayMs: 5,
  partitions: {
    data: { path: join(folder, 'data'), blockSize: DATA_BLOCK, size: DATA_BLOCK * LANES * WORKERS },
    directory: {
      path: join(folder, 'directory'),
      blockSize: DIRECTORY_BLOCK,
      size: DIRECTORY_BLOCK * WORKERS,
    },
  },
})
for (let worker = 0; worker < WORKERS; worker++) {
  new Worker(new URL('./victim-worker.js', import.meta.url), {
    workerData: { handle: cache.handle, worker, base },
  })
}
