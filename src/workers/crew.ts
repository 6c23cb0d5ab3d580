/**
 * The engine's own threads: one flush worker, one writer for each partition, one reader. They are started together,
 * replaced when one ends by itself, and stopped together.
 *
 *   flush worker   its successor takes over the slot, repairs what was half-changed, and makes a new cut
 *   writer         its slot is reaped first; its successor finds the job still asked for, and does all of it again
 *   reader         its slot is reaped first; the hints that it was at are lost
 */
import { performance } from 'node:perf_hooks'
import { load, notify, store } from '#atomics'
import type { Worker } from 'node:worker_threads'
import { ringBell } from '../core/bell.js'
import type { Core } from '../core/core.js'
import { ringHintBell } from '../core/hints.js'
import type { CacheHandle } from '../shared/interface.js'
import { readerSlot, writerSlot } from './attach.js'
import { type EngineOptions, startWorker } from './control.js'
import { JobState, Partition, Slot, SlotState } from '../shared/words.js'

/** So many replacements in so short a time mean that it is no accident. */
const DEATHS_MAX = 20
const DEATHS_MS = 2000
/** What a worker needs to end, on a busy machine too. */
const ENDING_MS = 2000

export class Crew {
  readonly #core: Core
  readonly #handle: CacheHandle
  readonly #options: EngineOptions
  readonly #gaveUp: (cause: unknown) => void
  /** Those that have not ended, with their names. */
  readonly #workers = new Map<Worker, string>()
  readonly #deathsAtMs: number[] = []
  #isStopping = false
  #isBroken = false

  /** `gaveUp` is called when the engine can't go on: nothing is written any more. */
  constructor(core: Core, handle: CacheHandle, options: EngineOptions, gaveUp: (cause: unknown) => void) {
    this.#core = core
    this.#handle = handle
    this.#options = options
    this.#gaveUp = gaveUp
  }

  /** Resolves when all are ready. @throws ERR_DCACHE_WORKER_DIED */
  async start(): Promise<void> {
    // All of them, also when one fails: stop() has to see every one that did start.
    const starts = [
      this.#startFlush(),
      ...this.#core.partitions.map(({ index }) => this.#startWriter(index)),
      this.#startReader(),
    ]
    const failed = (await Promise.allSettled(starts)).find((start) => start.status === 'rejected')
    if (failed) throw failed.reason
  }

  /**
   * Lets each finish the job that it is at, and waits until all have ended, `patienceMs` at most. Those that are left then are
   * ended where they are; inside a call into the system that is not before the call ends, and `names` has them until then.
   */
  async stop(patienceMs: number): Promise<void> {
    this.#isStopping = true
    const endMs = performance.now() + patienceMs
    await Promise.all(this.#core.partitions.map(({ index }) => this.#stopWriter(index, endMs)))
    ringBell(this.#core)
    ringHintBell(this.#core)
    await this.#allEnded(Math.max(ENDING_MS, endMs - performance.now()))
    if (this.#workers.size === 0) return
    for (const worker of this.#workers.keys()) void worker.terminate()
    await this.#allEnded(ENDING_MS)
  }

  /** The engine's threads that have not ended. */
  names(): string[] {
    return [...this.#workers.values()]
  }

  /** Waits for that, up to `patienceMs`. */
  async #allEnded(patienceMs: number): Promise<void> {
    const workers = [...this.#workers.keys()]
    for (const worker of workers) worker.ref()
    const all = Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))))
    await within(patienceMs, all)
    for (const worker of this.#workers.keys()) worker.unref()
  }

  #startFlush(): Promise<void> {
    const start = { handle: this.#handle, options: this.#options }
    return this.#start('./flush-worker.js', 'flush', start, () => this.#startFlush())
  }

  #startWriter(partition: number): Promise<void> {
    const name = `writer of '${this.#core.partitions[partition]!.name}'`
    const start = { handle: this.#handle, options: this.#options, partition }
    return this.#start('./writer-worker.js', name, start, async () => {
      await this.#slotIsFree(writerSlot(partition))
      await this.#startWriter(partition)
    })
  }

  #startReader(): Promise<void> {
    const start = { handle: this.#handle, options: this.#options }
    return this.#start('./reader-worker.js', 'reader', start, async () => {
      await this.#slotIsFree(readerSlot(this.#core.arena.geometry.partitions))
      await this.#startReader()
    })
  }

  async #start(
    file: string,
    name: string,
    start: Parameters<typeof startWorker>[2],
    again: () => Promise<void>,
  ): Promise<void> {
    const worker = await startWorker(new URL(file, import.meta.url), name, start)
    worker.unref()
    let cause: unknown
    worker.on('error', (error) => (cause = error))
    this.#workers.set(worker, `the ${name} worker`)
    worker.once('exit', () => {
      this.#workers.delete(worker)
      if (!this.#isStopping) this.#replace(again, cause)
    })
  }

  #replace(again: () => Promise<void>, cause: unknown): void {
    this.#deathsAtMs.push(performance.now())
    const first = this.#deathsAtMs.at(-DEATHS_MAX)
    if (this.#isStopping) return
    if (first !== undefined && performance.now() - first < DEATHS_MS) {
      this.#giveUp(cause)
      return
    }
    again().catch((error: unknown) => {
      this.#replace(again, error) // it ended before it was ready
    })
  }

  #giveUp(cause: unknown): void {
    if (this.#isBroken || this.#isStopping) return
    this.#isBroken = true
    this.#gaveUp(cause)
  }

  /** Until the flush worker has reaped it. */
  async #slotIsFree(slot: number): Promise<void> {
    const at = this.#core.arena.slotAt(slot) + Slot.state
    while (load(this.#core.words, at) !== SlotState.FREE && !this.#isStopping && !this.#isBroken)
      await pause()
  }

  /** A writer finishes the job that it is at, until `endMs`: its descriptor must not go away under it. */
  async #stopWriter(partition: number, endMs: number): Promise<void> {
    const { words, arena } = this.#core
    const jobAt = arena.partitionAt(partition) + Partition.job
    const isAtWork = () => load(words, jobAt) === JobState.ASKED && this.#isManned(partition)
    while (isAtWork() && performance.now() < endMs) await pause()
    store(words, jobAt, JobState.STOP)
    notify(words, jobAt)
  }

  #isManned(partition: number): boolean {
    return (
      load(this.#core.words, this.#core.arena.slotAt(writerSlot(partition)) + Slot.state) === SlotState.LIVE
    )
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

/** Resolves when that settles, or after `ms`. */
async function within(ms: number, what: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([what, new Promise((resolve) => (timer = setTimeout(resolve, ms)))])
  clearTimeout(timer)
}
