// Lets a test run its own code in place of a thread's sleep. The engine keeps the functions of Atomics when it is loaded.
// This module is loaded first (inline-engine.ts imports it first) and installs a `wait` that calls the sleeper of the
// buffer, if there is one. After the engine is loaded, the global is restored.

type Wait = (words: Int32Array<SharedArrayBuffer>, at: number, value: number, timeoutMs: number) => string

/** Replaces a sleep on `words[at] === value`; returns when the word may have changed, or when the time may be over, or throws. */
export type Sleeper = (
  words: Int32Array<SharedArrayBuffer>,
  at: number,
  value: number,
  timeoutMs: number,
) => void

const sleepers = new WeakMap<SharedArrayBuffer, Sleeper>()
const realWait = Atomics.wait as Wait

/** The engine's Atomics.wait. */
export const inlineWait: Wait = (words, at, value, timeoutMs) => {
  const sleeper = sleepers.get(words.buffer)
  if (sleeper === undefined) return realWait(words, at, value, timeoutMs)
  if (Atomics.load(words, at) !== value) return 'not-equal'
  sleeper(words, at, value, timeoutMs)
  return 'ok'
}

/** Makes sleeps on this buffer in this thread call `sleeper`. */
export function setSleeper(buffer: SharedArrayBuffer, sleeper: Sleeper): void {
  sleepers.set(buffer, sleeper)
}

/** To be called when the engine is loaded. @throws if it was loaded before this module */
export function finishLoading(engineWait: Wait): void {
  Atomics.wait = realWait as typeof Atomics.wait
  if (engineWait !== inlineWait)
    throw new Error(
      'the engine was loaded before inline-sleep: import inline-engine before anything of dcache',
    )
}

Atomics.wait = inlineWait as typeof Atomics.wait
