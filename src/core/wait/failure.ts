/**
 * What a failed write or fsync looks like to those who asked: the error is made anew in each thread from the words
 * that the flush worker left in the group.
 */
import { getSystemErrorName } from 'node:util'
import { CacheError } from '../../shared/errors.js'
import type { Context } from '../context.js'
import { Group } from '../../shared/words.js'

/** A system's error from its number. */
export function systemError(errno: number, syscall: string): NodeJS.ErrnoException {
  const code = errno < 0 ? getSystemErrorName(errno) : 'EIO'
  return Object.assign(new Error(`${code}, ${syscall}`), { code, errno, syscall })
}

/** The last failure of a group. */
export function fencedError(context: Context, group: number): CacheError {
  const at = context.arena.groupAt(group)
  const partition = context.partitions[context.words[at + Group.failedPartition]!]!
  const writeClass = context.writeOrder[context.words[at + Group.failedClass]! - 1]!
  const cause = systemError(
    context.words[at + Group.failedErrno]!,
    context.words[at + Group.failedSyscall] === 1 ? 'fsync' : 'write',
  )
  return new CacheError(
    'ERR_DCACHE_FENCED',
    `partition '${partition.name}', class '${writeClass}': ${cause.message}; what was changed is still dirty in memory: repair, then retry('${partition.name}')`,
    { cause },
  )
}
