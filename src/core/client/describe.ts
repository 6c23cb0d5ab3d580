/**
 * What caches, partitions and guards look like in a log: one short line for console.log and util.inspect at any depth, a small
 * object for JSON. Their fields lead to the whole of the shared memory. Nothing here throws, whatever has been closed or released.
 */

import type { CacheHandle } from '../../shared/interface.js'

/** Marks what util.inspect calls; the same in every realm. */
export const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/** Names beyond these are counted only. */
const NAMES_MAX = 5
const NAME_LENGTH_MAX = 40

/** Gives a handle its line and its JSON, as properties that are not cloned with it. */
export function describeHandle(handle: CacheHandle): void {
  const partitions = handle.partitions.map(({ name }) => name)
  const line = () => `CacheHandle { ${handle.id}, ${namesText(partitions)} }`
  Object.defineProperty(handle, INSPECT, { value: line })
  Object.defineProperty(handle, 'toJSON', {
    value: () => ({ dcache: handle.dcache, id: handle.id, partitions }),
  })
}

/** `'a', 'b' and 3 more`. */
export function namesText(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_MAX).map(nameText).join(', ')
  return names.length > NAMES_MAX ? `${shown} and ${names.length - NAMES_MAX} more` : shown
}

/** A name in quotes, on one line. */
export function nameText(name: string): string {
  const text = JSON.stringify(name.length > NAME_LENGTH_MAX ? `${name.slice(0, NAME_LENGTH_MAX)}...` : name)
  return `'${text.slice(1, -1)}'`
}
