/**
 * Samples a monitor at an interval, and makes the model of the last two samples. If the monitor goes away, it is tried again each
 * second, and the last model stays. The first sample must succeed.
 */
import { performance } from 'node:perf_hooks'
import type { MonitorClient } from './monitor-client.js'
import type { MonitorSample as Sample } from '../monitor/protocol.js'
import { modelOf } from './top-model.js'
import type { TopModel } from './top-report.js'

/** Between two tries to connect again, and how long the first interval may be. */
const RETRY_MS = 1000

export class TopWatch {
  readonly #client: MonitorClient
  readonly #signal: AbortSignal
  readonly #startMs = performance.now()
  #sample: Sample | undefined
  #sampleMs = 0
  #why: string | undefined
  #wake = () => {}
  model: TopModel | undefined
  intervalMs: number
  isPaused = false

  /** `signal` ends it. */
  constructor(client: MonitorClient, intervalMs: number, signal: AbortSignal) {
    this.#client = client
    this.intervalMs = intervalMs
    this.#signal = signal
  }

  get watchedSeconds(): number {
    return (performance.now() - this.#startMs) / 1000
  }

  /** Why there is no connection, and how old the last sample is; undefined while there is one. */
  get lost(): { readonly why: string; readonly seconds: number } | undefined {
    if (this.#why === undefined) return undefined
    return { why: this.#why, seconds: (performance.now() - this.#sampleMs) / 1000 }
  }

  /**
   * Samples until the signal. Calls `changed` after each sample, and each second while the connection is lost. Rejects with a
   * MonitorError if the first sample fails.
   */
  async run(changed: () => void): Promise<void> {
    let isFirst = true
    while (!this.#signal.aborted) {
      const startMs = performance.now()
      if (!this.isPaused) await this.#look(isFirst)
      if (this.#isOver()) return
      changed()
      const most = isFirst || this.#why !== undefined ? RETRY_MS : Infinity
      isFirst = false
      // An answer that takes long does not make the next sample late.
      await this.#sleep(Math.max(0, startMs + Math.min(most, this.intervalMs) - performance.now()))
    }
  }

  /** Ends the present wait, after the interval or the pause has changed. */
  wake(): void {
    this.#wake()
  }

  async #look(isFirst: boolean): Promise<void> {
    try {
      const sample = await this.#client.read(this.#signal)
      this.model = modelOf(sample, this.#sample)
      this.#sample = sample
      this.#sampleMs = performance.now()
      this.#why = undefined
    } catch (error) {
      if (this.#isOver()) return
      if (isFirst) throw error
      this.#why = (error as Error).message
    }
  }

  /** A call, since the signal changes while the loop waits. */
  #isOver(): boolean {
    return this.#signal.aborted
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isOver()) {
        resolve()
        return
      }
      const done = () => {
        clearTimeout(timer)
        this.#signal.removeEventListener('abort', done)
        this.#wake = () => {}
        resolve()
      }
      const timer = setTimeout(done, this.isPaused ? RETRY_MS : ms)
      this.#wake = done
      this.#signal.addEventListener('abort', done)
    })
  }
}
