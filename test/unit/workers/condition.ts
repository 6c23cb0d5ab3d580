// The threads of condition.test.ts. Words: 0 the epoch, 16 the flag, 32 the number of tokens, 48 the number of sleeps, 60
// unused.

import { Condition } from '#dist/shared/condition.js'
import { sleepEndless, type Thread } from '../../support/threads.js'

export const EPOCH = 0
export const WAITERS = 16
export const TOKENS = 32
export const SLEEPS = 48
const NEVER = 60

function takeToken(words: Int32Array<SharedArrayBuffer>): boolean {
  for (;;) {
    const tokens = Atomics.load(words, TOKENS)
    if (tokens === 0) return false
    if (Atomics.compareExchange(words, TOKENS, tokens, tokens - 1) === tokens) return true
  }
}

/** The first half of the threads adds tokens and signals; the other half takes them, and sleeps when there are none. */
export function tokens({ words, index, threads, args }: Thread<{ each: number }>): void {
  const condition = new Condition(words, EPOCH, WAITERS)
  for (let i = 0; i < args.each; i++) {
    if (index < threads / 2) {
      Atomics.add(words, TOKENS, 1)
      condition.signal()
      // Now and then no tokens are left for the takers.
      if (i % 16 === 0) Atomics.wait(words, NEVER, 0, 1)
      continue
    }
    if (takeToken(words)) continue
    for (;;) {
      const epoch = condition.enter()
      if (takeToken(words)) break
      Atomics.add(words, SLEEPS, 1)
      sleepEndless(words, condition.at, epoch)
    }
  }
}

/**
 * Thread 0 signals repeatedly without a token, then once for a token, and continues when thread 1 has taken it.
 * If thread 1 misses that one signal, no other wakes it.
 */
export function bursts({ words, index, args }: Thread<{ each: number }>): void {
  const condition = new Condition(words, EPOCH, WAITERS)
  for (let i = 0; i < args.each; i++) {
    if (index === 0) {
      for (let j = i % 32; j > 0; j--) condition.broadcast()
      Atomics.add(words, TOKENS, 1)
      condition.signal()
      while (Atomics.load(words, TOKENS) !== 0);
    } else {
      for (;;) {
        const epoch = condition.enter()
        if (takeToken(words)) break
        // Stay awake a little longer, to enter the wait again just when the other thread signals again.
        for (let spin = 0; spin < 200 && Atomics.load(words, EPOCH) === epoch; spin++);
        Atomics.add(words, SLEEPS, 1)
        sleepEndless(words, condition.at, epoch)
      }
    }
  }
}
