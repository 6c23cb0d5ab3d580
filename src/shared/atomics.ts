/**
 * The only file that names the global Atomics object. Everything else imports these functions as `#atomics`, so
 * that the interleaving tests can put a scheduler in their place (package.json, "imports"). The constants are
 * folded by the compiler: the indirection costs nothing on the hit path.
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

/** Sleeps until notified, the word differs from `value`, or `timeoutMs` is over. Blocks the thread. */
export const wait: (words: Words, at: number, value: number, timeoutMs: number) => string = Atomics.wait

/** The same for a thread that may not block; it does not keep the process alive and can't be taken back. */
export const waitAsync: (
  words: Words,
  at: number,
  value: number,
  timeoutMs: number,
) =>
  { async: false; value: 'not-equal' | 'timed-out' } | { async: true; value: Promise<'ok' | 'timed-out'> } =
  Atomics.waitAsync

/** Wakes everyone who sleeps on the word: blocked and awaiting threads may be mixed there. */
export const notify: (words: Words, at: number) => number = Atomics.notify
