// Runs a function of a compiled test module in several worker threads concurrently, on a shared buffer:
//
//   const sums = await inThreads<number>(import.meta.resolve('./workers/mutex.js'), 'count', { threads: 4, buffer })
//
// The threads begin together, and their results are returned in their order. The first error of a thread, or the deadline,
// ends them all and rejects. This file is the entry point of those threads too.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { Slow } from '#dist/shared/wait.js'

/** What each of the threads gets. */
export interface Thread<Args = unknown> {
  /** 0 .. threads-1. */
  readonly index: number
  readonly threads: number
  readonly buffer: SharedArrayBuffer
  readonly words: Int32Array<SharedArrayBuffer>
  readonly args: Args
}

export interface ThreadsOptions {
  readonly threads: number
  readonly buffer: SharedArrayBuffer
  /** Anything that can be cloned. */
  readonly args?: unknown
  /** How long all of them may take. Long, because only a hang should reach it. */
  readonly deadlineMs?: number
  /** More environment variables. */
  readonly env?: Record<string, string>
}

interface Start {
  readonly isTestThread: true
  readonly module: string
  readonly name: string
  readonly index: number
  readonly threads: number
  readonly buffer: SharedArrayBuffer
  readonly gate: SharedArrayBuffer
  readonly args: unknown
}

type Answer = { readonly value: unknown } | { readonly error: string }

/** How long a thread sleeps for a wakeup that must come: longer than any deadline of a test. */
const ENDLESS_MS = 600_000

export async function inThreads<Result = void>(
  module: string,
  name: string,
  { threads, buffer, args, deadlineMs = 100_000, env }: ThreadsOptions,
): Promise<Result[]> {
  const gate = new SharedArrayBuffer(4)
  const running = new Set<number>()
  const workers: Worker[] = []
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${name}: thread ${[...running].join(', ')} not done after ${deadlineMs} ms`))
    }, deadlineMs)
  })
  const runs = Array.from({ length: threads }, (_, index) => {
    const start: Start = { isTestThread: true, module, name, index, threads, buffer, gate, args }
    const worker = new Worker(new URL(import.meta.url), {
      workerData: start,
      ...(env ? { env: { ...process.env, ...env } } : {}),
    })
    workers.push(worker)
    running.add(index)
    return new Promise<Result>((resolve, reject) => {
      worker.once('message', (answer: Answer) => {
        running.delete(index)
        if ('error' in answer) reject(new Error(`${name}, thread ${index}: ${answer.error}`))
        else resolve(answer.value as Result)
      })
      worker.once('error', reject)
      worker.once('exit', () => {
        reject(new Error(`${name}: thread ${index} ended without an answer`))
      })
    })
  })
  try {
    return await Promise.race([Promise.all(runs), late])
  } finally {
    clearTimeout(timer)
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

/** Runs a slow path that depends on its wakeups: no condition is rechecked at the end of a slice. */
export function runEndless<T>(path: Slow<T>): T {
  for (;;) {
    const turn = path.next()
    if (turn.done) return turn.value
    if (turn.value.kind === 'wait') sleepEndless(turn.value.words, turn.value.at, turn.value.value)
    else if (turn.value.kind === 'io') turn.value.sync()
    else throw new Error('a call that blocks waits for a task of its own thread')
  }
}

/** Sleeps until another thread wakes the caller. */
export function sleepEndless(words: Int32Array<SharedArrayBuffer>, at: number, value: number): void {
  Atomics.wait(words, at, value, ENDLESS_MS)
}

function isStart(data: unknown): data is Start {
  return typeof data === 'object' && data !== null && 'isTestThread' in data
}

async function runThread({ module, name, gate, ...start }: Start): Promise<void> {
  let answer: Answer
  try {
    const body = ((await import(module)) as Record<string, (thread: Thread) => unknown>)[name]
    if (body === undefined) throw new Error(`no function ${name} in ${module}`)
    const present = new Int32Array(gate)
    Atomics.add(present, 0, 1)
    Atomics.notify(present, 0)
    for (let n = Atomics.load(present, 0); n < start.threads; n = Atomics.load(present, 0)) {
      Atomics.wait(present, 0, n)
    }
    answer = { value: await body({ ...start, words: new Int32Array(start.buffer) }) }
  } catch (error) {
    answer = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  parentPort?.postMessage(answer)
}

// Not awaited: the module that it imports imports this one.
if (!isMainThread && isStart(workerData)) void runThread(workerData)
