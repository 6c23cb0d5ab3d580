/** The entry `dcache/monitor` of the package: what a running cache does, for people to look at. */
export {
  type AsyncEvent,
  type ChromeTrace,
  chromeTrace,
  type ChromeTraceEvent,
  type ChromeTraceOptions,
  type InstantEvent,
  type MetadataEvent,
  type SpanEvent,
} from './chrome-trace.js'
export type { TraceArguments } from './trace-names.js'
