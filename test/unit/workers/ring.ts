// The threads of ring.test.ts: some push numbered records, others pop them.

import { Ring } from '#dist/shared/ring.js'
import { Deadline, runAsync } from '#dist/shared/wait.js'
import { runEndless, type Thread } from '../../support/threads.js'

export interface RingWork {
  readonly capacity: number
  readonly recordWords: number
  readonly producers: number
  /** The number of records of each producer. */
  readonly each: number
  /** Threads from this one on pop asynchronously. */
  readonly firstAsync: number
}

/** A producer returns how often the ring was full, a consumer the records that it got: [producer, number, check]. */
export async function work({ words, index, args }: Thread<RingWork>): Promise<number[][]> {
  const ring = new Ring(words, 0, args.capacity, args.recordWords)
  if (index < args.producers) {
    let full = 0
    for (let i = 0; i < args.each; i++) {
      while (!ring.tryPush(index, i, index ^ i)) {
        full++
        // The ring has no wait for producers: this only yields the processor.
        Atomics.wait(words, words.length - 1, 0, 1)
      }
    }
    return [[full]]
  }
  const got: number[][] = []
  for (;;) {
    const popping = ring.pop(new Deadline())
    const record = index >= args.firstAsync ? await runAsync(popping) : runEndless(popping)
    if (record[0] === -1) return got
    got.push(record)
    // After the last record, each consumer gets one that ends it.
    if (Atomics.add(words, words.length - 2, 1) + 1 < args.each * args.producers) continue
    for (let i = 0; i < words[words.length - 3]!; i++) while (!ring.tryPush(-1, 0, 0));
  }
}
