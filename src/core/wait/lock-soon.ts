/**
 * A mutex for a thread that can do without it, or that must not block.
 */
import type { Mutex } from '../../shared/mutex.js'
import { Deadline, runSync } from '../../shared/wait.js'
import type { Context } from '../context.js'
import { waitForMutex } from './wait-graph.js'

const SOON_MS = 20

/**
 * A thread that may block waits for the mutex. Another thread tries for longer than a critical section lasts, until the
 * deadline; the mutex is held for that long only if its holder was descheduled.
 */
export function lockSoon(context: Context, mutex: Mutex, deadline = new Deadline(SOON_MS)): boolean {
  if (context.mayBlock) {
    try {
      runSync(waitForMutex(context, mutex, new Deadline()), true)
      return true
    } catch {
      return false // waited too long: the block is left as it is
    }
  }
  do if (mutex.tryLock(context.slot.index)) return true
  while (deadline.leftMs() > 0)
  return false
}
