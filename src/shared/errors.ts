/**
 * Errors: one class for every failure of dcache, with a stable code. docs/errors.md has a heading for each code, and a test
 * compares the two lists. Structured clone drops the class and the code of an error, so errors are sent between threads as
 * plain objects: `toJSON()` makes one, `CacheError.from()` restores the error.
 */

import { types } from 'node:util'

/** Every code, with what it means and what to do. */
export const CODES = {
  ERR_DCACHE_BAD_OPTION:
    'an option or argument is not valid; nothing was opened or changed; the message says what is allowed',
  ERR_DCACHE_BAD_BLOCK_SIZE: 'a block size is not a power of two from 512 to 65536 bytes',
  ERR_DCACHE_MEMORY:
    '`memory` is too small for the frames that are needed, or more than the system can allocate',
  ERR_DCACHE_BAD_FILE: 'the file of a partition is missing, empty, or not a multiple of the block size',
  ERR_DCACHE_BAD_JOURNAL:
    'a journal is damaged or missing, belongs to other partitions, or cannot be marked; the message says what to do',
  ERR_DCACHE_IN_USE: 'the same bytes of a file are already open for writing, in this process or another',
  ERR_DCACHE_UNSUPPORTED: 'this file, system or runtime does not support the option; the message says why',
  ERR_DCACHE_LISTEN:
    'the monitor cannot listen on its port or socket; the message says what is in the way and what to do',
  ERR_DCACHE_READ_ONLY: 'the partition is read-only; open it without `readOnly` to change it',
  ERR_DCACHE_UNKNOWN_PARTITION: 'no partition has this name; the message lists those that exist',
  ERR_DCACHE_UNKNOWN_CLASS: 'no write class has this name; the message lists those that exist',
  ERR_DCACHE_OUT_OF_RANGE: 'a block, a count or a byte range is not inside the partition or block',
  ERR_DCACHE_BAD_HANDLE: 'this is not a handle of a cache in this process; pass `cache.handle` unchanged',
  ERR_DCACHE_VERSION: 'the handle was made by another version of dcache; use the same version in all threads',
  ERR_DCACHE_CLOSED: 'the cache is closed or closing, or this thread has detached; open or attach again',
  ERR_DCACHE_THREADS: 'every thread slot is in use; detach a thread, or open the cache with more `threads`',
  ERR_DCACHE_GUARDS: 'this thread holds 256 guards, the maximum; release some',
  ERR_DCACHE_GUARDS_HELD: 'guards are still held; release them first',
  ERR_DCACHE_GUARD_RELEASED: 'the guard has been released already; acquire the block again',
  ERR_DCACHE_GUARD_MODE: 'a read guard cannot change its block; acquire it with `modify` or `overwrite`',
  ERR_DCACHE_COMMIT: 'these guards cannot be committed together; nothing was released; the message says why',
  ERR_DCACHE_WOULD_BLOCK:
    'the call would have to wait, and this thread may not block; use the asynchronous call',
  ERR_DCACHE_TIMEOUT:
    'the wait reached its deadline; the message names the threads that hold the block or lock',
  ERR_DCACHE_ABORTED: 'the AbortSignal of the call was aborted',
  ERR_DCACHE_DEADLOCK:
    'the thread would wait for its own guard or its own asynchronous call; finish that first',
  ERR_DCACHE_EXHAUSTED: 'every frame is held or dirty (transient); release guards and try again',
  ERR_DCACHE_READ_FAILED: 'the system could not read the block; nothing was cached; try again',
  ERR_DCACHE_FENCED:
    'a write or fsync failed; the changes are still dirty in memory: repair, then retry(partition)',
  ERR_DCACHE_WORKER_DIED:
    'threads of the engine end repeatedly or cannot be started; nothing is written any more; abandon() lists what is lost',
  ERR_DCACHE_ORPHANED: 'the thread that owned the cache has ended; open the cache again',
} as const

export type CacheErrorCode = keyof typeof CODES

/** A CacheError as a plain object, which survives postMessage, piscina and comlink. */
export interface CacheErrorJson {
  readonly name: 'CacheError'
  readonly code: CacheErrorCode
  readonly message: string
  readonly cause?: {
    readonly code?: string
    readonly errno?: number
    readonly syscall?: string
    readonly message: string
  }
}

/** Marks the errors of every copy of the package, in every realm. */
const BRAND = Symbol.for('dcache.CacheError')

export class CacheError extends Error {
  /**
   * `instanceof CacheError` is also true for errors of another copy of the package, and of another realm (a vm context, as
   * in Jest).
   */
  static override [Symbol.hasInstance](thing: unknown): boolean {
    if (this !== CacheError) return Function.prototype[Symbol.hasInstance].call(this, thing)
    return typeof thing === 'object' && thing !== null && BRAND in thing
  }

  override readonly name = 'CacheError'
  readonly code: CacheErrorCode

  constructor(code: CacheErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }

  /** The plain form of this error, with the fields of a system error as `cause`. */
  toJSON(): CacheErrorJson {
    const cause = this.cause
    return {
      name: this.name,
      code: this.code,
      message: this.message,
      ...(types.isNativeError(cause) || cause instanceof Error ? { cause: systemFields(cause) } : {}),
    }
  }

  /** Restores a CacheError from its plain form. Returns every other value unchanged. */
  static from(thing: unknown): unknown {
    if (thing instanceof CacheError || typeof thing !== 'object' || thing === null) return thing
    const { code, message, cause } = thing as Partial<CacheErrorJson>
    if (typeof code !== 'string' || !Object.hasOwn(CODES, code)) return thing
    const hasCause = typeof cause === 'object' && (cause as unknown) !== null
    const options = hasCause ? { cause: Object.assign(new Error(cause.message), cause) } : undefined
    return new CacheError(code, typeof message === 'string' ? message : '', options)
  }
}

// On the prototype, so that a logged error does not show it as a field.
Object.defineProperty(CacheError.prototype, BRAND, { value: true })

function systemFields(error: NodeJS.ErrnoException): NonNullable<CacheErrorJson['cause']> {
  return {
    message: error.message,
    ...(error.code === undefined ? {} : { code: error.code }),
    ...(error.errno === undefined ? {} : { errno: error.errno }),
    ...(error.syscall === undefined ? {} : { syscall: error.syscall }),
  }
}
