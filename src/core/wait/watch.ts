/**
 * A watch on the flush worker, for those who wait for what only it can bring. It notes each ring of its bell that it
 * answers; when it stays silent through many slices there is nobody any more who would replace it: the owner's thread is
 * gone, and its workers with it. Counted in slices and not in time: a process that was stopped for a while is no orphan.
 */
import { performance } from 'node:perf_hooks'
import { compareExchange, load } from '#atomics'
import { Deadline, SLICE_MS } from '../../shared/wait.js'
import { ringBell } from './bell.js'
import { type Context, wakeAll } from '../context.js'
import { EngineState, Header } from '../../shared/words.js'

/** Rings without an answer, one a slice at most: a replacement has some seconds to start, on a busy machine too. */
const SILENT_MAX = 40
/** Sleeps may end a little before their time. */
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
   * At every turn of a wait: throws when the engine does not run any more. Once a slice it rings again, since a wakeup
   * may have died with its sender; other turns of a wait are others' signals, and say nothing of the flush worker.
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
 * The deadline of the engine's own threads: none while the engine runs. A lock that is held for long is no failure of a
 * device, and nothing else may come of it than that its thread waits.
 */
export class WhileRunning extends Deadline {
  readonly #context: Context

  constructor(context: Context) {
    super(Infinity)
    this.#context = context
  }

  /** @throws what is wrong with an engine that does not run */
  override leftMs(): number {
    this.#context.assertRunning()
    return Infinity
  }
}

/** The owner is gone: everyone is told. */
export function markOrphaned(context: Context): void {
  if (
    compareExchange(context.words, Header.state, EngineState.OPEN, EngineState.ORPHANED) === EngineState.OPEN
  )
    wakeAll(context)
}
