// A thread of the kill storm: it makes traffic until the storm is over or the thread ends. In a plain worker storm-thread.ts
// calls it, in piscina's it is the task. The thread must not end in a quiet moment: it ends while it holds blocks,
// half-changed ones too.

import { threadId } from 'node:worker_threads'
import { attachCache, type CacheHandle } from 'dcache'
import { Order, Truth } from './records.js'
import { syncCalls, Traffic } from './traffic.js'

export interface Life {
  readonly handle: CacheHandle
  readonly truth: SharedArrayBuffer
  readonly index: number
  readonly threads: number
  readonly life: number
  readonly files: readonly number[]
  readonly seed: number
}

export default async function live({ handle, truth: buffer, ...rest }: Life): Promise<void> {
  const truth = new Truth(buffer)
  truth.begin(rest.life, threadId)
  const client = attachCache(handle)
  const traffic = new Traffic({
    ...rest,
    client,
    calls: syncCalls(client),
    truth,
    mayEnd: (isChanging) => {
      end(truth.orderOf(rest.life), rest.life, isChanging)
    },
  })
  while (!truth.isOver) await traffic.step()
}

const hoard: number[][] = []

function end(order: number, life: number, isChanging: boolean): void {
  // Not at once, so that the thread ends at different points, and mostly in half-made changes.
  const isHere = Math.random() < (isChanging ? 0.3 : 0.05)
  if (order === Order.EXIT && isHere) process.exit(0)
  // Another thread will terminate this one, mostly at another point, inside the engine.
  if (order === Order.TERMINATED && isHere) for (;;);
  if (order !== Order.MEMORY) return
  if (life % 2 === 0 && isHere) for (;;) hoard.push(new Array<number>(1e6).fill(Math.random()))
  // Every second thread continues in the meantime: it ends at any allocation.
  if (life % 2 === 1) hoard.push(new Array<number>(1e5).fill(Math.random()))
}
