/**
 * Two lanes and a condition: each lane waits for its turn and then passes it to the other. An operation is one turn: a
 * signal, a sleep and a wakeup.
 */
import { Condition } from '#dist/shared/condition.js'
import { CacheError } from '#dist/shared/errors.js'
import { Deadline, runSync } from '#dist/shared/wait.js'
import type { Prepare } from '../../harness/task.js'

/** Offsets of a pair's words from its first word; each word has its own cache line. */
const [EPOCH, WAITERS, TURN, OVER] = [0, 16, 32, 48] as const
export const PAIR_WORDS = 64

export interface PingPongData {
  readonly words: Int32Array<SharedArrayBuffer>
}

const expired = () => new CacheError('ERR_DCACHE_TIMEOUT', 'a turn of the benchmark is lost')

export const prepare: Prepare<PingPongData> = ({ words }, { lane }) => {
  const at = (lane >>> 1) * PAIR_WORDS
  const mine = lane & 1
  const condition = new Condition(words, at + EPOCH, at + WAITERS)
  const ready = () =>
    Atomics.load(words, at + TURN) === mine || Atomics.load(words, at + OVER) === 1 ? true : undefined
  const run = (count: number): number => {
    for (let i = 0; i < count; i++) {
      runSync(
        condition.until(ready, () => new Deadline(), expired),
        true,
      )
      // The other lane's slice is over, so it will not pass the turn back. The rest of this batch is skipped.
      if (Atomics.load(words, at + OVER) === 1) break
      Atomics.store(words, at + TURN, 1 - mine)
      condition.signal()
    }
    return 0
  }
  return {
    batch: 16,
    run,
    begin() {
      words[at + TURN] = 0
      words[at + OVER] = 0
    },
    end() {
      Atomics.store(words, at + OVER, 1)
      condition.broadcast()
    },
  }
}
