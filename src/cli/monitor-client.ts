/**
 * A client of the monitor of a cache (`dcache/monitor`) for its statistics. The connection is kept between samples. Every failure
 * is a `MonitorError` in words for the user.
 */
import { Agent } from 'node:http'
import type { CacheStats } from '../shared/reports.js'
import { type MonitorAddress, MonitorError } from './monitor-address.js'
import { foreign, getFrom } from './monitor-get.js'

/** A hold or a wait of a thread, as `/stats` has it. */
export interface SampleHold {
  readonly mode: string
  readonly partition?: string
  readonly block?: number
  readonly sinceMs?: number
}

export interface SampleWait extends SampleHold {
  readonly heldBy: readonly number[]
  readonly cycle: readonly number[]
}

export interface SampleThread {
  readonly slot: number
  readonly threadId: number
  readonly name: string
  readonly alive: boolean
  /** The first ones; `holdCount` says how many there are. */
  readonly holds: readonly SampleHold[]
  readonly waits: readonly SampleWait[]
  readonly holdCount: number
}

/** What `/stats` answers. Counters are totals, so a rate needs two samples. */
export interface Sample {
  readonly version: number
  /** Date.now() of the process, when it was taken. */
  readonly timeMs: number
  readonly pid: number
  readonly name: string
  readonly stats: CacheStats
  readonly threads: readonly SampleThread[]
}

/** The version of samples that this client reads. */
const VERSION = 1
/** How long the monitor may take for an answer. */
const ANSWER_MS = 5000
/** Limit of an answer. 4,096 partitions with full histograms take a quarter of it. */
const ANSWER_BYTES_MAX = 128 * 2 ** 20

export class MonitorClient implements Disposable {
  readonly address: MonitorAddress
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(address: MonitorAddress) {
    this.address = address
  }

  /** The statistics of this moment. Rejects with a MonitorError, or with the reason of the signal. */
  async read(signal?: AbortSignal): Promise<Sample> {
    signal?.throwIfAborted()
    const options = { signal, timeoutMs: ANSWER_MS, bytesMax: ANSWER_BYTES_MAX, agent: this.#agent }
    const { status, body } = await getFrom(this.address, 'stats', options)
    if (status !== 200) this.#refuse(`it answers HTTP ${status || 'without a status'}`)
    let sample: unknown
    try {
      sample = JSON.parse(body)
    } catch {
      this.#refuse('its answer is not JSON')
    }
    return this.#checked(sample)
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    this.#agent.destroy()
  }

  /** @throws unless it is a sample, as far as its readers depend on it; single numbers may be missing */
  #checked(value: unknown): Sample {
    if (!isObject(value) || typeof value['version'] !== 'number') this.#refuse('its answer has no version')
    const { version, timeMs, stats, threads } = value
    if (version !== VERSION) {
      throw new MonitorError(
        `the monitor at ${this.address.text} has version ${version} of the statistics, and this dcache reads ${VERSION}: ` +
          'use the dcache of the program',
      )
    }
    const isWhole =
      typeof timeMs === 'number' && isObject(stats) && isObject(stats['partitions']) && isObject(stats['groups']) // prettier-ignore
    if (!isWhole || !Array.isArray(threads)) this.#refuse('its answer has no statistics')
    return value as unknown as Sample
  }

  #refuse(why: string): never {
    throw foreign(this.address, why)
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
