// Wakeups that die with their sender. A thread that dies after a change and before it wakes those who wait for it leaves
// them asleep; they go on because they sleep in slices (src/shared/wait.ts). The explorer has no clock: it lets them
// look again only when nobody else can do anything, and says what the dead thread did not do. Here stands which of these
// are understood: any other is a wakeup that a living thread, or the reaper, owed.

const UNDERSTOOD: readonly RegExp[] = [
  // The change is made, the wake is not.
  /^no notify of /,
  // broadcast() of a condition, at any of its steps: what is signalled for has happened before it.
  /^no (?:store|add) of (?:header|group)\.(?:freed|turn|spareFreed)(?:Waiters)?: /,
  // The round is over, its mutex is given up next, and only then is its end broadcast.
  /^no exchange of group\.mutex: group\.turn$/,
]

/** Waits that ended by a slice for no reason that is understood. */
export const unexplainedSlices = (slices: Readonly<Record<string, number>>): string[] =>
  Object.keys(slices).filter((text) => !UNDERSTOOD.some((pattern) => pattern.test(text)))
