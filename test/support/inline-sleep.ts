// Lets a test put its own code in the place of a thread's sleep. The engine takes the functions of Atomics when it is
// loaded: this module is loaded before it (inline-engine.ts imports it first) and leaves a `wait` there that asks the
// sleeper of the buffer, if it has one. After that the global is as it was.

type Wait = (words: Int32Array<SharedArrayBuffer>, at: number, value: number, timeoutMs: number) => string

/** Takes the place of a sleep on `words[at] === value`; returns when something may have changed, or throws. */
export type Sleeper = (words: Int32Array<SharedArrayBuffer>, at: number, value: number) => void

const sleepers = new WeakMap<SharedArrayBuffer, Sleeper>()
const realWait = Atomics.wait as Wait

/** What the engine has for Atomics.wait. */
export const inlineWait: Wait = (words, at, value, timeoutMs) => {
  const sleeper = sleepers.get(words.buffer)
  if (sleeper === undefined) return realWait(words, at, value, timeoutMs)
  if (Atomics.load(words, at) !== value) return 'not-equal'
  sleeper(words, at, value)
  return 'ok'
}

/** From now on, a sleep on this buffer in this thread calls `sleeper`. */
export function setSleeper(buffer: SharedArrayBuffer, sleeper: Sleeper): void {
  sleepers.set(buffer, sleeper)
}

/** Once the engine is loaded. @throws if it was loaded before this module */
export function finishLoading(engineWait: Wait): void {
  Atomics.wait = realWait as typeof Atomics.wait
  if (engineWait !== inlineWait)
    throw new Error(
      'the engine was loaded before inline-sleep: import inline-engine before anything of dcache',
    )
}

Atomics.wait = inlineWait as typeof Atomics.wait
