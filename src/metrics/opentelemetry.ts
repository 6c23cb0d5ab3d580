/**
 * Metrics for OpenTelemetry: asynchronous instruments of a meter, and one callback for all of them. When a reader collects, the
 * callback reads the statistics of each cache once. Between collections nothing is done.
 *
 * The API has no asynchronous histogram. A histogram is three counters: `.bucket`, which has for each upper bound, in the
 * attribute `le`, how many took up to it; `.sum`; and `.count`.
 */
import type { CacheClient } from '../shared/interface.js'
import { assertCache, assertCalls, parseLabels } from './arguments.js'
import { BOUNDS, cumulative } from './histogram.js'
import { type MetricsRegistration, type Reading, Sources } from './sources.js'
import { type HistogramMetric, type Labels, METRICS, openTelemetryName, type ScalarMetric } from './table.js'

/** What is used of a `Meter` of `@opentelemetry/api`. */
export interface OpenTelemetryMeter {
  createObservableCounter(name: string, options: InstrumentOptions): unknown
  createObservableUpDownCounter(name: string, options: InstrumentOptions): unknown
  createObservableGauge(name: string, options: InstrumentOptions): unknown
  addBatchObservableCallback(callback: (result: ObservedValues) => void, observables: never[]): void
  removeBatchObservableCallback(callback: (result: ObservedValues) => void, observables: never[]): void
}

/** What is used of a `BatchObservableResult`. */
export interface ObservedValues {
  observe(instrument: never, value: number, attributes?: Readonly<Record<string, string>>): void
}

export interface InstrumentOptions {
  readonly description: string
  readonly unit: string
}

export interface OpenTelemetryOptions {
  /**
   * Attributes of all metrics of this cache, such as `{ cache: 'main' }`. Two caches of one meter need different ones. Default:
   * none.
   */
  readonly attributes?: Readonly<Record<string, string>>
}

/**
 * Shows the metrics of a cache through a meter of OpenTelemetry, until `remove()` of the result or the end of the cache. Any
 * thread that is attached may do it, for all of them: the counters are those of the whole cache. A collection costs one call
 * of `stats`.
 * @throws ERR_DCACHE_BAD_OPTION, also if the meter has this cache already, or another one with the same attributes
 */
export function registerOpenTelemetryMetrics(
  cache: CacheClient,
  meter: OpenTelemetryMeter,
  options: OpenTelemetryOptions = {},
): MetricsRegistration {
  assertCache(cache)
  assertCalls(
    'the meter',
    meter,
    'createObservableCounter',
    'createObservableUpDownCounter',
    'createObservableGauge',
    'addBatchObservableCallback',
    'removeBatchObservableCallback',
  )
  const attributes = parseLabels(options, 'attributes', (name) => name !== '')
  let observers = meters.get(meter)
  if (observers === undefined) meters.set(meter, (observers = new Observers(meter)))
  return observers.add(cache, attributes)
}

const meters = new WeakMap<OpenTelemetryMeter, Observers>()

/** Observes what it is made for in the statistics of one cache. */
type Observer = (result: ObservedValues, reading: Reading) => void

/** The instruments of one meter, made once, and its callback, which is registered as long as there is a cache. */
class Observers {
  readonly #meter: OpenTelemetryMeter
  readonly #instruments: unknown[] = []
  readonly #observers: readonly Observer[]
  readonly #sources: Sources
  #isCalled = false

  constructor(meter: OpenTelemetryMeter) {
    this.#meter = meter
    this.#observers = METRICS.map((metric) =>
      metric.kind === 'histogram' ? this.#histogram(metric) : this.#scalar(metric),
    )
    this.#sources = new Sources('meter', () => {
      this.#isCalled = false
      meter.removeBatchObservableCallback(this.#callback, this.#instruments as never[])
    })
  }

  add(cache: CacheClient, attributes: Labels): MetricsRegistration {
    const registration = this.#sources.add(cache, attributes)
    if (!this.#isCalled) this.#meter.addBatchObservableCallback(this.#callback, this.#instruments as never[])
    this.#isCalled = true
    return registration
  }

  readonly #callback = (result: ObservedValues): void => {
    for (const reading of this.#sources.read())
      for (const observe of this.#observers) observe(result, reading)
  }

  #scalar(metric: ScalarMetric): Observer {
    const instrument = this.#instrument(metric.kind, openTelemetryName(metric), metric)
    return (result, reading) => {
      for (const { labels, value } of metric.read(reading.stats))
        observe(result, instrument, value, { ...reading.labels, ...labels })
    }
  }

  #histogram(metric: HistogramMetric): Observer {
    const name = openTelemetryName(metric)
    const { help, unit } = metric
    const counted = { help: `${help}: how many took up to the seconds in le`, unit: '{call}' }
    const bucket = this.#instrument('counter', `${name}.bucket`, counted)
    const sum = this.#instrument('counter', `${name}.sum`, { help: `${help}: time of all`, unit })
    const count = this.#instrument('counter', `${name}.count`, { help: `${help}: how many`, unit: '{call}' })
    return (result, reading) => {
      for (const { labels, value } of metric.read(reading.stats)) {
        const attributes = { ...reading.labels, ...labels }
        const of = cumulative(value)
        of.counts.forEach((upTo, i) => {
          observe(result, bucket, upTo, { ...attributes, le: BOUNDS[i]! })
        })
        observe(result, bucket, of.count, { ...attributes, le: '+Inf' })
        observe(result, sum, of.sumSeconds, attributes)
        observe(result, count, of.count, attributes)
      }
    }
  }

  #instrument(
    kind: ScalarMetric['kind'],
    name: string,
    { help, unit }: { help: string; unit: string },
  ): unknown {
    const options = { description: help, unit }
    const instrument = {
      counter: () => this.#meter.createObservableCounter(name, options),
      amount: () => this.#meter.createObservableUpDownCounter(name, options),
      gauge: () => this.#meter.createObservableGauge(name, options),
    }[kind]()
    this.#instruments.push(instrument)
    return instrument
  }
}

/** Instruments have the type of the user's meter, which is not named here. */
function observe(result: ObservedValues, instrument: unknown, value: number, attributes: Labels): void {
  result.observe(instrument as never, value, attributes)
}
