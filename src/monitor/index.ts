/**
 * The package's entry `dcache/monitor`: a page in the browser, and the same as JSON, that shows a cache while it runs. Any
 * thread that is attached may serve it, for all threads.
 */
import { assertCalls } from '../metrics/arguments.js'
import { CacheError } from '../shared/errors.js'
import type { CacheClient } from '../shared/interface.js'
import { type MonitorOptions, parseOptions } from './options.js'
import { MonitorServer } from './server.js'
import { stateOf } from './state.js'

export {
  type AsyncEvent,
  type ChromeTrace,
  chromeTrace,
  type ChromeTraceEvent,
  type ChromeTraceOptions,
  type CommonEvent,
  type InstantEvent,
  type MetadataEvent,
  type SpanEvent,
  type TimedEvent,
} from './chrome-trace.js'
export type { TraceArguments } from './trace-names.js'
export type { MonitorOptions } from './options.js'
export type {
  MonitorEvent,
  MonitorHold,
  MonitorSample,
  MonitorSpan,
  MonitorThread,
  MonitorWait,
} from './protocol.js'

/** A monitor that listens. */
export interface Monitor extends AsyncDisposable {
  /** `http://127.0.0.1:9000/`. Of a socket `http+unix://` and its path, percent-encoded. */
  readonly url: string
  /** Tells viewers the end, and resolves when nothing listens any more. A second call returns the same promise. */
  close(): Promise<void>
}

/**
 * Serves a page that shows a cache, over HTTP, in the calling thread, which must be attached. Without viewers it costs
 * nothing; with them one call of `stats` and `holders` a second. Ends with the cache, and does not keep the process alive.
 * @throws ERR_DCACHE_BAD_OPTION, ERR_DCACHE_LISTEN, ERR_DCACHE_CLOSED, ERR_DCACHE_ORPHANED
 */
export async function monitor(cache: CacheClient, options: MonitorOptions): Promise<Monitor> {
  assertCalls('the cache', cache, 'stats', 'holders', 'threads', 'poolMap')
  const { where, name } = parseOptions(options)
  const state = stateOf(cache)
  if (state === 'orphaned')
    throw new CacheError(
      'ERR_DCACHE_ORPHANED',
      'the thread that owned the cache has ended; open the cache again',
    )
  if (state !== 'open' && state !== 'broken')
    throw new CacheError(
      'ERR_DCACHE_CLOSED',
      'the cache is closed or closing, or this thread is detached from it',
    )
  const server = new MonitorServer(cache, name)
  const url = await server.listen(where)
  const close = () => server.end()
  return { url, close, [Symbol.asyncDispose]: close }
}
