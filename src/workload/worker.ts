/**
 * The file that piscina runs in each thread of a load. It attaches to the cache, waits for the common start, makes
 * accesses until the load ends, and detaches.
 */
import type { RecordableHistogram } from 'node:perf_hooks'
import { CacheError, type CacheErrorJson } from '../shared/errors.js'
import type { CacheHandle } from '../shared/interface.js'
import { attachCache } from '../workers/attach.js'
import { Board } from './board.js'
import { type LoadPlan, LoadThread } from './thread.js'
import { type Mismatch, Truth, type TruthMemory } from './truth.js'

export interface LoadTask {
  readonly handle: CacheHandle
  readonly board: SharedArrayBuffer
  readonly truth: TruthMemory
  readonly plan: LoadPlan
  readonly thread: number
}

/** The histograms are clones of the thread's. They are undefined if the thread could not start. */
export interface LoadResult {
  readonly readTimes: RecordableHistogram | undefined
  readonly writeTimes: RecordableHistogram | undefined
  readonly mismatches: readonly Mismatch[]
  /** The error that ended the thread. */
  readonly error: CacheErrorJson | Error | undefined
}

/** Never throws, so that the findings of a thread before it failed are reported too. */
export default function runThread({ handle, board, truth, plan, thread }: LoadTask): LoadResult {
  const words = new Board(board)
  let load: LoadThread | undefined
  let error: LoadResult['error']
  try {
    using client = attachCache(handle)
    load = new LoadThread(client, words, new Truth(truth), plan, thread)
    if (words.awaitStart()) load.run()
  } catch (cause) {
    // The other threads would continue in vain, and might wait for a block that this thread holds.
    words.stop()
    error = cause instanceof CacheError ? cause.toJSON() : (cause as Error)
  }
  return {
    readTimes: load?.readTimes,
    writeTimes: load?.writeTimes,
    mismatches: load?.mismatches ?? [],
    error,
  }
}
