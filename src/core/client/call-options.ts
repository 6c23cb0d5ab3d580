/**
 * Options of a single call: deadline, signal, and the declared range of a change. Validated before the call takes anything.
 */
import { show } from '../../shared/values.js'
import { CacheError } from '../../shared/errors.js'
import type { AcquireOptions, WaitOptions } from '../../shared/options.js'
import { Deadline } from '../../shared/wait.js'
import type { Range } from '../changes/undo.js'

/** The bytes of a block that a change declares; by default all. @throws ERR_DCACHE_OUT_OF_RANGE */
export function rangeOf(blockSize: number, { start = 0, length = blockSize - start }: AcquireOptions): Range {
  const isInside =
    Number.isInteger(start) &&
    Number.isInteger(length) &&
    start >= 0 &&
    length >= 0 &&
    start + length <= blockSize
  if (!isInside) {
    throw new CacheError(
      'ERR_DCACHE_OUT_OF_RANGE',
      `the range of ${show(length)} bytes from ${show(start)} is not inside a block of ${blockSize} bytes`,
    )
  }
  return { start, length }
}

/** @throws ERR_DCACHE_BAD_OPTION */
export function deadlineOf(wait: WaitOptions | undefined): Deadline {
  if (wait?.timeoutMs !== undefined) assertTimeout(wait.timeoutMs)
  return new Deadline(wait?.timeoutMs)
}

/** @throws ERR_DCACHE_BAD_OPTION */
export function assertTimeout(timeoutMs: unknown): void {
  if (typeof timeoutMs === 'number' && timeoutMs >= 0) return
  throw new CacheError(
    'ERR_DCACHE_BAD_OPTION',
    `timeoutMs is ${show(timeoutMs)}; it must be a number of milliseconds, 0 or more`,
  )
}

/** @throws ERR_DCACHE_ABORTED */
export function throwIfAborted(wait: WaitOptions | undefined): void {
  if (wait?.signal?.aborted === true) {
    throw new CacheError('ERR_DCACHE_ABORTED', 'the signal was aborted before the call', {
      cause: wait.signal.reason,
    })
  }
}
