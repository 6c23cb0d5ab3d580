/**
 * A watch on the flush worker, for those who wait for what only it can bring. It notes each ring of its bell that it
 * answers; when it stays silent through many slices there is nobody any more who would replace it: the owner's thread is
 * gone, and its workers with it. Counted in looks, not in time: a process that was stopped for a while is not an orphan.
 */
import { compareExchange, load } from '#atomics'
import { EngineState, Header } from '../shared/layout.js'
import { ringBell } from './bell.js'
import { type Core, wakeAll } from './core.js'

/** Looks without an answer; one each slice, so that a replacement has some seconds to start. */
const SILENT_MAX = 20

export class Watch {
  readonly #core: Core
  #bell: number | undefined
  #silent = 0

  constructor(core: Core) {
    this.#core = core
  }

  /**
   * At every turn of a wait: rings again, since a wakeup may have died with its sender, and throws when the engine does
   * not run any more.
   * @throws ERR_DCACHE_ORPHANED, ERR_DCACHE_CLOSED, ERR_DCACHE_WORKER_DIED
   */
  look(): void {
    const { words } = this.#core
    if (this.#bell !== undefined) {
      const isAnswered = ((load(words, Header.heartbeat) - this.#bell) | 0) >= 0
      this.#silent = isAnswered ? 0 : this.#silent + 1
      if (this.#silent > SILENT_MAX) markOrphaned(this.#core)
      ringBell(this.#core)
    }
    this.#bell = load(words, Header.bell)
    this.#core.assertRunning()
  }
}

/** The owner is gone: everyone is told. */
export function markOrphaned(core: Core): void {
  if (compareExchange(core.words, Header.state, EngineState.OPEN, EngineState.ORPHANED) === EngineState.OPEN)
    wakeAll(core)
}
