// Wakeups that die with their sender. A thread that dies after a change and before it wakes the waiting threads leaves them
// asleep. They continue because they sleep in slices (src/shared/wait.ts). The explorer has no clock: it ends a slice only
// when no other thread can run, and reports what the dead thread did not do. This file lists the cases that are understood:
// any other is a wakeup that a living thread, or the reaper, failed to send.

const UNDERSTOOD: readonly RegExp[] = [
  // The change was made, the wakeup was not sent.
  /^no notify of /,
  // broadcast() of a condition, at any of its steps: the signalled event has happened before it.
  /^no (?:store|add) of (?:header|group)\.(?:freed|turn|spareFreed)(?:Waiters)?: /,
  // The round has ended; its mutex is unlocked next, and its end is broadcast only after that.
  /^no exchange of group\.mutex: group\.turn$/,
]

/** The waits that ended by a slice for a reason that is not listed here. */
export const unexplainedSlices = (slices: Readonly<Record<string, number>>): string[] =>
  Object.keys(slices).filter((text) => !UNDERSTOOD.some((pattern) => pattern.test(text)))
