/**
 * Locks for a check. Each is held for one piece of the work: taken, one step made, and released, so that no other thread waits for
 * more than that, and none is held while an event loop runs. A lock that is not free is tried again after the next yield.
 */
import { performance } from 'node:perf_hooks'
import type { Mutex } from '../../shared/mutex.js'
import type { Steps } from '../../shared/steps.js'
import type { Context } from '../context.js'
import { tryLockRound, unlockRound } from '../changes/rounds.js'

/** A check under way: whose it is, and what it has found. */
export interface Check {
  readonly context: Context
  readonly broken: string[]
}

/** A lock that a check tries and releases. */
export interface Lock {
  readonly name: string
  readonly tryLock: () => boolean
  readonly unlock: () => void
}

/** How long to try for a mutex. Critical sections take microseconds, but their thread may be descheduled. */
const TRY_MS = 2000

/** The most that one try counts for. The event loop, or the process, may have stood still before the next one. */
const TRY_MAX_MS = 20

/** How often what looks wrong under a lock that is released in between is looked at again, before the lock is held for all of it. */
export const LOOKS = 3

export const mutexOf = (context: Context, mutex: Mutex): Lock => ({
  name: mutex.name,
  tryLock: () => mutex.tryLock(context.slot.index),
  unlock: () => {
    mutex.unlock()
  },
})

export const roundOf = (context: Context, group: number): Lock => ({
  name: `round ${group}`,
  tryLock: () => tryLockRound(context, group),
  unlock: () => {
    unlockRound(context, group)
  },
})

/** Makes each step with the lock. Undefined if it could not be had, which is then reported. */
export function* locked<T>(check: Check, lock: Lock, steps: Steps<T>): Steps<T | undefined> {
  for (;;) {
    if (!(yield* take(check, lock))) return undefined
    let turn: IteratorResult<void, T>
    try {
      turn = steps.next()
    } finally {
      lock.unlock()
    }
    if (turn.done) return turn.value
    yield
  }
}

/** Does all of it in one hold of the lock; nothing if it cannot be had. */
export function* inOneHold(check: Check, lock: Lock, section: () => void): Steps<void> {
  if (!(yield* take(check, lock))) return
  try {
    section()
  } finally {
    lock.unlock()
  }
}

/**
 * Looks at what a lock guards, piece by piece, until it looks sound. Other threads may change it between two pieces, so it may look
 * wrong only because of that; if it looks wrong again and again, false. True also if the lock could not be had.
 */
export function* looksSound(check: Check, lock: Lock, look: () => Steps<boolean>): Steps<boolean> {
  for (let looks = 0; looks < LOOKS; looks++) if ((yield* locked(check, lock, look())) !== false) return true
  return false
}

function* take({ broken }: Check, lock: Lock): Steps<boolean> {
  const stuck = `X1 ${lock.name}: held for more than ${TRY_MS} ms`
  // Wait only once: the mutex of a dead thread is not released while this check blocks the owner's event loop.
  let leftMs = broken.includes(stuck) ? 0 : TRY_MS
  for (let lastMs = performance.now(); !lock.tryLock();) {
    if (leftMs <= 0) {
      if (!broken.includes(stuck)) broken.push(stuck)
      return false
    }
    yield
    const nowMs = performance.now()
    leftMs -= Math.min(nowMs - lastMs, TRY_MAX_MS)
    lastMs = nowMs
  }
  return true
}
