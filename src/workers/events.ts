/**
 * News of the flush worker as records in a ring of the shared buffer, which the owner's event loop reads.
 */
import type { Core } from '../core/core.js'
import { systemError } from '../core/failure.js'
import type { RoundEvent } from '../core/fence.js'
import type { CacheEvents } from '../shared/interface.js'

const KINDS = ['fenced', 'restored'] as const
const STOP = -1

/** Ends the owner's reading. */
export const STOP_RECORD: readonly number[] = [STOP, 0, 0, 0, 0]

export const eventRecord = (event: RoundEvent): number[] => [
  KINDS.indexOf(event.kind),
  event.partition,
  event.writeClass,
  event.errno,
  event.syscall,
]

/** What listeners get; undefined when reading ends. */
export function eventOf(
  core: Core,
  record: readonly number[],
): { [E in 'fenced' | 'restored']: { name: E; info: CacheEvents[E] } }['fenced' | 'restored'] | undefined {
  const [kind, index, writeClass, errno, syscall] = record
  if (kind === STOP) return undefined
  const partition = core.partitions[index!]!.name
  if (KINDS[kind!] === 'restored') return { name: 'restored', info: { partition } }
  const error = systemError(errno!, syscall === 1 ? 'fsync' : 'write')
  return { name: 'fenced', info: { partition, writeClass: core.writeOrder[writeClass! - 1]!, error } }
}
