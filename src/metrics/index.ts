/**
 * The package's third entry, `dcache/metrics`: the statistics of a cache as metrics, for prom-client and for OpenTelemetry. It
 * imports neither package, so it loads, and its declarations compile, without them.
 */
export {
  type InstrumentOptions,
  type ObservedValues,
  type OpenTelemetryMeter,
  type OpenTelemetryOptions,
  registerOpenTelemetryMetrics,
} from './opentelemetry.js'
export { type PrometheusOptions, type PrometheusRegistry, registerPrometheusMetrics } from './prometheus.js'
export type { MetricsRegistration } from './sources.js'
