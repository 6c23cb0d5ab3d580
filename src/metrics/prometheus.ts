/**
 * Metrics for prom-client. Each row of the table is an object of the shape that a registry asks for its values: no metric of
 * prom-client's own, because its histograms can only be observed, and its counters only be added to. So this package needs
 * nothing of prom-client, and nothing is counted twice.
 *
 * A registry asks all its metrics in one step of the event loop, when it is scraped. The first of ours that is asked reads the
 * statistics of all caches for all of them; they are dropped at the end of the step. Between scrapes nothing is done.
 */
import type { CacheClient } from '../shared/interface.js'
import { refuse, show } from '../shared/values.js'
import { assertCache, assertCalls, parseLabels } from './arguments.js'
import { BOUNDS, cumulative } from './histogram.js'
import { type MetricsRegistration, type Reading, Sources } from './sources.js'
import { type HistogramMetric, type Metric, METRICS, prometheusName } from './table.js'

/** What is used of a `Registry` of prom-client 15. */
export interface PrometheusRegistry {
  readonly contentType: string
  registerMetric(metric: never): void
  getSingleMetric(name: string): unknown
  removeSingleMetric(name: string): void
}

export interface PrometheusOptions {
  /**
   * Labels of all metrics of this cache, such as `{ cache: 'main' }`. Two caches of one registry need different ones. Default:
   * none.
   */
  readonly labels?: Readonly<Record<string, string>>
}

interface Value {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  /** Of a histogram: with the suffix. */
  readonly metricName?: string
}

interface Answer {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly aggregator: string
  readonly values: readonly Value[]
}

/**
 * Shows the metrics of a cache on a registry of prom-client, until `remove()` of the result or the end of the cache. Any thread
 * that is attached may do it, for all of them: the counters are those of the whole cache. A scrape costs one call of `stats`.
 * @throws ERR_DCACHE_BAD_OPTION, also if the registry has this cache already, another one with the same labels, or another
 *   metric with one of the names
 */
export function registerPrometheusMetrics(
  cache: CacheClient,
  registry: PrometheusRegistry,
  options: PrometheusOptions = {},
): MetricsRegistration {
  assertCache(cache)
  assertCalls('the registry', registry, 'registerMetric', 'getSingleMetric', 'removeSingleMetric')
  const labels = parseLabels(options, 'labels', (name) => /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/.test(name))
  return pageOf(registry).add(cache, labels)
}

const pages = new WeakMap<PrometheusRegistry, Page>()

/** The page of a registry; a new one if there is none, or the registry was cleared since. */
function pageOf(registry: PrometheusRegistry): Page {
  const known = pages.get(registry)
  if (known?.isShown === true) return known
  const page = new Page(registry)
  pages.set(registry, page)
  return page
}

/** The metrics of all caches on one registry. They are registered as long as there is a cache. */
class Page {
  readonly #registry: PrometheusRegistry
  readonly #families: readonly Family[]
  readonly #sources: Sources
  #readings: readonly Reading[] | undefined

  constructor(registry: PrometheusRegistry) {
    this.#registry = registry
    const read = () => this.#read()
    const isOpenMetrics = () => registry.contentType.startsWith('application/openmetrics-text')
    this.#families = METRICS.map((metric) => new Family(metric, read, isOpenMetrics))
    this.#sources = new Sources('registry', () => {
      for (const family of this.#families)
        if (registry.getSingleMetric(family.name) === family) registry.removeSingleMetric(family.name)
    })
  }

  /** Whether the registry has the metrics. */
  get isShown(): boolean {
    return this.#families.every((family) => this.#registry.getSingleMetric(family.name) === family)
  }

  add(cache: CacheClient, labels: Readonly<Record<string, string>>): MetricsRegistration {
    if (!this.isShown) this.#show()
    return this.#sources.add(cache, labels)
  }

  #show(): void {
    for (const { name } of this.#families)
      if (this.#registry.getSingleMetric(name) !== undefined)
        refuse(`the registry has another metric ${show(name)}; remove that, or use another registry`)
    for (const family of this.#families) this.#registry.registerMetric(family as never)
  }

  /** The same readings for all metrics that are asked in this step. */
  #read(): readonly Reading[] {
    if (this.#readings === undefined) {
      this.#readings = this.#sources.read()
      queueMicrotask(() => (this.#readings = undefined))
    }
    return this.#readings
  }
}

const TYPES = { counter: 'counter', amount: 'gauge', gauge: 'gauge', histogram: 'histogram' } as const

/** One metric, as a registry sees it. */
class Family {
  readonly help: string
  readonly type: string
  /** How the master of a cluster puts the values of its processes together. */
  readonly aggregator: string
  readonly #name: string
  readonly #metric: Metric
  readonly #read: () => readonly Reading[]
  readonly #isOpenMetrics: () => boolean

  constructor(metric: Metric, read: () => readonly Reading[], isOpenMetrics: () => boolean) {
    this.help = metric.help
    this.type = TYPES[metric.kind]
    this.aggregator = metric.kind === 'gauge' ? 'max' : 'sum'
    this.#name = prometheusName(metric)
    this.#metric = metric
    this.#read = read
    this.#isOpenMetrics = isOpenMetrics
  }

  get name(): string {
    return this.#name
  }

  /** A registry takes `_total` off a counter, for good, before it writes OpenMetrics; `getForPromString` does so once. */
  set name(_name: string) {}

  /** Called by a registry for JSON. */
  async get(): Promise<Answer> {
    return this.#answer(this.#name)
  }

  /** Called by a registry for text. In OpenMetrics it adds `_total` to the values of a counter. */
  async getForPromString(): Promise<Answer> {
    const isShort = this.type === 'counter' && this.#isOpenMetrics()
    return this.#answer(isShort ? this.#name.replace(/_total$/, '') : this.#name)
  }

  /** Does nothing: the counters are the cache's. */
  reset(): void {}

  #answer(name: string): Answer {
    const { help, type, aggregator } = this
    return { name, help, type, aggregator, values: this.#read().flatMap((reading) => this.#values(reading)) }
  }

  #values({ labels: own, stats }: Reading): Value[] {
    const metric = this.#metric
    if (metric.kind === 'histogram') return histogramValues(this.#name, metric, { labels: own, stats })
    return metric.read(stats).map(({ labels, value }) => ({ labels: { ...own, ...labels }, value }))
  }
}

function histogramValues(name: string, metric: HistogramMetric, { labels: own, stats }: Reading): Value[] {
  return metric.read(stats).flatMap((sample) => {
    const labels = { ...own, ...sample.labels }
    const { counts, count, sumSeconds } = cumulative(sample.value)
    const bucket = (le: string, value: number): Value => ({
      metricName: `${name}_bucket`,
      labels: { ...labels, le },
      value,
    })
    return [
      ...counts.map((value, i) => bucket(BOUNDS[i]!, value)),
      bucket('+Inf', count),
      { metricName: `${name}_sum`, labels, value: sumSeconds },
      { metricName: `${name}_count`, labels, value: count },
    ]
  })
}
