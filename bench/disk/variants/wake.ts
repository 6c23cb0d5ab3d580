/**
 * Two lanes that wake each other with the bare calls of the system. An operation is a round trip: a wake-up of the other
 * lane and one of this lane.
 */
import type { Prepare } from '../../harness/task.js'

/** Words of the shared memory. */
const [TURN, OVER] = [0, 16] as const
export const WAKE_WORDS = 32

export interface WakeData {
  readonly words: Int32Array<SharedArrayBuffer>
}

export const prepare: Prepare<WakeData> = ({ words }, { lane }) => ({
  batch: 16,
  run(count) {
    for (let i = 0; i < count; i++) {
      while (Atomics.load(words, TURN) !== lane) {
        // The other lane's slice is over, so it will not pass the turn back.
        if (Atomics.load(words, OVER) === 1) return 0
        Atomics.wait(words, TURN, 1 - lane)
      }
      Atomics.store(words, TURN, 1 - lane)
      Atomics.notify(words, TURN)
    }
    return 0
  },
  begin() {
    words[TURN] = 0
    words[OVER] = 0
  },
  end() {
    Atomics.store(words, OVER, 1)
    Atomics.store(words, TURN, 2)
    Atomics.notify(words, TURN)
  },
})
