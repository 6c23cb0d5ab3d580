// A thread of the kill storm: traffic until it is over or the thread ends. In a worker made by hand storm-thread.ts
// calls it, in piscina's it is the task. What it may not do is end in a quiet moment: it does so where it holds blocks,
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
    mayEnd: () => {
      end(truth.orderOf(rest.life), rest.life)
    },
  })
  while (!truth.isOver) await traffic.step()
}

const hoard: number[][] = []

function end(order: number, life: number): void {
  // Not at once, so that each place gets its turn.
  if (order === Order.EXIT && Math.random() < 0.2) process.exit(0)
  if (order !== Order.MEMORY) return
  if (life % 2 === 0) for (;;) hoard.push(new Array<number>(1e6).fill(Math.random()))
  // Every second goes on meanwhile: its end comes wherever something is allocated.
  hoard.push(new Array<number>(1e5).fill(Math.random()))
}
