/**
 * The control plane: calls between event loops. The engine's workers answer one call, `start`, over comlink; after it they
 * sleep on words of shared memory, and are woken by words of shared memory only. In the other direction a worker can call the
 * owner with a message, which never waits.
 */
import * as Comlink from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { performance } from 'node:perf_hooks'
import { parentPort, Worker } from 'node:worker_threads'
import type { Call } from '../core/needs.js'
import type { Config } from '../shared/config.js'
import { CacheError } from '../shared/errors.js'
import type { CacheHandle } from '../shared/interface.js'

/** Options that only the engine's workers need. */
export type EngineOptions = Pick<Config, 'flushDelayMs' | 'writeBytes' | 'writeBytesPerSecond'>

/** What an engine worker is told when it starts. */
export interface WorkerStart {
  readonly handle: CacheHandle
  readonly options: EngineOptions
  /** Of a writer. */
  readonly partition?: number
}

/** A worker that has begun to start. */
export interface Starting {
  readonly worker: Worker
  /** Resolves when it is ready; rejects when it has ended without. */
  readonly ready: Promise<void>
}

interface EngineWorker {
  start(start: WorkerStart): Failure | undefined
}

/** comlink keeps only the text of what is thrown: this keeps the code too. */
interface Failure {
  readonly message: string
  readonly code?: string
}

/** A worker that neither gets ready nor ends within this time is ended. Milliseconds. */
const START_MS = 60_000

/** Of the process's environment, the variables that an engine worker reads. */
const VARIABLES = ['DCACHE_DEBUG'] as const

/**
 * In a worker: answers `start` by preparing, then runs the loop that `prepare` returns, and ends the thread, whatever else
 * keeps its event loop busy.
 */
export function serveStart(prepare: (start: WorkerStart, call: (call: Call) => void) => () => void): void {
  const port = parentPort
  if (port === null) throw new Error('an engine worker is started by openCache, not by hand')
  const worker: EngineWorker = {
    start(start) {
      try {
        const loop = prepare(start, (call) => {
          port.postMessage(call)
        })
        // The answer leaves first: the loop does not come back before the engine stops.
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
 * In the owner: starts a worker that runs `file`. It inherits neither the options of the process (`--input-type`, `--import`,
 * `--require`, loaders) nor its environment, whose NODE_OPTIONS has such options too: it runs this package's code alone.
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

/** A call to a worker that died never settles, hence the race. */
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
