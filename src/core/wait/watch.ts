/**
 * A watchdog on the flush worker, for threads that wait for something that only it can bring about. The flush worker records
 * each ring of its bell that it answers. If it stays silent for many slices, nothing is left to replace it: the owner's
 * thread has ended, and the engine's threads with it. Slices are counted, not time: a process that was stopped for a while is
 * no orphan.
 */
import { performance } from 'node:perf_hooks'
import { load } from '#atomics'
import { changeState } from '../../shared/engine-state.js'
import { Deadline, SLICE_MS } from '../../shared/wait.js'
import { ringBell } from './bell.js'
import { type Context, wakeAll } from '../context.js'
import { EngineState, Header } from '../../shared/words.js'

/**
 * Number of rings without an answer, one per slice at most. A replacement gets some seconds to start, even on a busy machine.
 */
const SILENT_MAX = 40
/** Sleeps may end a little early. */
const EARLY_MS = 20

export class Watch {
  readonly #context: Context
  #bell: number | undefined
  #rungAtMs = 0
  #silent = 0

  constructor(context: Context) {
    this.#context = context
  }

  /**
   * To be called before each sleep of a wait. Throws if the engine does not run any more. Rings the bell again once per
   * slice, because a wakeup can be lost with its sender. Calls in between come from signals for other reasons and are not
   * counted.
   * @throws ERR_DCACHE_ORPHANED, ERR_DCACHE_CLOSED, ERR_DCACHE_WORKER_DIED
   */
  look(): void {
    const nowMs = performance.now()
    if (this.#bell === undefined) {
      this.#note(nowMs)
    } else if (nowMs - this.#rungAtMs >= SLICE_MS - EARLY_MS) {
      const isAnswered = ((load(this.#context.words, Header.heartbeat) - this.#bell) | 0) >= 0
      this.#silent = isAnswered ? 0 : this.#silent + 1
      if (this.#silent > SILENT_MAX) markOrphaned(this.#context)
      ringBell(this.#context)
      this.#note(nowMs)
    }
    this.#context.assertRunning()
  }

  #note(nowMs: number): void {
    this.#bell = load(this.#context.words, Header.bell)
    this.#rungAtMs = nowMs
  }
}

/**
 * The deadline of the engine's own threads: none while the engine runs. If a lock is held for long, that is not a failure of
 * a device, and must have no other effect than that the thread waits.
 */
export class WhileRunning extends Deadline {
  readonly #context: Context

  constructor(context: Context) {
    super(Infinity)
    this.#context = context
  }

  /** @throws the error of notOpenError, if the engine does not run */
  override leftMs(): number {
    this.#context.assertRunning()
    return Infinity
  }
}

/** Marks the cache as orphaned, because its owner has ended, and wakes all threads. */
export function markOrphaned(context: Context): void {
  if (changeState(context.words, EngineState.OPEN, EngineState.ORPHANED)) wakeAll(context)
}
