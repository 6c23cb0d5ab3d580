/**
 * `/trace?seconds=N`: what the flight recorder has, as `chromeTrace` makes it. Takes some microseconds for each record on the calling
 * thread, once for each request.
 */
import type { CacheClient } from '../shared/interface.js'
import { chromeTrace } from './chrome-trace.js'
import { jsonReply, type Reply, textReply } from './reply.js'

/** @throws ERR_DCACHE_BAD_OPTION */
export function traceReply(cache: CacheClient, query: URLSearchParams): Reply {
  const text = query.get('seconds')
  const trace = chromeTrace(cache, text === null ? {} : { seconds: Number(text || NaN) })
  return trace.otherData.records === 0
    ? textReply(
        404,
        'the flight recorder is off: open the cache with the option traceEntries, for example 65536',
      )
    : jsonReply(trace)
}
