/**
 * `/metrics`: the statistics for Prometheus, as OpenMetrics text. prom-client is an optional peer of the package, and is
 * loaded when a scraper asks first.
 */
import type * as PromClient from 'prom-client'
import { registerPrometheusMetrics } from '../metrics/prometheus.js'
import type { MetricsRegistration } from '../metrics/sources.js'
import { CacheError } from '../shared/errors.js'
import type { CacheClient } from '../shared/interface.js'
import { type Reply, textReply } from './reply.js'

export class MetricsRoute {
  readonly #cache: CacheClient
  readonly #load: () => Promise<typeof PromClient>
  #registry: PromClient.Registry<PromClient.OpenMetricsContentType> | undefined
  #registration: MetricsRegistration | undefined
  #isEnded = false

  /** `load` imports prom-client. */
  constructor(cache: CacheClient, load = () => import('prom-client')) {
    this.#cache = cache
    this.#load = load
  }

  async reply(): Promise<Reply> {
    let client: typeof PromClient
    try {
      client = await this.#load()
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code !== 'ERR_MODULE_NOT_FOUND') throw error
      return textReply(501, `/metrics needs the package prom-client: npm install prom-client\n(${message})`)
    }
    if (this.#isEnded) throw new CacheError('ERR_DCACHE_CLOSED', 'the monitor is closed')
    if (this.#registry === undefined) {
      const registry = new client.Registry<PromClient.OpenMetricsContentType>()
      registry.setContentType(client.Registry.OPENMETRICS_CONTENT_TYPE)
      this.#registration = registerPrometheusMetrics(this.#cache, registry)
      this.#registry = registry
    }
    return { status: 200, type: this.#registry.contentType, body: await this.#registry.metrics() }
  }

  end(): void {
    this.#isEnded = true
    this.#registration?.remove()
  }
}
