/**
 * Control messages between event loops. The engine's workers answer one call, `start`, over comlink; afterwards they sleep on
 * words of shared memory, and only those wake them. In the other direction, a worker can call the owner with a message,
 * without waiting.
 */
import * as Comlink from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { performance } from 'node:perf_hooks'
import { parentPort, Worker } from 'node:worker_threads'
import type { Call } from '../core/write-back/needs.js'
import type { Config } from '../shared/config.js'
import { CacheError } from '../shared/errors.js'
import type { CacheHandle } from '../shared/interface.js'

/** The options that only the engine's workers need. */
export type EngineOptions = Pick<Config, 'writeBytes'>

/** What an engine worker gets when it starts. */
export interface WorkerStart {
  readonly handle: CacheHandle
  readonly options: EngineOptions
  /** For a writer: which one. */
  readonly writer?: number
}

/** A worker that is starting. */
export interface Starting {
  readonly worker: Worker
  /** Resolves when it is ready; rejects if it ends first. */
  readonly ready: Promise<void>
}

interface EngineWorker {
  start(start: WorkerStart): Failure | undefined
}

/** comlink keeps only the text of an exception; this keeps the code too. */
interface Failure {
  readonly message: string
  readonly code?: string
}

/** Milliseconds after which a worker that neither became ready nor ended is terminated. */
const START_MS = 60_000

/** The environment variables that an engine worker reads. */
const VARIABLES = ['DCACHE_DEBUG'] as const

/**
 * In an engine worker: answers `start` by calling `prepare`, then runs the loop that `prepare` returned. When the loop
 * returns, ends the thread, even if its event loop is not empty.
 */
export function serveStart(prepare: (start: WorkerStart, call: (call: Call) => void) => () => void): void {
  const port = parentPort
  if (port === null) throw new Error('this file is a worker of dcache; openCache starts it')
  const worker: EngineWorker = {
    start(start) {
      try {
        const loop = prepare(start, (call) => {
          port.postMessage(call)
        })
        // Let the answer leave first: the loop does not return before the engine stops.
        setImmediate(() => {
          loop()
          process.exit()
        })
        return undefined
      } catch (error) {
        const { message, code } = error as NodeJS.ErrnoException
        return { message, ...(code === undefined ? {} : { code }) }
      }
    },
  }
  Comlink.expose(worker, nodeEndpoint(port))
}

/**
 * In the owner: starts a worker that runs `file`. It runs only this package's code: it inherits neither the options of the
 * process (`--input-type`, `--import`, `--require`, loaders) nor its environment, whose NODE_OPTIONS may contain such
 * options.
 * @throws ERR_DCACHE_WORKER_DIED with the cause, as `ready` does
 */
export function startWorker(
  file: URL,
  name: string,
  start: WorkerStart,
  called: (call: Call) => void,
): Starting {
  let worker: Worker
  try {
    worker = new Worker(file, { name: `dcache ${name}`, execArgv: [], env: ownEnvironment() })
  } catch (error) {
    throw startError(name, error)
  }
  worker.on('message', (message: unknown) => {
    if (isCall(message)) called(message)
  })
  return { worker, ready: whenReady(worker, name, start) }
}

/** A call to a worker that has ended never settles, hence the race. */
async function whenReady(worker: Worker, name: string, start: WorkerStart): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const died = new Promise<never>((_, reject) => {
    const sinceMs = performance.now()
    worker.once('error', reject)
    worker.once('exit', (code) => {
      reject(new Error(`it ended with code ${code} before it was ready`))
    })
    timer = setTimeout(() => {
      reject(new Error(`it was not ready after ${Math.round(performance.now() - sinceMs)} ms`))
    }, START_MS)
  })
  died.catch(() => undefined)
  const remote = Comlink.wrap<EngineWorker>(nodeEndpoint(worker))
  try {
    const failure = await Promise.race([remote.start(start), died])
    if (failure !== undefined) throw Object.assign(new Error(failure.message), failure)
  } catch (error) {
    await worker.terminate()
    throw startError(name, error)
  } finally {
    clearTimeout(timer)
  }
}

function startError(name: string, cause: unknown): CacheError {
  const { message } = cause as Error
  return new CacheError('ERR_DCACHE_WORKER_DIED', `the ${name} could not be started: ${message}`, { cause })
}

function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    VARIABLES.filter((variable) => process.env[variable] !== undefined).map((variable) => [
      variable,
      process.env[variable],
    ]),
  )
}

const isCall = (message: unknown): message is Call =>
  typeof message === 'object' && message !== null && 'calls' in message
