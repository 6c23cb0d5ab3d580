/**
 * The engine's own threads, each at a post of its own (post.ts): one flush worker, which starts with the engine; a writer for
 * each partition, which starts when the partition is first changed; one reader, which starts with the first hint. Replaced
 * when they end by themselves, and stopped together.
 *
 *   flush worker   its successor takes over the slot, repairs what was half-changed, and makes a new cut
 *   writer         its slot is reaped first; its successor finds the job still asked for, and does all of it again. As long as
 *                  there is none, the flush worker does its jobs (stand-in.ts)
 *   reader         its slot is reaped first; the hints that it was at are lost
 *
 * The flush worker is the one thread that the engine can't do without: where it can't be replaced, the engine is broken.
 */
import { performance } from 'node:perf_hooks'
import { load, notify, store } from '#atomics'
import { ringBell } from '../core/wait/bell.js'
import type { Context } from '../core/context.js'
import { ringHintBell } from '../core/prefetch/hints.js'
import type { Call } from '../core/needs.js'
import { CacheError } from '../shared/errors.js'
import type { CacheHandle } from '../shared/interface.js'
import { FLUSH_SLOT, readerSlot, writerSlot } from './attach.js'
import { type EngineOptions, startWorker } from './control.js'
import { backoffMs, Post, type PostOptions } from './post.js'
import { Header, JobState, Partition, Slot, SlotState } from '../shared/words.js'

// Functions, since a bundle has no URL; literals, so that tools that trace files find them.
const flushWorkerFile = () => new URL('./flush-worker.js', import.meta.url)
const writerFile = () => new URL('./writer-worker.js', import.meta.url)
const readerFile = () => new URL('./reader-worker.js', import.meta.url)

/** So many failures in a row are said aloud: one or two are an accident. */
const WARN_AT = 5

export class Crew {
  readonly #context: Context
  readonly #handle: CacheHandle
  readonly #options: EngineOptions
  readonly #gaveUp: (cause: unknown) => void
  readonly #flushWorker: Post
  readonly #writers: readonly Post[]
  readonly #reader: Post
  readonly #posts: readonly { readonly name: string; readonly post: Post }[]

  /** `gaveUp` is called when the engine can't go on: nothing is written any more. */
  constructor(
    context: Context,
    handle: CacheHandle,
    options: EngineOptions,
    gaveUp: (cause: unknown) => void,
  ) {
    this.#context = context
    this.#handle = handle
    this.#options = options
    this.#gaveUp = gaveUp
    this.#flushWorker = this.#flushPost()
    this.#writers = context.partitions.map(({ index, name }) =>
      this.#post(writerFile(), `writer of '${name}'`, writerSlot(index), index),
    )
    this.#reader = this.#post(readerFile(), 'reader', readerSlot(context.arena.geometry.partitions))
    this.#posts = [
      { name: 'flush worker', post: this.#flushWorker },
      ...this.#writers.map((post, i) => ({ name: `writer of '${context.partitions[i]!.name}'`, post })),
      { name: 'reader', post: this.#reader },
    ]
  }

  /** Resolves when rounds can run. @throws ERR_DCACHE_WORKER_DIED */
  async start(): Promise<void> {
    await this.#flushWorker.fill()
  }

  /**
   * Lets each finish the job that it is at, `patienceMs` at most, and waits until all have ended. Those that are left then are
   * terminated; inside a call into the system a thread does not end before the call, and `names` has it until then.
   */
  async stop(patienceMs: number): Promise<void> {
    const endMs = performance.now() + patienceMs
    for (const { post } of this.#posts) post.close()
    await Promise.all(this.#writers.map((_, partition) => this.#stopWriter(partition, endMs)))
    ringBell(this.#context)
    ringHintBell(this.#context)
    await Promise.all(this.#posts.map(({ post }) => post.stop(patienceMs)))
  }

  /** The engine's threads that have not ended. */
  names(): string[] {
    return this.#posts.filter(({ post }) => post.isFilled).map(({ name }) => `the ${name}`)
  }

  #called(call: Call): void {
    const post = call.calls === 'reader' ? this.#reader : this.#writers[call.partition]!
    post.call()
  }

  #flushPost(): Post {
    const { words, arena } = this.#context
    return new Post({
      begin: this.#beginner(flushWorkerFile(), 'flush worker'),
      isVacant: () => true, // its successor takes the slot over
      restMs: backoffMs,
      // A thread that waits must not take the engine for orphaned: the owner is here, and tries.
      replaces: () => {
        store(words, Header.heartbeat, load(words, Header.bell))
      },
      failed: (cause, failures) => {
        words[arena.slotAt(FLUSH_SLOT) + Slot.threadId] = 0 // until its successor takes it over
        this.#warn('flush worker', cause, failures)
      },
      hopeless: (cause) => {
        warn(`the flush worker can't be replaced, and nothing is written any more: ${textOf(cause)}`)
        this.#gaveUp(cause)
      },
    })
  }

  /** Of a thread that comes to a slot which the reaper has freed. */
  #post(file: URL, name: string, slot: number, partition?: number): Post {
    const { words, arena } = this.#context
    return new Post({
      begin: this.#beginner(file, name, partition),
      isVacant: () => load(words, arena.slotAt(slot) + Slot.state) === SlotState.FREE,
      wasTaken, // by the flush worker, for a job that it does itself (stand-in.ts)
      restMs: backoffMs,
      failed: (cause, failures) => {
        this.#warn(name, cause, failures)
      },
    })
  }

  #beginner(file: URL, name: string, partition?: number): PostOptions['begin'] {
    const start = {
      handle: this.#handle,
      options: this.#options,
      ...(partition !== undefined && { partition }),
    }
    return () =>
      startWorker(file, name, start, (call) => {
        this.#called(call)
      })
  }

  /** Says that a thread can't be started or keeps ending: it is tried again, and what waits for it waits on. */
  #warn(name: string, cause: unknown, failures: number): void {
    if (failures === WARN_AT)
      warn(`the ${name} failed ${WARN_AT} times in a row, and is started again: ${textOf(cause)}`)
  }

  /** A writer finishes the job that it is at, until `endMs`: its descriptor must not go away under it. */
  async #stopWriter(partition: number, endMs: number): Promise<void> {
    const { words, arena } = this.#context
    const jobAt = arena.partitionAt(partition) + Partition.job
    const isAtWork = () => load(words, jobAt) === JobState.ASKED && this.#isManned(partition)
    while (isAtWork() && performance.now() < endMs) await pause()
    store(words, jobAt, JobState.STOP)
    notify(words, jobAt)
  }

  /** A thread is there to do the partition's job: its writer, or the flush worker that stands in for it. */
  #isManned(partition: number): boolean {
    return (
      load(this.#context.words, this.#context.arena.slotAt(writerSlot(partition)) + Slot.state) ===
      SlotState.LIVE
    )
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

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))
