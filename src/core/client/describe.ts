/**
 * How caches, partitions and guards appear in logs: one short line for console.log and util.inspect at any depth, a small
 * object for JSON. Their fields would print the whole shared memory. Nothing here throws, even after a close or a release.
 */

import type { CacheHandle } from '../../shared/interface.js'

/** The method that util.inspect calls; the same symbol in every realm. */
export const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/** Further names are only counted. */
const NAMES_MAX = 5
const NAME_LENGTH_MAX = 40

/** Adds the line and the JSON form to a handle, as properties that structured clone does not copy. */
export function describeHandle(handle: CacheHandle): void {
  const line = () => `CacheHandle { ${handle.id} }`
  Object.defineProperty(handle, INSPECT, { value: line })
  Object.defineProperty(handle, 'toJSON', {
    value: () => ({ dcache: handle.dcache, id: handle.id }),
  })
}

/** `'a', 'b' and 3 more`. */
export function namesText(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_MAX).map(nameText).join(', ')
  return names.length > NAMES_MAX ? `${shown} and ${names.length - NAMES_MAX} more` : shown
}

/** A name in quotes, truncated, on one line. */
export function nameText(name: string): string {
  const text = JSON.stringify(name.length > NAME_LENGTH_MAX ? `${name.slice(0, NAME_LENGTH_MAX)}...` : name)
  return `'${text.slice(1, -1)}'`
}
