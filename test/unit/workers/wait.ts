// What the threads of wait.test.ts do.

import { Deadline, runAsync, runSync, sleep, type Slow, timedOut } from '#dist/shared/wait.js'
import type { Thread } from '../../support/threads.js'

const late = () => timedOut('the thing', 0)

/** Changes word 0 and wakes who sleeps on it. */
export function change({ words }: Thread): void {
  Atomics.store(words, 0, 7)
  Atomics.notify(words, 0)
}

/** Waits for nothing, for half a second and more; returns how often it looked. */
export function slices({ words }: Thread): number {
  let looks = 0
  function* path(): Slow<void> {
    const deadline = new Deadline(600)
    for (; deadline.leftMs() > 0; looks++) yield* sleep(words, 0, 0, deadline, late)
  }
  try {
    runSync(path(), true)
  } catch {
    // The deadline was over between the look and the sleep.
  }
  return looks
}

/** Whether something keeps the event loop going: before, in, and after one wait and two at once; in the background. */
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
