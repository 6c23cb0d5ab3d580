// The mutex: it has one holder at a time, and no update and no wakeup is lost.

import { get, point, put, type Words } from '../atomics.js'
import type { MakeBody } from '../body.js'

const MUTEX = 0
const COUNTER = 1

/** Each of `threads` threads adds one `times` times, with a point between its load and its store. */
const increment =
  (threads: number, times: number): MakeBody =>
  ({ mutex, wait }, memory = [new SharedArrayBuffer(64)]) => {
    const words: Words = new Int32Array(memory[0]!)
    return {
      memory,
      roles: Array.from({ length: threads }, (_, i) => ({
        name: `thread ${i}`,
        run: () => {
          const lock = new mutex.Mutex(words, MUTEX, mutex.RANK.policy, 'mutex')
          for (let turn = 0; turn < times; turn++) {
            wait.runSync(lock.lock(i, new wait.Deadline()), true)
            const value = get(words, COUNTER)
            point(words)
            put(words, COUNTER, value + 1)
            lock.unlock()
          }
        },
      })),
      verify: () => {
        const broken: string[] = []
        if (words[COUNTER] !== threads * times)
          broken.push(`counted ${words[COUNTER]!}, not ${threads * times}`)
        if (words[MUTEX] !== 0) broken.push(`the mutex is 0x${words[MUTEX]!.toString(16)} at the end`)
        return broken
      },
      nameOf: () => 'mutex',
    }
  }

export const bodies = { two: increment(2, 2), three: increment(3, 2), threeOnce: increment(3, 1) }
