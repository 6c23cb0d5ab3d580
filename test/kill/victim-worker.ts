// A thread of the process that is killed: it makes changes in order, flushes after each batch, and only then reports.

import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { attachCache, type BlockGuard, type CacheHandle } from 'dcache'
import { BATCH, dataBlock, SECTOR } from './layout.js'

const { handle, worker, base } = workerData as { handle: CacheHandle; worker: number; base: number }
const cache = attachCache(handle)
const data = cache.partition('data')
const directory = cache.partition('directory')

function stamp(guard: BlockGuard, change: number, writeClass: string): void {
  const view = new DataView(guard.data.buffer, guard.data.byteOffset, guard.data.byteLength)
  for (let at = 0; at < view.byteLength; at += SECTOR) view.setUint32(at, change, true)
  guard.markDirty(writeClass)
  guard.release()
}

for (let change = base + 1; ; change++) {
  stamp(data.acquireSync(dataBlock(worker, change), 'modify'), change, 'data')
  stamp(directory.acquireSync(worker, 'modify'), change, 'directory')
  if (change % BATCH !== 0) continue
  cache.flushSync(change % (2 * BATCH) === 0 ? {} : { partition: 'directory', block: worker })
  writeSync(1, `${worker} ${change}\n`)
}
