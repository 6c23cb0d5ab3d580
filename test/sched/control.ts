// The control buffer that the explorer and all driven threads share: the thread that has the turn, the schedule, its log.

export const THREADS_MAX = 8
export const DECISIONS_MAX = 16_384
/** More steps than any run of a body needs: a longer run counts as endless. */
export const STEPS_MAX = 20_000

/** A pick with this bit is of any option but the first, by its other bits. */
export const ANY = 0x8000
/** Of so many older writes a stale load has the choice. */
export const STALES_MAX = 3

/** Words of the control buffer. */
export const At = {
  preemptions: 0, // left
  deaths: 1, // left
  slices: 2, // left
  slicesUsed: 3,
  died: 4, // how many have died
  decisions: 5,
  prefix: 6, // how many picks the schedule gives
  steps: 7,
  outcome: 8,
  outcomeThread: 9,
  isAborting: 10,
  textLength: 11,
  isEnding: 12, // only services are left
  sliceWord: 13, // the first word that a thread slept on when a slice ended
  deathOp: 14, // the operation that the last thread to die did not do
  deathAt: 15,
  deathsAtFirst: 16,
  detours: 17, // left
  polls: 18, // short waits that ended since another thread ran
  stales: 19, // stale loads left
  isOver: 20, // there is no next schedule
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

/** Stands for a word: the number of threads that have died. */
export const DEATHS = -1
