/**
 * The error that callers get for a failed write or fsync. Each thread creates it from the words that the flush worker stored
 * in the group.
 */
import { getSystemErrorName } from 'node:util'
import { CacheError } from '../../shared/errors.js'
import type { Context } from '../context.js'
import { Group, Syscall } from '../../shared/words.js'

/** A system error with this errno (negative, as libuv's). */
export function systemError(errno: number, syscall: string): NodeJS.ErrnoException {
  const code = errno < 0 ? getSystemErrorName(errno) : 'EIO'
  return Object.assign(new Error(`${code}, ${syscall}`), { code, errno, syscall })
}

const SYNCS: ReadonlySet<number> = new Set([Syscall.FSYNC, Syscall.RECORD_FSYNC])

/** The name of a call that failed, and whether the journal failed, not the partition. */
export const syscallName = (syscall: number): string => (SYNCS.has(syscall) ? 'fsync' : 'write')
export const ofJournal = (syscall: number): boolean =>
  syscall === Syscall.RECORD_WRITE.valueOf() || syscall === Syscall.RECORD_FSYNC.valueOf()

/** The error for the last failure of a group. */
export function fencedError(context: Context, group: number): CacheError {
  const { words, arena } = context
  const at = arena.groupAt(group)
  // It may have been dropped since.
  const name = context.partitions.find(words[at + Group.failedPartition]!)?.name ?? ''
  const syscall = words[at + Group.failedSyscall]!
  const cause = systemError(words[at + Group.failedErrno]!, syscallName(syscall))
  const place = ofJournal(syscall)
    ? `the journal ${context.journals[group]?.path} of the group`
    : `class '${context.className(group, words[at + Group.failedClass]!)}'`
  return new CacheError(
    'ERR_DCACHE_FENCED',
    `partition '${name}', ${place}: ${cause.message}; the changes are still dirty in memory: repair, then retry('${name}')`,
    { cause },
  )
}
