// The threads of wait.test.ts.

import { Deadline, runAsync, runSync, sleep, type Slow, timedOut } from '#dist/shared/wait.js'
import type { Thread } from '../../support/threads.js'

const late = () => timedOut('the thing', 0)

/** Changes word 0 and wakes the threads that sleep on it. */
export function change({ words }: Thread): void {
  Atomics.store(words, 0, 7)
  Atomics.notify(words, 0)
}

/** Waits half a second or more for a change that never comes; returns how often it checked. */
export function slices({ words }: Thread): number {
  let looks = 0
  function* path(): Slow<void> {
    const deadline = new Deadline(600)
    for (; deadline.leftMs() > 0; looks++) yield* sleep(words, 0, 0, deadline, late)
  }
  try {
    runSync(path(), true)
  } catch {
    // The deadline passed between the check and the sleep.
  }
  return looks
}

/** Whether the event loop is kept alive before, during and after one wait, two concurrent ones, and a background wait. */
export async function keepsAlive({ words }: Thread): Promise<boolean[]> {
  const isKept = (): boolean => process.getActiveResourcesInfo().includes('Timeout')
  function* path(): Slow<void> {
    while (Atomics.load(words, 0) === 0) yield* sleep(words, 0, 0, new Deadline(), late)
  }
  const seen = [isKept()]
  const one = runAsync(path())
  seen.push(isKept())
  const two = runAsync(path())
  seen.push(isKept())
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
  await Promise.all([one, two])
  seen.push(isKept())
  Atomics.store(words, 0, 0)
  const background = runAsync(path(), undefined, true)
  seen.push(isKept())
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
  await background
  seen.push(isKept())
  return seen
}
