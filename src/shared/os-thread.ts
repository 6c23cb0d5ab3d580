/**
 * Thread ids of the operating system. Node reports the end of a worker only to the thread that created it. Linux has a
 * directory per thread of the process, so any thread can find out. Linux may assign the id of an ended thread to a new thread
 * of the process, once all ids have been used; the old thread then appears to be alive until the new one ends.
 *
 * On systems without these directories every id is 0, and no thread is ever reported as gone.
 */
import { readlinkSync, statSync } from 'node:fs'

let own: number | undefined

/** The system's id of the calling thread; 0 if it is not known. Costs one system call per thread, at the first use. */
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

/** Whether a thread of this process has ended, so that it no longer writes shared memory. False if that is not known. */
export function isGone(osThread: number): boolean {
  try {
    return osThread !== 0 && osThreadId() !== 0 && !isThere(osThread) && isThere(osThreadId())
  } catch {
    return false
  }
}

/** @throws if the system cannot tell */
const isThere = (osThread: number): boolean =>
  statSync(`/proc/self/task/${osThread}`, { throwIfNoEntry: false }) !== undefined
