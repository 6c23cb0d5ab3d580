// The control buffer that the explorer and all driven threads share: whose turn it is, the schedule, and its log.

export const THREADS_MAX = 8
export const DECISIONS_MAX = 16_384
/** Longer than any sane run of a body: past it, it is taken for endless. */
export const STEPS_MAX = 20_000

/** Words of the control buffer. */
export const At = {
  preemptions: 0, // left
  deaths: 1, // left
  slices: 2, // left
  slicesUsed: 3,
  died: 4, // how many died so far
  decisions: 5,
  prefix: 6, // how many picks are given
  steps: 7,
  outcome: 8,
  outcomeThread: 9,
  isAborting: 10,
  textLength: 11,
  isEnding: 12, // nothing is left but services
  sliceWord: 13, // the first word that somebody slept on when a slice ended
  deathOp: 14, // where the last thread died: the operation that it did not do
  deathAt: 15,
  deathsAtFirst: 16,
  detours: 17, // left
  polls: 18, // short waits that ended since anybody else went on
  threads: 64,
  picks: 64 + 16 * (THREADS_MAX + 1),
  taken: 64 + 16 * (THREADS_MAX + 1) + DECISIONS_MAX,
  log: 64 + 16 * (THREADS_MAX + 1) + 2 * DECISIONS_MAX,
  text: 64 + 16 * (THREADS_MAX + 1) + 2 * DECISIONS_MAX + 3 * STEPS_MAX,
} as const
export const TEXT_BYTES = 8192
export const CONTROL_BYTES = At.text * 4 + TEXT_BYTES

/** Words of a thread, from `At.threads + 16 * thread`; the explorer is the last one. */
export const Thread = { go: 0, state: 1, at: 2, value: 3, polledAt: 4 } as const

export const State = { READY: 0, SLEEPING: 1, POLLING: 2, SERVING: 3, DONE: 4, DEAD: 5 } as const
export const Outcome = { NONE: 0, FINISHED: 1, DEADLOCK: 2, ERROR: 3, DIVERGED: 4, ENDLESS: 5 } as const

/** In place of a word: how many threads have died. */
export const DEATHS = -1
