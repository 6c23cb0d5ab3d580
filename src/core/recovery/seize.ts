/**
 * How the flush worker takes a mutex. It may not wait for a dead holder, since the flush worker is the thread that frees what
 * the dead hold: it steals the mutex from a dead holder and repairs what the mutex guards (repair.ts).
 */
import { load, wait } from '#atomics'
import type { Mutex } from '../../shared/mutex.js'
import { SLICE_MS } from '../../shared/wait.js'
import { catchUp } from '../changes/rounds.js'
import type { Context } from '../context.js'
import { buryGone } from '../wait/deaths.js'
import { isDead, repairPolicy, repairRound } from './repair.js'

/** So many slices of waiting, some 250 ms, after which the system is asked whether the holder is still there. */
const SLICES = 50

/**
 * Takes a mutex for the flush worker, which may not wait for a dead holder: the flush worker is what frees them. It waits for
 * a living one as long as the engine runs.
 * @requires a thread that may block; the flush worker's
 * @throws what is wrong with an engine that does not run
 */
export function seize(context: Context, mutex: Mutex, repair: () => void): void {
  for (let slices = 1; !mutex.tryLock(context.slot.index); slices++) {
    context.assertRunning()
    if (slices % SLICES === 0) buryGone(context.arena)
    const holder = mutex.holder()
    if (holder >= 0 && isDead(context, holder) && mutex.steal(holder, context.slot.index)) {
      repair()
      return
    }
    const word = load(context.words, mutex.at)
    // Short slices, without the CONTENDED bit: a death is announced on the bell, not here.
    if (word !== 0) wait(context.words, mutex.at, word, SLICE_MS / SLICES)
  }
}

/** The flush worker's way to a round mutex. @takes round mutex */
export function seizeRound(context: Context, group: number): void {
  seize(context, context.roundMutexes[group]!, () => {
    repairRound(context, group)
  })
  catchUp(context, group)
}

/** The flush worker's way to the policy mutex. @takes policy mutex */
export function seizePolicy(context: Context): void {
  seize(context, context.policyMutex, () => {
    repairPolicy(context)
  })
}
