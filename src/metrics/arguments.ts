/** Checks of what users pass. Everything that is refused is ERR_DCACHE_BAD_OPTION, and nothing was registered by then. */
import type { CacheClient } from '../shared/interface.js'
import { refuse, show } from '../shared/values.js'
import { type Labels, RESERVED_LABELS } from './table.js'

/** @throws ERR_DCACHE_BAD_OPTION unless it is an object with these functions */
export function assertCalls(what: string, value: unknown, ...names: readonly string[]): void {
  const isObject = typeof value === 'object' && value !== null
  const missing = names.filter(
    (name) => !isObject || typeof (value as Record<string, unknown>)[name] !== 'function',
  )
  if (missing.length > 0) refuse(`${what} is ${show(value)}; it must have ${missing.join(', ')}`)
}

export function assertCache(cache: CacheClient): void {
  assertCalls('the cache', cache, 'stats')
}

/**
 * The labels among the options, in a copy.
 * @param option what the option is called
 * @param isName whether it may be the name of a label
 * @throws ERR_DCACHE_BAD_OPTION
 */
export function parseLabels(options: unknown, option: string, isName: (name: string) => boolean): Labels {
  if (typeof options !== 'object' || options === null)
    refuse(`the options are ${show(options)}; they must be an object`)
  const labels: unknown = (options as Record<string, unknown>)[option] ?? {}
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels))
    refuse(`${option} is ${show(labels)}; it must be an object with values by name`)
  for (const [name, value] of Object.entries(labels)) {
    if (!isName(name)) refuse(`${option} has the name ${show(name)}, which is none`)
    if (RESERVED_LABELS.has(name)) refuse(`${option} has the name ${show(name)}, which dcache uses itself`)
    if (typeof value !== 'string') refuse(`${option}: ${name} is ${show(value)}; it must be a string`)
  }
  return { ...labels }
}
