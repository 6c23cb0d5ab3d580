/**
 * One latch, read and written in a mix. What it guards are two words that are always the same: who reads two that differ
 * has seen a write half-made.
 */
import { CacheError } from '#dist/shared/errors.js'
import { tryLatch, tryPin, unlatch, unpin, waitOut } from '#dist/shared/latch.js'
import { Deadline, runSync } from '#dist/shared/wait.js'
import { Random } from '#dist/workers/load-random.js'
import type { Prepare } from '../../harness/task.js'

/** Word 0 is the latch, these two are guarded. */
export const [FIRST_AT, SECOND_AT] = [16, 32] as const

export interface LatchData {
  readonly words: Int32Array<SharedArrayBuffer>
  /** Share of writes, in all lanes; or lane 0 does the one thing and all others the other. */
  readonly writes: number | 'first' | 'others'
}

const expired = () => new CacheError('ERR_DCACHE_TIMEOUT', 'the latch of the benchmark is lost')

function wait(words: Int32Array<SharedArrayBuffer>, alone: boolean): void {
  runSync(
    waitOut(words, 0, alone, new Deadline(), () => true, expired),
    true,
  )
}

function write(words: Int32Array<SharedArrayBuffer>, lane: number): void {
  while (!tryLatch(words, 0, lane)) wait(words, true)
  words[FIRST_AT]!++
  words[SECOND_AT]!++
  unlatch(words, 0)
}

function read(words: Int32Array<SharedArrayBuffer>): void {
  while (!tryPin(words, 0)) wait(words, false)
  const isTorn = words[FIRST_AT] !== words[SECOND_AT]
  unpin(words, 0)
  if (isTorn) throw new Error('a reader saw half of a write')
}

export const prepare: Prepare<LatchData> = ({ words, writes }, { lane }) => {
  const share = typeof writes === 'number' ? writes : (writes === 'first') === (lane === 0) ? 1 : 0
  const random = new Random(1, lane)
  const isWrite = Array.from({ length: 1024 }, () => random.unit() < share)
  let position = 0
  /** Says how many of them wrote. */
  const run = (count: number): number => {
    let written = 0
    for (let i = 0; i < count; i++) {
      position = (position + 1) & 1023
      if (isWrite[position]!) {
        write(words, lane)
        written++
      } else {
        read(words)
      }
    }
    return written
  }
  return { batch: 256, run }
}
