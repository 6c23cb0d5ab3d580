/**
 * Runs a load on an open cache. The threads of a piscina pool, each attached to the cache, read and write according to
 * a plan and compare all they read with the truth. The board starts and stops them together.
 */
import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import { CacheError } from '../shared/errors.js'
import type { CacheHandle } from '../shared/interface.js'
import type { Board } from './board.js'
import type { LoadPlan } from './thread.js'
import type { Mismatch, Truth } from './truth.js'
import type { LoadResult, LoadTask } from './worker.js'

export interface LoadOptions {
  readonly handle: CacheHandle
  readonly truth: Truth
  readonly plan: LoadPlan
  /** Determines the number of threads. */
  readonly board: Board
  /** Duration after the common start; undefined: until the plan is done or the board is stopped. */
  readonly seconds: number | undefined
  /** Called at the common start. */
  readonly onStart?: () => void
}

export interface LoadOutcome {
  /** From the start to the end of the last thread. */
  readonly seconds: number
  /** Nanoseconds. */
  readonly readTimes: RecordableHistogram
  readonly writeTimes: RecordableHistogram
  /** Some of the mismatches that the threads found; the board counts all of them. */
  readonly mismatches: readonly Mismatch[]
  /** Errors that ended threads. */
  readonly errors: readonly Error[]
}

const READY_POLL_MS = 2

/** Runs the load to its end. Errors of threads are part of the outcome and do not reject the promise. */
export async function runLoad(options: LoadOptions): Promise<LoadOutcome> {
  const { handle, truth, plan, board, seconds } = options
  const { threads } = board
  const outcome = {
    readTimes: createHistogram(),
    writeTimes: createHistogram(),
    mismatches: [] as Mismatch[],
    errors: [] as Error[],
  }
  const fail = (error: unknown) => {
    board.stop()
    outcome.errors.push(error instanceof Error ? error : new Error(String(error)))
  }
  const pool = new Piscina<LoadTask, LoadResult>({
    filename: fileURLToPath(new URL('./worker.js', import.meta.url)),
    minThreads: threads,
    maxThreads: threads,
  })
  pool.on('error', fail)
  let running = threads
  const runThread = async (thread: number) => {
    try {
      const result = await pool.run({ handle, board: board.buffer, truth: truth.memory, plan, thread })
      if (result.readTimes !== undefined) outcome.readTimes.add(result.readTimes)
      if (result.writeTimes !== undefined) outcome.writeTimes.add(result.writeTimes)
      outcome.mismatches.push(...result.mismatches)
      if (result.error !== undefined) fail(CacheError.from(result.error))
    } catch (error) {
      fail(CacheError.from(error))
    } finally {
      running--
    }
  }
  const all = Promise.all(Array.from({ length: threads }, (_, thread) => runThread(thread)))
  let timer: NodeJS.Timeout | undefined
  try {
    while (board.ready < threads && running === threads && !board.isStopped)
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS))
    const startMs = performance.now()
    board.start()
    options.onStart?.()
    if (seconds !== undefined) timer = setTimeout(() => board.stop(), seconds * 1000)
    await all
    return { ...outcome, seconds: (performance.now() - startMs) / 1000 }
  } finally {
    clearTimeout(timer)
    await pool.destroy()
  }
}
