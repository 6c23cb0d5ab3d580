/**
 * Waiting, written once for threads that block and for threads that await. A slow path is a generator that yields what it
 * waits for; `runSync` blocks in `wait`, `runAsync` awaits. Both resume it after at most a slice, because a wakeup can be
 * lost with its sender: after each slice the path reads its word again. At a yield, the path must not hold anything but
 * latches.
 */
import { performance } from 'node:perf_hooks'
import { wait, waitAsync, type Words } from '#atomics'
import { onAbort } from './abort.js'
import { CacheError, type CacheErrorCode } from './errors.js'

export const SLICE_MS = 250
export const DEFAULT_TIMEOUT_MS = 30_000

/** Sleep while `words[at] === value`, for up to `timeoutMs` milliseconds. */
export interface WaitStep {
  readonly kind: 'wait'
  readonly words: Words
  readonly at: number
  readonly value: number
  readonly timeoutMs: number
}

/** A system call in its two forms, which have the same result. */
export interface IoStep {
  readonly kind: 'io'
  readonly what: string
  readonly sync: () => void
  readonly async: () => Promise<void>
}

/**
 * A wait for this thread's own event loop: for another asynchronous call or, without `turn`, for one iteration of the loop.
 */
export interface TurnStep {
  readonly kind: 'turn'
  readonly what: string
  /** Resolved by the other call. */
  readonly turn?: Promise<void>
  readonly timeoutMs: number
}

export type Step = WaitStep | IoStep | TurnStep
export type Slow<T> = Generator<Step, T, void>

/** When a wait must end. Created on slow paths only, because reading the clock costs as much as a hit. */
export class Deadline {
  readonly timeoutMs: number
  readonly #endMs: number

  constructor(timeoutMs = DEFAULT_TIMEOUT_MS) {
    this.timeoutMs = timeoutMs
    this.#endMs = performance.now() + timeoutMs
  }

  /** Milliseconds until the deadline; negative if it has passed. */
  leftMs(): number {
    return this.#endMs - performance.now()
  }
}

/**
 * One slice of a wait, of up to `sliceMs` milliseconds. The caller must check afterwards what it waits for.
 * @throws what `expired` returns, if the deadline has passed
 */
export function* sleep(
  words: Words,
  at: number,
  value: number,
  deadline: Deadline,
  expired: () => CacheError,
  sliceMs = SLICE_MS,
): Slow<void> {
  const leftMs = deadline.leftMs()
  if (leftMs <= 0) throw expired()
  yield { kind: 'wait', words, at, value, timeoutMs: Math.min(leftMs, sliceMs) }
}

/**
 * Runs a slow path on a thread that may block. With `mayBlock` false, the path fails at its first wait: its `finally` blocks
 * run, and nothing stays behind.
 * @throws ERR_DCACHE_WOULD_BLOCK, and what the path throws
 */
export function runSync<T>(path: Slow<T>, mayBlock: boolean): T {
  let turn = path.next()
  while (!turn.done) {
    const step = turn.value
    try {
      if (!mayBlock || step.kind === 'turn') {
        const what = step.kind === 'wait' ? 'another thread' : step.what
        throw new CacheError(
          'ERR_DCACHE_WOULD_BLOCK',
          `the call would have to wait for ${what}, and this thread may not block; use the asynchronous call`,
        )
      }
      if (step.kind === 'wait') wait(step.words, step.at, step.value, step.timeoutMs)
      else step.sync()
    } catch (error) {
      turn = path.throw(error)
      continue
    }
    turn = path.next()
  }
  return turn.value
}

/**
 * Runs a slow path without blocking the thread. An aborted signal ends a sleep at once; a system call that has begun is
 * completed first, because it accesses the shared frames. The process stays alive while the path waits, unless the wait is in
 * the background.
 * @throws ERR_DCACHE_ABORTED, and what the path throws
 */
export async function runAsync<T>(path: Slow<T>, signal?: AbortSignal, isBackground = false): Promise<T> {
  let turn = path.next()
  if (turn.done) return turn.value
  if (!isBackground) keepAlive(1)
  try {
    while (!turn.done) {
      const step = turn.value
      try {
        if (signal?.aborted) throw aborted(signal)
        if (step.kind === 'io') await step.async()
        else if (step.kind === 'turn') await turnAsync(step, signal)
        else await sleepAsync(step, signal)
      } catch (error) {
        turn = path.throw(error)
        continue
      }
      turn = path.next()
    }
    return turn.value
  } finally {
    if (!isBackground) keepAlive(-1)
  }
}

async function sleepAsync(step: WaitStep, signal: AbortSignal | undefined): Promise<void> {
  const sleeping = waitAsync(step.words, step.at, step.value, step.timeoutMs)
  if (!sleeping.async) {
    // The word has changed already: yield to the event loop, or two threads that alternate could starve it.
    await new Promise(setImmediate)
    return
  }
  await unlessAborted(sleeping.value, signal)
}

async function turnAsync({ turn, timeoutMs }: TurnStep, signal: AbortSignal | undefined): Promise<void> {
  if (turn === undefined) {
    await new Promise(setImmediate)
    if (signal?.aborted) throw aborted(signal)
    return
  }
  let timer: NodeJS.Timeout | undefined
  const slice = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)))
  try {
    await unlessAborted(Promise.race([turn, slice]), signal)
  } finally {
    clearTimeout(timer)
  }
}

/** Awaits a promise that never rejects. @throws ERR_DCACHE_ABORTED when the signal is aborted */
async function unlessAborted(promise: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) {
    await promise
    return
  }
  let end: (() => void) | undefined
  const abort = new Promise<never>((_, reject) => {
    end = onAbort(signal, () => {
      reject(aborted(signal))
    })
  })
  try {
    await Promise.race([promise, abort])
  } finally {
    end?.()
  }
}

function aborted(signal: AbortSignal): CacheError {
  return new CacheError('ERR_DCACHE_ABORTED', 'the wait was aborted by the signal of the call', {
    cause: signal.reason,
  })
}

// `waitAsync` does not keep the process alive. This timer does, while any call waits.
let waiting = 0
let handle: NodeJS.Timeout | undefined
function keepAlive(change: 1 | -1): void {
  waiting += change
  if (waiting === 1 && change === 1) handle = setInterval(() => undefined, 2 ** 30)
  else if (waiting === 0) clearInterval(handle)
}

/** The error for a wait that reached its deadline; `what` was waited for. */
export const timedOut = (
  what: string,
  timeoutMs: number,
  code: CacheErrorCode = 'ERR_DCACHE_TIMEOUT',
): CacheError => new CacheError(code, `${what} (waited ${timeoutMs} ms)`)
