// The process that is killed: threads commit to sets of blocks whose counts have a constant sum, some flush, and this one counts, and
// prints each number after a flush. argv: the folder, and a seed.

import { Worker } from 'node:worker_threads'
import type { CommitLife } from '../stress/commit-thread.js'
import { counterIn, openCommits } from './commit-cache.js'

const THREADS = 3

const [folder, seed] = [process.argv[2]!, Number(process.argv[3])]
const cache = await openCommits(folder)
const words = new Int32Array(new SharedArrayBuffer(4 * (2 + THREADS)))
for (let life = 0; life < THREADS; life++) {
  const workerData: CommitLife = { handle: cache.handle, seed: seed + life, words, life }
  new Worker(new URL('../stress/commit-thread.js', import.meta.url), { workerData })
}
for (;;) {
  const number = await cache.update([['counter', 0]], ([guard]) => {
    const next = counterIn(guard.data) + 1
    new DataView(guard.data.buffer, guard.data.byteOffset).setUint32(0, next)
    guard.markDirty()
    return next
  })
  await cache.flush()
  console.log(number)
}
