// The threads of mutex.test.ts. Words: 0 the mutex, 16 a plain counter, 32 the number of threads that hold the mutex.

import { Mutex, RANK } from '#dist/shared/mutex.js'
import { Deadline, runAsync, runSync } from '#dist/shared/wait.js'
import { runEndless, type Thread } from '../../support/threads.js'

export const MUTEX = 0
export const COUNTER = 16
const INSIDE = 32

/** Adds one, in steps that a second holder would disturb. @throws if there was one */
function section(words: Int32Array<SharedArrayBuffer>, length: number): void {
  const before = words[COUNTER]!
  if (words[INSIDE] !== 0) throw new Error('two threads hold the mutex')
  words[INSIDE] = 1
  for (let i = 0; i < length; i++) if (words[COUNTER] !== before) throw new Error('changed by another thread')
  words[INSIDE] = 0
  words[COUNTER] = before + 1
}

interface Work {
  readonly sections: number
  /** Threads from this one on lock asynchronously. */
  readonly firstAsync: number
  /** The length of a critical section, in loads. */
  readonly length: number
}

/** Each wait here depends on a wakeup, except those of an asynchronous thread, which sleeps in slices. */
export async function count({ words, index, args }: Thread<Work>): Promise<void> {
  const mutex = new Mutex(words, MUTEX, RANK.policy, 'test')
  for (let i = 0; i < args.sections; i++) {
    if (index >= args.firstAsync) await runAsync(mutex.lock(index, new Deadline()))
    else runEndless(mutex.lock(index, new Deadline()))
    section(words, args.length)
    mutex.unlock()
  }
}

/** Waits until a mutex held in the name of an absent thread is unlocked; then each thread locks it in turn. */
export function sleepers({ words, index }: Thread): void {
  const mutex = new Mutex(words, MUTEX, RANK.policy, 'test')
  runEndless(mutex.lock(index, new Deadline()))
  section(words, 1)
  mutex.unlock()
}

/** To be run with DCACHE_DEBUG=1: the message of each attempt to break a locking contract. */
export function contracts({ words }: Thread): string[] {
  const mutex = (at: number, rank: number, name: string) => new Mutex(words, at, rank, name)
  const [stripe, policy, round] = [
    mutex(0, RANK.stripe, 'stripe'),
    mutex(1, RANK.policy, 'policy'),
    mutex(2, RANK.round, 'round'),
  ]
  const said: string[] = []
  const attempt = (action: () => void): void => {
    try {
      action()
      said.push('')
    } catch (error) {
      said.push((error as Error).message)
    }
  }
  attempt(() => {
    runSync(stripe.lock(3, new Deadline()), true)
    policy.tryLock(3)
    round.tryLock(3)
    round.assertHeld(3)
    round.unlock()
    policy.unlock()
    stripe.unlock()
  })
  attempt(() => round.assertHeld(3))
  policy.tryLock(3)
  attempt(() => stripe.tryLock(3))
  stripe.unlock()
  attempt(() => mutex(3, RANK.policy, 'policy of another').tryLock(3))
  return said
}
