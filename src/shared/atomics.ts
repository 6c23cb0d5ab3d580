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

/** x64 takes the value of a load after all that precedes it but plain stores of the same thread. */
const KEEPS_ORDER = process.arch === 'x64'

/**
 * A load that takes its value after the atomic operations that precede it. Use it where a thread tells others what it does by
 * an atomic operation, and then looks at what they do: a plain load may take its value before the operation's store is
 * visible (on arm64 without single-instruction atomics it does). On x64 it is a plain load, because V8 compiles Atomics.load
 * to a call, which costs several times as much.
 */
export const loadInOrder = (words: Words, at: number): number =>
  KEEPS_ORDER ? words[at]! : Atomics.load(words, at)

/**
 * Keeps the plain loads that precede it before the atomic loads that follow it. On arm64 a store-release and a load-acquire
 * after it are the cheapest instructions for that; `at` is a word of the calling thread's own, in which nothing is kept. On
 * x64 it does nothing.
 */
export const fenceLoads = (words: Words, at: number): void => {
  if (!KEEPS_ORDER) Atomics.store(words, at, 0)
}

/**
 * Keeps the plain stores that follow it after the atomic operation that precedes it. Without single-instruction atomics arm64
 * may make a plain store visible before the atomic one that it follows; a load-acquire between them prevents that. `at` is
 * any word. On x64 it does nothing.
 */
export const fenceStores = (words: Words, at: number): void => {
  if (!KEEPS_ORDER) Atomics.load(words, at)
}

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
