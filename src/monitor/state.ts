/** Whether a cache is still there, without the cost of its statistics. */
import type { CacheClient } from '../shared/interface.js'
import type { CacheState } from '../shared/reports.js'

/** `detached`: this thread has left the cache. As `JSON.stringify(cache)` has it. */
export function stateOf(cache: CacheClient): CacheState | 'detached' {
  const { state } = JSON.parse(JSON.stringify(cache)) as { readonly state: CacheState | 'detached' }
  return state
}
