// Preloaded into the threads of a server: a connection worker dies of an error when a file contains its number.

import { existsSync, readFileSync, rmSync } from 'node:fs'
import { isMainThread, workerData } from 'node:worker_threads'

const trigger = process.env['DCACHE_TEST_DIE']
const start = workerData as { descriptors?: unknown; thread?: number } | null

if (!isMainThread && trigger !== undefined && start?.descriptors !== undefined) {
  setInterval(() => {
    if (!existsSync(trigger) || readFileSync(trigger, 'utf8') !== String(start.thread)) return
    rmSync(trigger)
    throw new Error('a test wants this thread dead')
  }, 5).unref()
}
