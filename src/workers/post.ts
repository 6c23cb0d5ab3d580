/**
 * A post in the engine that one thread fills. If the thread ends, or cannot be started, another one is started, after a time
 * that grows with the number of failures.
 *
 *   EMPTY --fill, call--> STARTING --ready--> FILLED --it fails--> RESTING
 *                            |                    '---it leaves--> EMPTY, or STARTING if it is needed already
 *                            '--it cannot be started--> RESTING, or HOPELESS after FAILURES_MAX in a row
 *                RESTING --restMs, and the posts' turns (Turns)--> STARTING
 *   any state --stop--> STOPPED, once the thread has ended
 *
 * A thread that may leave does so by ending with exit code 0. A failure is a start that failed, or any other end; the number of
 * failures begins anew after a thread that ran for HEALTHY_MS. The first replacement starts at once. All of
 * this runs in the owner's event loop; its timers do not keep the process alive, except in `stop`.
 */
import { performance } from 'node:perf_hooks'
import type { Worker } from 'node:worker_threads'
import type { Starting } from './control.js'

export interface PostOptions {
  /** Begins to start a thread. May throw. */
  readonly begin: () => Starting
  /**
   * Whether a new thread can take the place of the former one. Called before each start, and repeatedly until it returns
   * true.
   */
  readonly isVacant: () => boolean
  /** Whether a start failed because the place was taken after `isVacant` was asked: that is no failure of the thread. */
  readonly wasTaken?: (cause: unknown) => boolean
  /** For a thread that may leave: called when it has left; whether another one is needed at once. */
  readonly isNeeded?: () => boolean
  /** Shared with the other posts: the turns in which starts are repeated after failures. */
  readonly turns: Turns
  /** Milliseconds from a failure to the next start; `failures` is the number in a row, from 1. See backoffMs. */
  readonly restMs: (failures: number) => number
  /** Called before each start of a replacement. */
  readonly replaces?: () => void
  /** Called for each failure of a replacement, or of a thread started by `call`; `failures` is the number in a row. */
  readonly failed?: (cause: unknown, failures: number) => void
  /** If given, FAILURES_MAX failures in a row end the attempts, and this is called. */
  readonly hopeless?: (cause: unknown) => void
}

/**
 * Lets one start after the other proceed. A start needs some forty descriptors for a moment. Near the limit one thread can start
 * but not two at once, and posts that failed together would try, and fail, together again.
 */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs `start` when the earlier ones have succeeded or failed. Settles as it does. */
  take(start: () => Promise<void>): Promise<void> {
    const own = this.#last.then(start)
    this.#last = own.catch(() => undefined)
    return own
  }
}

/** Milliseconds after which a thread counts as healthy, which resets the number of failures. */
const HEALTHY_MS = 200
/** The rests of this many failures in a row add up to a minute. */
export const FAILURES_MAX = 40
const REST_LEAST_MS = 10
const REST_MAX_MS = 2000
/** How often to check whether the place is vacant, in milliseconds. */
const VACANT_MS = 5
/** Milliseconds after which a thread that was told to end is terminated, and after as long again given up. */
const END_MS = 10_000

/** 0 ms after the first failure, then 10 ms, doubled each time up to 2 s. */
export function backoffMs(failures: number): number {
  return failures <= 1 ? 0 : Math.min(REST_MAX_MS, REST_LEAST_MS * 2 ** (failures - 2))
}

export class Post {
  /** For messages. */
  readonly name: string
  readonly #options: PostOptions
  #worker: Worker | undefined
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  #isCalled = false
  #isReady = false
  /** The thread was called after it had given its place back, and before its end was known. */
  #isMissed = false
  #isStopped = false

  constructor(name: string, options: PostOptions) {
    this.name = name
    this.#options = options
  }

  /** Starts the first thread; resolves when it is ready. @throws what `begin` and `ready` throw */
  async fill(): Promise<void> {
    this.#isCalled = true
    await this.#start(true)
  }

  /** Starts a thread in the background; returns at once. Ignored if there is one, or one is being started. If it is leaving, later. */
  call(): void {
    if (this.#isCalled) {
      if (this.#isReady && this.#options.isVacant()) this.#isMissed = true
      return
    }
    this.#isCalled = true
    this.#attempt()
  }

  /** Whether there is a thread that has not ended. */
  get isFilled(): boolean {
    return this.#worker !== undefined
  }

  /** Starts no more threads. */
  close(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  /**
   * Closes the post, and waits until its thread, which was told to end, has ended. Returns false if it did not end and could
   * not be terminated, because it is inside a system call that does not return.
   */
  async stop(endMs = END_MS): Promise<boolean> {
    this.close()
    const worker = this.#worker
    if (worker === undefined) return true
    if (await endsWithin(worker, endMs)) return true
    void worker.terminate()
    return endsWithin(worker, endMs)
  }

  #attempt(): void {
    if (this.#isStopped) return
    if (!this.#options.isVacant()) this.#later(VACANT_MS)
    else if (this.#failures === 0) this.#start(false).catch(this.#hasFailed)
    else this.#options.turns.take(() => this.#startAgain()).catch(this.#hasFailed)
  }

  async #startAgain(): Promise<void> {
    // The post may have been closed while it waited for its turn.
    if (!this.#isStopped) await this.#start(false)
  }

  /** `isAwaited`: the process stays alive until the thread is ready. */
  async #start(isAwaited: boolean): Promise<void> {
    const { worker, ready } = this.#options.begin()
    if (!isAwaited) worker.unref()
    this.#worker = worker
    this.#isMissed = false
    let readyAtMs = Infinity
    let cause: unknown
    worker.on('error', (error) => (cause = error))
    worker.once('exit', (code) => {
      this.#worker = undefined
      this.#isReady = false
      if (readyAtMs === Infinity) return // its start failed
      if (performance.now() - readyAtMs >= HEALTHY_MS) this.#failures = 0
      if (code === 0 && this.#options.isNeeded !== undefined) {
        this.#hasLeft(this.#options.isNeeded)
        return
      }
      this.#hasFailed(cause ?? new Error(`it ended with code ${code}`))
    })
    await ready
    readyAtMs = performance.now()
    this.#isReady = true
    worker.unref()
  }

  #hasLeft(isNeeded: () => boolean): void {
    this.#isCalled = false
    const isMissed = this.#isMissed
    this.#isMissed = false
    if (isNeeded() || isMissed) this.call()
  }

  readonly #hasFailed = (cause: unknown): void => {
    if (this.#isStopped) return
    if (this.#options.wasTaken?.(cause) === true) {
      this.#later(VACANT_MS)
      return
    }
    this.#failures++
    this.#options.failed?.(cause, this.#failures)
    if (this.#options.hopeless !== undefined && this.#failures >= FAILURES_MAX) {
      this.close()
      this.#options.hopeless(cause)
      return
    }
    this.#later(this.#options.restMs(this.#failures))
  }

  #later(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#options.replaces?.()
      this.#attempt()
    }, ms)
    this.#timer.unref()
  }
}

/** Whether the worker ends within that time. The process stays alive in the meantime. */
async function endsWithin(worker: Worker, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const ended = new Promise<boolean>((resolve) => {
    worker.once('exit', () => {
      resolve(true)
    })
    timer = setTimeout(resolve, ms, false)
  })
  worker.ref()
  const hasEnded = await ended
  clearTimeout(timer)
  if (!hasEnded) worker.unref()
  return hasEnded
}
