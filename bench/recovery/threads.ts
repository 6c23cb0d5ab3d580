/**
 * The two threads of `recovery`: a victim that holds blocks until it is killed, and a thread that waits for the block
 * that the victim is changing.
 */
import { attachCache, type CacheHandle } from 'dcache'
import { parentPort, workerData } from 'node:worker_threads'

export interface VictimData {
  readonly role: 'victim'
  readonly handle: CacheHandle
  /** The victim is changing this block and reading the others. */
  readonly block: number
  readonly reads: readonly number[]
}

export interface WaiterData {
  readonly role: 'waiter'
  readonly handle: CacheHandle
}

/** Milliseconds on a clock that all threads share. */
export const nowMs = (): number => performance.timeOrigin + performance.now()

function victim({ handle, block, reads }: VictimData): void {
  const partition = attachCache(handle).partition('main')
  for (const other of reads) partition.acquireSync(other, 'read')
  const guard = partition.acquireSync(block, 'modify')
  guard.data.fill(255)
  guard.markDirty()
  parentPort!.postMessage('holds')
  // Sleeps until it is killed, and never releases its guards.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

export interface WaiterAnswer {
  readonly gotAtMs: number
  /** The first byte of the block. The unfinished change must be undone. */
  readonly byte: number
}

function waiter({ handle }: WaiterData): void {
  const partition = attachCache(handle).partition('main')
  parentPort!.on('message', (block: number) => {
    parentPort!.postMessage('waits')
    const guard = partition.acquireSync(block, 'modify')
    const gotAtMs = nowMs()
    const byte = guard.data[0]!
    guard.release()
    const answer: WaiterAnswer = { gotAtMs, byte }
    parentPort!.postMessage(answer)
  })
}

const data = workerData as VictimData | WaiterData | undefined
if (data?.role === 'victim') victim(data)
else if (data?.role === 'waiter') waiter(data)
