/**
 * Every failure of dcache: one class, one stable code each. docs/errors.md has a heading for each code, and a test
 * holds the two lists together. Structured clone drops class and code, so errors cross threads as plain objects:
 * `toJSON()` there, `CacheError.from()` here.
 */

import { types } from 'node:util'

/** code: what it means and what to do. */
export const CODES = {
  ERR_DCACHE_BAD_OPTION: 'an option has a value that cannot work; nothing was opened or changed',
  ERR_DCACHE_BAD_BLOCK_SIZE: 'a block size is a power of two from 512 to 65536',
  ERR_DCACHE_MEMORY:
    'the memory is too little for the frames that are needed, or more than this machine gives',
  ERR_DCACHE_BAD_FILE: 'the file of a partition is missing, empty or not a multiple of its block size',
  ERR_DCACHE_IN_USE: 'the same bytes are already open for writing, here or in another process',
  ERR_DCACHE_UNSUPPORTED: 'this option is known but cannot be had in this version or on this file',
  ERR_DCACHE_READ_ONLY: 'the partition is read-only; open it for writing to change it',
  ERR_DCACHE_UNKNOWN_PARTITION: 'no partition has this name; the message lists those that exist',
  ERR_DCACHE_UNKNOWN_CLASS: 'no write class has this name; the message lists those that exist',
  ERR_DCACHE_OUT_OF_RANGE: 'a block, count or byte range is not inside the partition',
  ERR_DCACHE_BAD_HANDLE: 'this is not the handle of a cache that is open in this process',
  ERR_DCACHE_VERSION: 'the handle was made by another version of dcache; use one version in all threads',
  ERR_DCACHE_CLOSED: 'the cache was closed; open it again',
  ERR_DCACHE_THREADS: 'every thread slot is taken; detach a thread, or open with more `threads`',
  ERR_DCACHE_GUARDS: 'this thread holds as many guards as it may; release some',
  ERR_DCACHE_GUARDS_HELD: 'guards are still held; release them first',
  ERR_DCACHE_GUARD_RELEASED: 'the guard was released before; acquire the block again',
  ERR_DCACHE_GUARD_MODE: 'a read guard cannot change its block; acquire with modify or overwrite',
  ERR_DCACHE_WOULD_BLOCK: 'this thread may not block; use the asynchronous call',
  ERR_DCACHE_TIMEOUT: 'the wait reached its deadline; the message says who holds what was waited for',
  ERR_DCACHE_ABORTED: 'the AbortSignal of the call was aborted',
  ERR_DCACHE_DEADLOCK:
    'the thread would wait for itself: for its own guard, or its own call under way; end that first',
  ERR_DCACHE_EXHAUSTED: 'transient: every frame is held or dirty; release a guard and try again',
  ERR_DCACHE_READ_FAILED: 'the system could not read the block; nothing was cached, try again',
  ERR_DCACHE_FENCED:
    'a write or fsync failed; the data is still dirty in memory: repair, then retry(partition)',
  ERR_DCACHE_WORKER_DIED:
    'workers of the engine keep ending, or can not be started: nothing is written any more; abandon() lists what is lost',
  ERR_DCACHE_ORPHANED: 'the thread that owned the cache ended; open it again',
} as const

export type CacheErrorCode = keyof typeof CODES

/** The plain form of a CacheError: survives postMessage, piscina and comlink. */
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

/** What every copy of the package, in every realm, marks its errors with. */
const BRAND = Symbol.for('dcache.CacheError')

export class CacheError extends Error {
  /** A CacheError of another copy of the package or another realm (a vm context, as in Jest) is one too. */
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

  toJSON(): CacheErrorJson {
    const cause = this.cause
    return {
      name: this.name,
      code: this.code,
      message: this.message,
      ...(types.isNativeError(cause) || cause instanceof Error ? { cause: systemFields(cause) } : {}),
    }
  }

  /** The CacheError in anything that came through a message; anything else is given back as it is. */
  static from(thing: unknown): unknown {
    if (thing instanceof CacheError || typeof thing !== 'object' || thing === null) return thing
    const { code, message, cause } = thing as Partial<CacheErrorJson>
    if (typeof code !== 'string' || !Object.hasOwn(CODES, code)) return thing
    const hasCause = typeof cause === 'object' && (cause as unknown) !== null
    const options = hasCause ? { cause: Object.assign(new Error(cause.message), cause) } : undefined
    return new CacheError(code, typeof message === 'string' ? message : '', options)
  }
}

// On the prototype: an error of ours shows no field that is not the reader's.
Object.defineProperty(CacheError.prototype, BRAND, { value: true })

function systemFields(error: NodeJS.ErrnoException): NonNullable<CacheErrorJson['cause']> {
  return {
    message: error.message,
    ...(error.code === undefined ? {} : { code: error.code }),
    ...(error.errno === undefined ? {} : { errno: error.errno }),
    ...(error.syscall === undefined ? {} : { syscall: error.syscall }),
  }
}
