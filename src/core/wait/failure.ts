/**
 * The error that callers get for a failed write or fsync. Each thread creates it from the words that the flush worker stored
 * in the group.
 */
import { getSystemErrorName } from 'node:util'
import { CacheError } from '../../shared/errors.js'
import type { Context } from '../context.js'
import { Group } from '../../shared/words.js'

/** A system error with this errno (negative, as libuv's). */
export function systemError(errno: number, syscall: string): NodeJS.ErrnoException {
  const code = errno < 0 ? getSystemErrorName(errno) : 'EIO'
  return Object.assign(new Error(`${code}, ${syscall}`), { code, errno, syscall })
}

/** The error for the last failure of a group. */
export function fencedError(context: Context, group: number): CacheError {
  const at = context.arena.groupAt(group)
  // It may have been dropped since.
  const name = context.partitions.find(context.words[at + Group.failedPartition]!)?.name ?? ''
  const writeClass = context.writeOrder[context.words[at + Group.failedClass]! - 1]!
  const cause = systemError(
    context.words[at + Group.failedErrno]!,
    context.words[at + Group.failedSyscall] === 1 ? 'fsync' : 'write',
  )
  return new CacheError(
    'ERR_DCACHE_FENCED',
    `partition '${name}', class '${writeClass}': ${cause.message}; the changes are still dirty in memory: repair, then retry('${name}')`,
    { cause },
  )
}
