// A thread of the kill storm that creates the working thread, and ends with it or before it. With `attaches` it is attached
// too, so it tells the cache of that thread's end; otherwise no thread does.

import { Worker, workerData } from 'node:worker_threads'
import { attachCache } from 'dcache'
import type { Life } from './storm-life.js'

export interface Nest {
  readonly life: Life
  readonly attaches: boolean
  readonly limits: { readonly maxOldGenerationSizeMb: number }
}

const { life, attaches, limits } = workerData as Nest
if (attaches) attachCache(life.handle)
const worker = new Worker(new URL('./storm-thread.js', import.meta.url), {
  workerData: life,
  resourceLimits: limits,
})
worker.on('error', (error) => {
  throw error
})
