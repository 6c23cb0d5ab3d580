/**
 * The only file that uses the global Atomics object. All other files import these functions as `#atomics`, so that the
 * interleaving tests can substitute a scheduler (package.json, "imports"). The compiler folds the constants: the indirection
 * costs nothing on the hit path.
 */
export type Words = Int32Array<SharedArrayBuffer>

export const load: (words: Words, at: number) => number = Atomics.load
export const store: (words: Words, at: number, value: number) => number = Atomics.store
export const add: (words: Words, at: number, value: number) => number = Atomics.add
export const sub: (words: Words, at: number, value: number) => number = Atomics.sub
export const or: (words: Words, at: number, value: number) => number = Atomics.or
export const and: (words: Words, at: number, value: number) => number = Atomics.and
export const exchange: (words: Words, at: number, value: number) => number = Atomics.exchange
export const compareExchange: (words: Words, at: number, expected: number, value: number) => number =
  Atomics.compareExchange

/** Blocks the thread until it is notified, the word differs from `value`, or `timeoutMs` milliseconds have passed. */
export const wait: (words: Words, at: number, value: number, timeoutMs: number) => string = Atomics.wait

/** The same for a thread that may not block. It does not keep the process alive, and cannot be cancelled. */
export const waitAsync: (
  words: Words,
  at: number,
  value: number,
  timeoutMs: number,
) =>
  { async: false; value: 'not-equal' | 'timed-out' } | { async: true; value: Promise<'ok' | 'timed-out'> } =
  Atomics.waitAsync

/** Wakes all threads that sleep on the word, blocked and awaiting ones. */
export const notify: (words: Words, at: number) => number = Atomics.notify
