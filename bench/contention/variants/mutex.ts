/**
 * The engine's mutex around a plain counter, taken as the engine does: first a try, then a wait.
 */
import { Mutex, RANK } from '#dist/shared/mutex.js'
import { Deadline, runSync } from '#dist/shared/wait.js'
import type { Prepare } from '../../harness/task.js'

/** Index of the counter; word 0 is the mutex. */
export const COUNTER_AT = 16

export interface MutexData {
  readonly words: Int32Array<SharedArrayBuffer>
}

export const prepare: Prepare<MutexData> = ({ words }, { lane }) => {
  const mutex = new Mutex(words, 0, RANK.policy, 'benchmark')
  const run = (count: number): number => {
    for (let i = 0; i < count; i++) {
      if (!mutex.tryLock(lane)) runSync(mutex.lock(lane, new Deadline()), true)
      words[COUNTER_AT]!++
      mutex.unlock()
    }
    return 0
  }
  return { batch: 256, run }
}
