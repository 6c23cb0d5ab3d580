/**
 * Counts the asynchronous calls of a thread while they are under way, so that the thread keeps its slot until they settle.
 */
import { runAsync, type Slow } from '../../shared/wait.js'
import type { Context } from '../context.js'

/** Runs a slow path as `runAsync` does. @throws ERR_DCACHE_ABORTED, and what the path throws */
export async function runCall<T>({ slot }: Context, path: Slow<T>, signal?: AbortSignal): Promise<T> {
  slot.enterCall()
  try {
    return await runAsync(path, signal)
  } finally {
    slot.leaveCall()
  }
}
