/**
 * A client of the monitor of a cache (`dcache/monitor`) for its statistics. The connection is kept between samples. Every failure
 * is a `MonitorError` in words for the user.
 */
import { Agent } from 'node:http'
import type { MonitorSample } from '../monitor/protocol.js'
import { type MonitorAddress, MonitorError } from './monitor-address.js'
import { foreign, getFrom } from './monitor-get.js'

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
  async read(signal?: AbortSignal): Promise<MonitorSample> {
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
  #checked(value: unknown): MonitorSample {
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
    return value as unknown as MonitorSample
  }

  #refuse(why: string): never {
    throw foreign(this.address, why)
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
