/**
 * The control plane: calls between event loops, over comlink. The engine's workers answer one call, `start`; after it
 * they sleep on words of shared memory, and are woken by words in shared memory only.
 */
import * as Comlink from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { parentPort, Worker } from 'node:worker_threads'
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

interface EngineWorker {
  start(start: WorkerStart): void
}

/** Of the process's environment, the variables that an engine worker reads. */
const VARIABLES = ['DCACHE_DEBUG'] as const

/**
 * In a worker: answers `start` by preparing, then runs the loop that `prepare` returns, and ends the thread, whatever else
 * keeps its event loop busy.
 */
export function serveStart(prepare: (start: WorkerStart) => () => void): void {
  const port = parentPort
  if (port === null) throw new Error('an engine worker is started by openCache, not by hand')
  const worker: EngineWorker = {
    start(start) {
      const loop = prepare(start)
      // The answer leaves first: the loop does not come back before the engine stops.
      setImmediate(() => {
        loop()
        process.exit()
      })
    },
  }
  Comlink.expose(worker, nodeEndpoint(port))
}

/**
 * In the owner: a worker that runs `file`, once it is ready. A call to one that died never settles, hence the race. It
 * inherits neither the options of the process (`--input-type`, `--import`, `--require`, loaders) nor its environment, whose
 * NODE_OPTIONS has such options too: it runs this package's code alone.
 */
export async function startWorker(file: URL, name: string, start: WorkerStart): Promise<Worker> {
  const worker = new Worker(file, { name: `dcache ${name}`, execArgv: [], env: ownEnvironment() })
  const died = new Promise<never>((_, reject) => {
    worker.once('error', reject)
    worker.once('exit', (code) => {
      reject(
        new CacheError(
          'ERR_DCACHE_WORKER_DIED',
          `the ${name} worker ended with code ${code} before it was ready`,
        ),
      )
    })
  })
  died.catch(() => undefined)
  const remote = Comlink.wrap<EngineWorker>(nodeEndpoint(worker))
  try {
    await Promise.race([remote.start(start), died])
  } catch (error) {
    await worker.terminate()
    throw CacheError.from(error)
  }
  worker.removeAllListeners('message')
  return worker
}

function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    VARIABLES.filter((variable) => process.env[variable] !== undefined).map((variable) => [
      variable,
      process.env[variable],
    ]),
  )
}
