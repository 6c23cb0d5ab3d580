/**
 * The connection workers. They start together, each with its own listening descriptors. A worker that dies is replaced;
 * the replacement uses spare descriptors. The dead worker's connections are lost; all others continue.
 */
import { store } from '#atomics'
import { Worker } from 'node:worker_threads'
import type { LogLimit } from './log-limit.js'
import { entry, type Log } from './log.js'
import { Places } from './places.js'
import type { FromWorker, Order, ToWorker, WorkerStart } from './messages.js'

/** Delay before a replacement: a worker that dies again and again must not use up all spare descriptors at once. */
const REPLACE_MS = 100

type Common = Omit<WorkerStart, 'descriptors' | 'thread'>

export class ConnectionWorkers {
  #common: Common
  readonly #log: Log
  readonly #limit: LogLimit
  readonly #descriptors: (readonly number[])[]
  readonly #deserted: () => void
  readonly #workers = new Map<number, Worker>()
  /** Orders that a worker has not carried out yet. */
  readonly #orders = new Map<Worker, Map<number, () => void>>()
  #ordered = 0
  #isStopping = false
  #areGone = false

  /** `deserted` is called when no worker is left and none can be started. */
  constructor(
    common: Common,
    descriptors: readonly (readonly number[])[],
    log: Log,
    limit: LogLimit,
    deserted: () => void,
  ) {
    this.#common = common
    this.#log = log
    this.#limit = limit
    this.#descriptors = [...descriptors]
    this.#deserted = deserted
  }

  /** No worker is left, and none can be started. */
  get areGone(): boolean {
    return this.#areGone
  }

  async start(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_, thread) => this.#start(thread)))
  }

  /** Tells the workers, and those that will replace them, which exports there are. Resolves when all know. */
  setExports(names: readonly string[]): Promise<void> {
    this.#common = { ...this.#common, exports: names }
    return this.#order({ kind: 'exports', names })
  }

  /** Ends the connections with an export, those that are not done by then at the deadline. Resolves when none is left. */
  endExport(name: string, deadlineMs: number): Promise<void> {
    return this.#order({ kind: 'end', name, deadlineMs })
  }

  /** Resolves when all workers have carried it out or are dead. */
  async #order(order: Order): Promise<void> {
    const id = ++this.#ordered
    const message: ToWorker = { ...order, id }
    const answers = Array.from(this.#orders, ([worker, orders]) => {
      worker.postMessage(message)
      return new Promise<void>((resolve) => orders.set(id, resolve))
    })
    await Promise.all(answers)
  }

  /** Lets the workers finish their requests, and terminates those that are not done after `deadlineMs`. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true
    const ends = [...this.#workers.values()].map(
      (worker) => new Promise((resolve) => worker.once('exit', resolve)),
    )
    const stop: ToWorker = 'stop'
    for (const worker of this.#workers.values()) worker.postMessage(stop)
    const timer = setTimeout(() => {
      for (const worker of this.#workers.values()) void worker.terminate()
    }, deadlineMs)
    await Promise.all(ends)
    clearTimeout(timer)
  }

  #start(thread: number): Promise<void> {
    const descriptors = this.#descriptors.shift()
    if (descriptors === undefined) {
      this.#log(
        entry('error', 'worker', `connection worker ${thread} can't be replaced: no spare sockets are left`, {
          thread,
        }),
      )
      if (this.#workers.size === 0) {
        this.#areGone = true
        this.#deserted()
      }
      return Promise.resolve()
    }
    const workerData: WorkerStart = { ...this.#common, descriptors, thread }
    const worker = new Worker(new URL('./connection-worker.js', import.meta.url), { workerData })
    const orders = new Map<number, () => void>()
    this.#workers.set(thread, worker)
    this.#orders.set(worker, orders)
    let cause = 'it ended'
    worker.on('error', (error) => (cause = error instanceof Error ? error.message : String(error)))
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'log') this.#limit.pass(message.entry)
        else if (message.kind === 'ready') resolve()
        else if (message.kind === 'done') {
          orders.get(message.id)?.()
          orders.delete(message.id)
        }
      })
      worker.once('exit', () => {
        this.#workers.delete(thread)
        this.#orders.delete(worker)
        for (const obeyed of orders.values()) obeyed()
        store(this.#common.connections, thread, 0)
        const { places, connectionsMax } = this.#common
        new Places(places, thread, connectionsMax).releaseAll()
        reject(new Error(`connection worker ${thread}: ${cause}`))
        if (!this.#isStopping) this.#replace(thread, cause)
      })
    })
  }

  #replace(thread: number, cause: string): void {
    this.#log(
      entry('error', 'worker', `connection worker ${thread} died: ${cause}; its connections are lost`, {
        thread,
      }),
    )
    setTimeout(() => {
      if (this.#isStopping) return
      this.#start(thread).then(
        () => {
          this.#log(entry('info', 'worker', `connection worker ${thread} was replaced`, { thread }))
        },
        () => undefined, // the exit of the replacement was logged
      )
    }, REPLACE_MS)
  }
}
