// A thread of the churn: uses partitions by their names, whichever exist at the moment, and checks every block that it gets. A
// block that was changed tells its partition's name, its number, and how often it was changed; its bytes are all of one change.

import { parentPort, threadId, workerData } from 'node:worker_threads'
import { attachCache, type CacheHandle, type Partition } from 'dcache'
import { assertWhole, BLOCK, type ChurnStart, NAMES, put, truthAt } from './churn-blocks.js'

const { handle, truth, control, seed } = workerData as ChurnStart & { handle: CacheHandle }

/** What a call may fail with while partitions come, shrink and go. */
const EXPECTED = ['ERR_DCACHE_UNKNOWN_PARTITION', 'ERR_DCACHE_OUT_OF_RANGE', 'ERR_DCACHE_GUARDS_HELD']

let state = seed
const below = (count: number): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * count)
}

const client = attachCache(handle, { name: `churn ${seed}` })

function read(partition: Partition, name: number, block: number): void {
  const target = new Uint8Array(BLOCK)
  partition.readSync(target, block * BLOCK)
  assertWhole(target, name, block)
}

function hold(partition: Partition, name: number, block: number): void {
  using guard = partition.acquireSync(block, 'read')
  const bytes = new Uint8Array(guard.data)
  const count = assertWhole(bytes, name, block)
  // Under the guard nothing changes, and nothing is newer than the newest.
  if (count > Atomics.load(truth, truthAt(name, block)))
    throw new Error(`block ${block}: ${count} is from the future`)
}

function change(partition: Partition, name: number, block: number): void {
  const guard = partition.acquireSync(block, 'modify')
  const count = assertWhole(new Uint8Array(guard.data), name, block) + 1
  Atomics.store(truth, truthAt(name, block), count)
  put(guard.data, name, block, count)
  guard.markDirty(below(3) === 0 ? 'directory' : 'data')
  guard.release()
}

async function step(): Promise<void> {
  const name = below(NAMES.length)
  const partition = client.partition(NAMES[name]!)
  const block = below(partition.blocks)
  const what = below(20)
  if (what < 8) read(partition, name, block)
  else if (what < 11) hold(partition, name, block)
  else if (what < 17) change(partition, name, block)
  else if (what === 17) partition.prefetch(block, 1)
  else if (what === 18) client.flushSync({ partition: NAMES[name]! })
  else if (partition.blocks < 40) await partition.extend(1 + below(3))
}

async function run(): Promise<void> {
  while (Atomics.load(control, 0) === 0) {
    try {
      await step()
      if (Atomics.add(control, 1, 1) % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
    } catch (error) {
      if (!EXPECTED.includes((error as { code: string }).code)) throw error
    }
  }
  client.detach()
}

run().catch((error: unknown) => {
  parentPort!.postMessage({ error: `thread ${threadId}: ${(error as Error).stack ?? String(error)}` })
})
