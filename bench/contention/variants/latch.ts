/**
 * One latch with a mix of reads and writes. It guards two words that are always equal. A reader that sees them differ
 * has seen half of a write.
 */
import { Random } from '#dist/workload/random.js'
import type { Prepare } from '../../harness/task.js'
import { OneLatch } from '../one-latch.js'

/** Indexes of the two words in `guarded`. */
export const [FIRST_AT, SECOND_AT] = [0, 16] as const

export interface LatchData {
  readonly buffer: SharedArrayBuffer
  readonly guarded: Int32Array<SharedArrayBuffer>
  /** Share of writes in all lanes; or only lane 0 writes (`first`), or only the other lanes do (`others`). */
  readonly writes: number | 'first' | 'others'
}

export const prepare: Prepare<LatchData> = ({ buffer, guarded, writes }, { lane }) => {
  const latch = new OneLatch(buffer, lane)
  const share = typeof writes === 'number' ? writes : (writes === 'first') === (lane === 0) ? 1 : 0
  const random = new Random(1, lane)
  const isWrite = Array.from({ length: 1024 }, () => random.unit() < share)
  let position = 0

  const write = (): void => {
    latch.latch()
    guarded[FIRST_AT]!++
    guarded[SECOND_AT]!++
    latch.unlatch()
  }

  const read = (): void => {
    latch.pin()
    const isTorn = guarded[FIRST_AT] !== guarded[SECOND_AT]
    latch.unpin()
    if (isTorn) throw new Error('a reader saw half of a write')
  }

  /** Returns the number of writes. */
  const run = (count: number): number => {
    let written = 0
    for (let i = 0; i < count; i++) {
      position = (position + 1) & 1023
      if (isWrite[position]!) {
        write()
        written++
      } else {
        read()
      }
    }
    return written
  }
  return { batch: 256, run }
}
