/**
 * The lanes of one variant. They are started once and run repeatedly: all of them, or the first few.
 */
import * as Comlink from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { type MessagePort, Worker } from 'node:worker_threads'
import type { Lane } from './lane.js'
import type { LaneResult, LaneStart, Latency } from './task.js'

export interface CrewOptions {
  /** Used in messages and reports. */
  readonly name: string
  /** URL of the module that exports `prepare`. */
  readonly module: string
  readonly data: unknown
  readonly lanes: number
  /** A port for lanes that exchange messages with another thread. */
  readonly portOf?: (lane: number) => MessagePort
}

export class Crew {
  readonly name: string
  /** Totals of all lanes since the start, for suites that check sums. */
  operations = 0
  sum = 0
  readonly #lanes: {
    readonly worker: Worker
    readonly remote: Comlink.Remote<Lane>
    readonly died: Promise<never>
  }[]

  /** @throws if a lane can't be prepared */
  static async start(options: CrewOptions): Promise<Crew> {
    const crew = new Crew(options)
    try {
      await Promise.all(crew.#lanes.map(({ remote, died }) => Promise.race([remote.prepare(), died])))
    } catch (error) {
      await crew.stop()
      throw error
    }
    return crew
  }

  private constructor({ name, module, data, lanes, portOf }: CrewOptions) {
    this.name = name
    const gate = new Int32Array(new SharedArrayBuffer(64))
    this.#lanes = Array.from({ length: lanes }, (_, lane) => {
      const port = portOf?.(lane)
      const start: LaneStart = { module, data, info: { lane, lanes, port }, gate }
      const worker = new Worker(new URL('lane.js', import.meta.url), {
        name: `${name} ${lane}`,
        workerData: start,
        transferList: port === undefined ? [] : [port],
      })
      // A call to a dead worker never settles, so the exit must reject it.
      const died = new Promise<never>((_, reject) => {
        worker.once('error', reject)
        worker.once('exit', (code) => {
          reject(new Error(`${name}: lane ${lane} ended with code ${code}`))
        })
      })
      died.catch(() => undefined)
      return { worker, remote: Comlink.wrap<Lane>(nodeEndpoint(worker)), died }
    })
  }

  /** Runs the first `active` lanes concurrently for `ms` milliseconds. */
  async run(active: number, ms: number): Promise<LaneResult[]> {
    return this.#counted(await this.#all(active, (remote) => remote.run(active, ms)))
  }

  /** The same, but times each operation, for `latencies`. */
  async time(active: number, ms: number): Promise<void> {
    this.#counted(await this.#all(active, (remote) => remote.time(active, ms)))
  }

  /** The latencies of each lane over all calls of `time` with this number of lanes. */
  async latencies(active: number): Promise<Latency[]> {
    return await this.#all(active, (remote) => remote.latency(active))
  }

  async #all<T>(active: number, call: (remote: Comlink.Remote<Lane>) => Promise<T>): Promise<T[]> {
    return await Promise.all(
      this.#lanes.slice(0, active).map(({ remote, died }) => Promise.race([call(remote), died])),
    )
  }

  #counted(results: LaneResult[]): LaneResult[] {
    for (const { operations, sum } of results) {
      this.operations += operations
      this.sum = (this.sum + sum) | 0
    }
    return results
  }

  async stop(): Promise<void> {
    await Promise.all(this.#lanes.map(({ worker }) => worker.terminate()))
  }
}

/** Nanoseconds per operation, as the lanes measured it. */
export const nsOf = (results: readonly LaneResult[]): number =>
  results.reduce((sum, { ns }) => sum + ns, 0) / results.length

/** Operations a second of all lanes together. */
export const throughputOf = (results: readonly LaneResult[]): number =>
  results.reduce((sum, { operations, ms }) => sum + operations / (ms / 1000), 0)
