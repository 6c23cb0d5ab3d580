// A limit for a promise, generous: what it waits for is work of other threads on a busy machine.

import { setTimeout as pause } from 'node:timers/promises'
import { PATIENCE_MS } from './open.js'

/** Resolves as the promise does; fails when that takes too long. */
export async function within<T>(what: string, result: Promise<T>): Promise<T> {
  const timer = new AbortController()
  const late = pause(PATIENCE_MS, undefined, { signal: timer.signal }).then(
    () => {
      throw new Error(`waited in vain for ${what}`)
    },
    () => new Promise<never>(() => undefined),
  )
  try {
    return await Promise.race([result, late])
  } finally {
    timer.abort()
  }
}
