/**
 * What a cache needs from the runtime and the machine. Checked before any file is touched; and the errors that openCache
 * rejects with if something is missing all the same.
 */
import { existsSync, fsyncSync } from 'node:fs'
import { totalmem } from 'node:os'
import process from 'node:process'
import { CacheError } from '../shared/errors.js'

const STDERR = 2

/** `writes`: any partition is writable. @throws ERR_DCACHE_UNSUPPORTED */
export function assertRuntime(writes: boolean): void {
  if ('Deno' in globalThis)
    throw unsupported(
      'Deno is not supported: its worker threads do not share file descriptors; run the program with Node.js',
    )
  if (!hasThreadFiles())
    throw unsupported(
      'the files of the engine\'s threads are not where dcache looks for them: a bundler has moved its code; mark dcache as external (docs/platforms.md, "Bundlers")',
    )
  // Defined only if Node runs with --permission.
  const permission = process.permission as typeof process.permission | undefined
  if (permission === undefined) return
  if (!permission.has('worker'))
    throw unsupported("Node's permission model refuses worker threads; start Node with --allow-worker")
  if (writes && !maySync())
    throw unsupported(
      "Node's permission model refuses fsync, without which nothing is durable; start Node without --permission, or open every partition with readOnly: true",
    )
}

const unsupported = (message: string, cause?: unknown): CacheError =>
  new CacheError('ERR_DCACHE_UNSUPPORTED', message, { cause })

/** Whether Node passes fsync to the system. The system's answer for this descriptor does not matter. */
function maySync(): boolean {
  try {
    fsyncSync(STDERR)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ERR_ACCESS_DENIED'
  }
}

/**
 * Warns if the buffer does not fit into memory: the system allocates it, but may kill the process when its pages are used.
 * constrainedMemory() is the limit of the container; 0, or more than the machine has, if there is none.
 */
export function warnOfMemory(bytes: number): void {
  const limit = process.constrainedMemory()
  const machine = totalmem()
  const isContained = limit > 0 && limit < machine
  const most = isContained ? limit : machine
  if (bytes <= most) return
  const owner = isContained ? 'the container may have' : 'the machine has'
  process.emitWarning(
    `the cache takes ${bytes} bytes, but ${owner} ${most} bytes: the process may be killed once they are used; open it with less memory`,
    { type: 'CacheWarning', code: 'DCACHE_MEMORY_LIMIT' },
  )
}

/** Whether the files of the engine's threads exist; in a bundle they do not. */
function hasThreadFiles(): boolean {
  try {
    return (
      existsSync(new URL('./flush-worker.js', import.meta.url)) &&
      existsSync(new URL('./writer-worker.js', import.meta.url)) &&
      existsSync(new URL('./reader-worker.js', import.meta.url))
    )
  } catch {
    return false // a CommonJS bundle has no URL
  }
}

/** Converts an error to what openCache rejects with: a CacheError, with the error as its cause. */
export function openError(error: unknown): CacheError {
  if (error instanceof CacheError) return error
  const { code = '' } = error as NodeJS.ErrnoException
  const message = error instanceof Error ? error.message : String(error)
  if (code === 'ERR_ACCESS_DENIED')
    return unsupported(`Node's permission model refuses what a cache needs: ${message}`, error)
  return new CacheError(
    'ERR_DCACHE_WORKER_DIED',
    `the threads of the engine cannot be started: ${message}; they need memory and some open files (ulimit -u, -v and -n)`,
    { cause: error },
  )
}
