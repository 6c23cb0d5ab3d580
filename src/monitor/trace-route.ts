/** `/trace?seconds=N`: what the flight recorder has. */
import type { CacheClient } from '../shared/interface.js'
import { type Reply, textReply } from './reply.js'

export function traceReply(_cache: CacheClient, _query: URLSearchParams): Reply {
  return textReply(404, 'this monitor shows no trace of write-back')
}
