/**
 * `/metrics`: the statistics for Prometheus. A scraper that asks for OpenMetrics gets that, others the older text format, as with
 * Prometheus' own clients. prom-client is an optional peer of the package, and is loaded when a scraper asks first.
 */
import type * as PromClient from 'prom-client'
import { registerPrometheusMetrics } from '../metrics/prometheus.js'
import type { MetricsRegistration } from '../metrics/sources.js'
import { CacheError } from '../shared/errors.js'
import type { CacheClient } from '../shared/interface.js'
import { type Reply, textReply } from './reply.js'

const OPEN_METRICS = 'application/openmetrics-text'

type Registry = PromClient.Registry<PromClient.RegistryContentType>

export class MetricsRoute {
  readonly #cache: CacheClient
  readonly #load: () => Promise<typeof PromClient>
  /** One for each format, made when it is asked for: the format is a property of a registry. */
  readonly #registries = new Map<boolean, Registry>()
  readonly #registrations: MetricsRegistration[] = []
  #isEnded = false

  /** `load` imports prom-client. */
  constructor(cache: CacheClient, load = () => import('prom-client')) {
    this.#cache = cache
    this.#load = load
  }

  /** `accept`: the header of the request. */
  async reply(accept = ''): Promise<Reply> {
    let client: typeof PromClient
    try {
      client = await this.#load()
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code !== 'ERR_MODULE_NOT_FOUND') throw error
      return textReply(501, `/metrics needs the package prom-client: npm install prom-client\n(${message})`)
    }
    if (this.#isEnded) throw new CacheError('ERR_DCACHE_CLOSED', 'the monitor is closed')
    const registry = this.#registry(client, accept.includes(OPEN_METRICS))
    return {
      status: 200,
      type: registry.contentType,
      body: await registry.metrics(),
      headers: { vary: 'accept' },
    }
  }

  #registry({ Registry }: typeof PromClient, isOpen: boolean): Registry {
    let registry = this.#registries.get(isOpen)
    if (registry === undefined) {
      registry = new Registry()
      registry.setContentType(isOpen ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE)
      this.#registrations.push(registerPrometheusMetrics(this.#cache, registry))
      this.#registries.set(isOpen, registry)
    }
    return registry
  }

  end(): void {
    this.#isEnded = true
    for (const registration of this.#registrations) registration.remove()
  }
}
