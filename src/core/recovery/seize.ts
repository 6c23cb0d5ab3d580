/**
 * How the flush worker takes a mutex. It must not wait for a dead holder, because it is the thread that recovers what the
 * dead hold: it steals the mutex, and repairs what the mutex guards (repair.ts).
 */
import { load, wait } from '#atomics'
import type { Mutex } from '../../shared/mutex.js'
import { SLICE_MS } from '../../shared/wait.js'
import { catchUp } from '../changes/rounds.js'
import type { Context } from '../context.js'
import { mutexWaitEnd, spanStart } from '../spans.js'
import { buryGone } from '../wait/deaths.js'
import { isDead, repairPolicy, repairRound } from './repair.js'

/** Number of slices, about 250 ms in all, after which to ask the system whether the holder still exists. */
const SLICES = 50

/**
 * Takes a mutex for the flush worker. Steals it from a dead holder, and then calls `repair`. Waits for a live holder as long
 * as the engine runs.
 * @requires a thread that may block; the flush worker's
 * @throws the error of notOpenError, if the engine does not run
 */
export function seize(context: Context, mutex: Mutex, repair: () => void): void {
  const startMs = spanStart(context)
  let slices = 1
  for (; !mutex.tryLock(context.slot.index); slices++) {
    context.assertRunning()
    if (slices % SLICES === 0) buryGone(context.arena)
    const holder = mutex.holder()
    if (holder >= 0 && isDead(context, holder) && mutex.steal(holder, context.slot.index)) {
      repair()
      return
    }
    const word = load(context.words, mutex.at)
    // Short slices, without setting CONTENDED: a death is announced on the bell, not on this word.
    if (word !== 0) wait(context.words, mutex.at, word, SLICE_MS / SLICES)
  }
  if (slices > 1) mutexWaitEnd(context, startMs, mutex)
}

/** Takes a round mutex for the flush worker, and finishes what was left to its holder. @takes round mutex */
export function seizeRound(context: Context, group: number): void {
  seize(context, context.roundMutexes[group]!, () => {
    repairRound(context, group)
  })
  catchUp(context, group)
}

/** Takes the policy mutex for the flush worker. @takes policy mutex */
export function seizePolicy(context: Context): void {
  seize(context, context.policyMutex, () => {
    repairPolicy(context)
  })
}
