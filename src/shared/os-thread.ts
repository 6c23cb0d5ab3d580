/**
 * Threads as the system sees them. Node tells only the thread that created a worker of its end; Linux has a folder for each
 * thread of the process, so any thread can find out. The number of a thread that ended may be given to a new thread of the
 * process, once all numbers of the system were used: then the old one seems to be alive until the new one ends.
 *
 * On systems without these folders every number is 0, and no thread is ever said to be gone.
 */
import { readlinkSync, statSync } from 'node:fs'

let own: number | undefined

/** The system's number of the calling thread; 0 where it is not known. Costs one system call, once in a thread. */
export function osThreadId(): number {
  return (own ??= readOwn())
}

function readOwn(): number {
  try {
    const id = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    return Number.isInteger(id) && isThere(id) ? id : 0
  } catch {
    return 0
  }
}

/** Whether a thread of this process has ended, and its memory is not written any more. False where that is not known. */
export function isGone(osThread: number): boolean {
  try {
    return osThread !== 0 && osThreadId() !== 0 && !isThere(osThread) && isThere(osThreadId())
  } catch {
    return false
  }
}

/** @throws where the system does not say */
const isThere = (osThread: number): boolean =>
  statSync(`/proc/self/task/${osThread}`, { throwIfNoEntry: false }) !== undefined
