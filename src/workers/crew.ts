/**
 * The engine's own threads, each at a post (post.ts): the flush worker, which starts with the engine; writers, which start when
 * partitions are changed, and leave after a quiet time; and the reader, which starts with the first hint. A thread that fails
 * is replaced; all are stopped together.
 *
 *   flush worker   its successor takes over the slot, repairs what was half changed, and makes a new cut
 *   writer         its slot is recovered first; its successor finds the job still ASKED, and repeats all of it. In the meantime the
 *                  flush worker does its jobs (stand-in.ts)
 *   reader         its slot is recovered first; the hints that it was working on are lost
 *
 * Only the flush worker is indispensable: if it cannot be replaced, the engine is BROKEN.
 */
import { performance } from 'node:perf_hooks'
import { compareExchange, load, notify, store } from '#atomics'
import { ringBell } from '../core/wait/bell.js'
import { buryGone, isClaim } from '../core/wait/deaths.js'
import type { Context } from '../core/context.js'
import { ringHintBell } from '../core/prefetch/hints.js'
import type { Call } from '../core/write-back/needs.js'
import { FLUSH_SLOT, readerSlot, writerSlot } from '../shared/layout.js'
import { CacheError } from '../shared/errors.js'
import type { CacheHandle } from '../shared/interface.js'
import { type EngineOptions, startWorker } from './control.js'
import { pause } from './pause.js'
import { backoffMs, Post, type PostOptions, Turns } from './post.js'
import { Header, Job, JobState, Slot, SlotState } from '../shared/words.js'

// Functions, because a bundle has no URL. Literals, so that tools that trace files find them.
const flushWorkerFile = () => new URL('./flush-worker.js', import.meta.url)
const writerFile = () => new URL('./writer-worker.js', import.meta.url)
const readerFile = () => new URL('./reader-worker.js', import.meta.url)

/** What the crew tells its owner. */
export interface CrewNews {
  /** A thread has ended, or could not be started, and will be replaced. `failures` is the number in a row. */
  readonly failed: (thread: string, error: unknown, failures: number) => void
  /** The flush worker cannot be replaced: nothing is written any more. */
  readonly gaveUp: (error: unknown) => void
}

/** Number of failures in a row after which to warn; one or two may be accidents. */
const WARN_AT = 5

export class Crew {
  readonly #context: Context
  readonly #handle: CacheHandle
  readonly #options: EngineOptions
  readonly #news: CrewNews
  readonly #turns = new Turns()
  readonly #flushWorker: Post
  readonly #writers: readonly Post[]
  readonly #reader: Post

  constructor(context: Context, handle: CacheHandle, options: EngineOptions, news: CrewNews) {
    this.#context = context
    this.#handle = handle
    this.#options = options
    this.#news = news
    this.#flushWorker = this.#flushPost()
    const { geometry } = context.arena
    this.#writers = Array.from({ length: geometry.writers }, (_, writer) => this.#writerPost(writer))
    this.#reader = this.#post(readerFile(), 'reader', readerSlot(geometry))
  }

  get #posts(): readonly Post[] {
    return [this.#flushWorker, ...this.#writers, this.#reader]
  }

  /** Resolves when rounds can be run. @throws ERR_DCACHE_WORKER_DIED */
  async start(): Promise<void> {
    await this.#flushWorker.fill()
  }

  /**
   * Lets each thread finish its current job, for up to `patienceMs` milliseconds, and waits until all threads have ended.
   * Those that have not ended by then are terminated. A thread inside a system call ends only after that call; until then
   * `names` lists it.
   */
  async stop(patienceMs: number): Promise<void> {
    const endMs = performance.now() + patienceMs
    for (const post of this.#posts) post.close()
    await Promise.all(this.#writers.map((_, writer) => this.#stopWriter(writer, endMs)))
    ringBell(this.#context)
    ringHintBell(this.#context)
    await Promise.all(this.#posts.map((post) => post.stop(patienceMs)))
  }

  /** The engine's threads that have not ended. */
  names(): string[] {
    return this.#posts.filter((post) => post.isFilled).map((post) => `the ${post.name}`)
  }

  #called(call: Call): void {
    const post = call.calls === 'reader' ? this.#reader : this.#writers[call.writer]!
    post.call()
  }

  #flushPost(): Post {
    const { words, arena } = this.#context
    return new Post('flush worker', {
      begin: this.#beginner(flushWorkerFile(), 'flush worker'),
      isVacant: () => true, // the successor takes over the slot
      turns: this.#turns,
      restMs: backoffMs,
      // Threads that wait must not take the engine for orphaned: the owner exists and is trying.
      replaces: () => {
        store(words, Header.heartbeat, load(words, Header.bell))
      },
      failed: (cause, failures) => {
        words[arena.slotAt(FLUSH_SLOT) + Slot.threadId] = 0 // until the successor takes over
        this.#failed('flush worker', cause, failures)
      },
      hopeless: (cause) => {
        warn(
          `the flush worker cannot be replaced, and nothing is written any more; abandon() lists what is lost: ${textOf(cause)}`,
        )
        this.#news.gaveUp(cause)
      },
    })
  }

  /** A writer may leave, and its place is filled again as soon as it has a job. */
  #writerPost(writer: number): Post {
    const { words, arena } = this.#context
    const at = arena.jobAt(writer) + Job.state
    return this.#post(writerFile(), `writer ${writer}`, writerSlot(writer), writer, () => {
      // Its thread may have ended between its last two steps.
      if (compareExchange(words, at, JobState.LEAVING, JobState.IDLE) === JobState.LEAVING)
        ringBell(this.#context)
      return load(words, at) === JobState.ASKED
    })
  }

  /** The post of a thread that takes a slot after the reaper has freed it. */
  #post(file: URL, name: string, slot: number, writer?: number, isNeeded?: () => boolean): Post {
    return new Post(name, {
      begin: this.#beginner(file, name, writer),
      ...(isNeeded !== undefined && { isNeeded }),
      isVacant: () => this.#isVacant(slot),
      turns: this.#turns,
      wasTaken, // by the flush worker, for a job that it does itself (stand-in.ts)
      restMs: backoffMs,
      failed: (cause, failures) => {
        this.#failed(name, cause, failures)
      },
    })
  }

  /**
   * Whether a slot is free. A thread that ended while it took the slot has left its claim there, which the reaper does not
   * see, and for which the census looks only while threads are attached.
   */
  #isVacant(slot: number): boolean {
    const { words, arena } = this.#context
    const at = arena.slotAt(slot) + Slot.state
    if (isClaim(load(words, at))) buryGone(arena)
    return load(words, at) === SlotState.FREE
  }

  #beginner(file: URL, name: string, writer?: number): PostOptions['begin'] {
    const start = {
      handle: this.#handle,
      options: this.#options,
      ...(writer !== undefined && { writer }),
    }
    return () =>
      startWorker(file, name, start, (call) => {
        this.#called(call)
      })
  }

  /**
   * Warns if a thread cannot be started or ends repeatedly. It is tried again, and threads that wait for it keep waiting.
   */
  #failed(name: string, cause: unknown, failures: number): void {
    this.#news.failed(name, cause, failures)
    if (failures === WARN_AT)
      warn(`the ${name} failed ${WARN_AT} times in a row; it is started again: ${textOf(cause)}`)
  }

  /**
   * Waits until the writer has finished its current job, or until `endMs`, because its descriptor must not be closed before.
   */
  async #stopWriter(writer: number, endMs: number): Promise<void> {
    const { words, arena } = this.#context
    const jobAt = arena.jobAt(writer) + Job.state
    const isAtWork = () => load(words, jobAt) === JobState.ASKED && this.#isManned(writer)
    while (isAtWork() && performance.now() < endMs) await pause(1)
    store(words, jobAt, JobState.STOP)
    notify(words, jobAt)
  }

  /** Whether a thread is doing the writer's jobs: its own, or the flush worker that stands in for it. */
  #isManned(writer: number): boolean {
    const { words, arena } = this.#context
    return load(words, arena.slotAt(writerSlot(writer)) + Slot.state) === SlotState.LIVE
  }
}

function warn(text: string): void {
  process.emitWarning(`dcache: ${text}`, { type: 'DcacheWarning', code: 'DCACHE_WORKER' })
}

/** Whether a worker could not start because its slot was taken. */
const wasTaken = (cause: unknown): boolean =>
  cause instanceof CacheError &&
  (cause.cause as { code?: unknown } | undefined)?.code === 'ERR_DCACHE_THREADS'

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
