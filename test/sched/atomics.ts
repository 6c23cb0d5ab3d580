// Replaces src/shared/atomics.ts in the code to explore (variants.ts). On a thread that a schedule drives, every call first
// passes its turn to the driver, which may let another thread run or let this one die. On any other thread the calls are
// the real ones.
//
// It explores sequentially consistent orders of Atomics calls, and with a weak memory (weak.ts) what reorderings of the
// processor let a load see. Plain accesses between two calls are one step, except plain stores in a copy of the code in
// which variants.ts turned them into `plainStore`.

import type { WeakMemory } from './weak.js'
import type { Words } from '#atomics'

export type { Words }

export const OPS = [
  'load',
  'store',
  'add',
  'sub',
  'or',
  'and',
  'exchange',
  'compareExchange',
  'wait',
  'notify',
  'plainStore',
  'point',
  'dies',
  'wakes',
  'stale',
] as const
export type Op = (typeof OPS)[number]

/** What a driven thread does before its operations. */
export interface Driver {
  /** Called before an operation on a word; returns when it is this thread's turn again. Throws when the thread dies here. */
  point(op: Op, words: Words, at: number, value: number): void
  wait(words: Words, at: number, value: number, timeoutMs: number): string
  notify(words: Words, at: number): number
  /** The weak memory; none if what a load returns is the newest value. */
  readonly weak: WeakMemory | undefined
  /** The index of a word in the weak memory; -1 if the word is not in it, or this thread has died. */
  indexOf(words: Words, at: number): number
}

let driver: Driver | undefined

/** Makes the calling thread a driven one; with undefined, a free one. */
export function drive(next: Driver | undefined): void {
  driver = next
}

const indexOf = (words: Words, at: number): number =>
  driver?.weak === undefined ? -1 : driver.indexOf(words, at)
const weakly = (): WeakMemory => driver!.weak!

export function load(words: Words, at: number): number {
  driver?.point('load', words, at, 0)
  return quietLoad(words, at)
}

/** An atomic load that is no point: for what a body does besides the engine. */
export function quietLoad(words: Words, at: number): number {
  const i = indexOf(words, at)
  return i < 0 ? Atomics.load(words, at) : weakly().load(i)
}

/** No points: on x64, where the explorer runs, they are a plain load and nothing. */
export const loadInOrder = quietLoad
export function fenceLoads(words: Words, at: number): void {
  if (driver?.weak !== undefined) quietStore(words, at, 0)
}
export function fenceStores(words: Words, at: number): void {
  if (driver?.weak !== undefined) quietLoad(words, at)
}

export function store(words: Words, at: number, value: number): number {
  driver?.point('store', words, at, value)
  return quietStore(words, at, value)
}

/** An atomic store that is no point. */
export function quietStore(words: Words, at: number, value: number): number {
  const i = indexOf(words, at)
  if (i < 0) Atomics.store(words, at, value)
  else weakly().store(i, value)
  return value
}

export function add(words: Words, at: number, value: number): number {
  driver?.point('add', words, at, value)
  const i = indexOf(words, at)
  return i < 0 ? Atomics.add(words, at, value) : weakly().update(i, (old) => (old + value) | 0)
}

export function sub(words: Words, at: number, value: number): number {
  driver?.point('sub', words, at, value)
  const i = indexOf(words, at)
  return i < 0 ? Atomics.sub(words, at, value) : weakly().update(i, (old) => (old - value) | 0)
}

export function or(words: Words, at: number, value: number): number {
  driver?.point('or', words, at, value)
  const i = indexOf(words, at)
  return i < 0 ? Atomics.or(words, at, value) : weakly().update(i, (old) => old | value)
}

export function and(words: Words, at: number, value: number): number {
  driver?.point('and', words, at, value)
  const i = indexOf(words, at)
  return i < 0 ? Atomics.and(words, at, value) : weakly().update(i, (old) => old & value)
}

export function exchange(words: Words, at: number, value: number): number {
  driver?.point('exchange', words, at, value)
  const i = indexOf(words, at)
  return i < 0 ? Atomics.exchange(words, at, value) : weakly().update(i, () => value)
}

export function compareExchange(words: Words, at: number, expected: number, value: number): number {
  driver?.point('compareExchange', words, at, value)
  const i = indexOf(words, at)
  return i < 0
    ? Atomics.compareExchange(words, at, expected, value)
    : weakly().compareExchange(i, expected, value)
}

/** A plain store with a point before it; only in copies of the code that were changed for it. */
export function plainStore(words: Words, at: number, value: number): number {
  driver?.point('plainStore', words, at, value)
  return put(words, at, value)
}

/** A plain store that is no point. */
export function put(words: Words, at: number, value: number): number {
  const i = indexOf(words, at)
  if (i < 0) words[at] = value
  else weakly().plainStore(i, value)
  return value
}

/** A plain load, which is no point. */
export function get(words: Words, at: number): number {
  const i = indexOf(words, at)
  return i < 0 ? words[at]! : weakly().plainLoad(i)
}

export function wait(words: Words, at: number, value: number, timeoutMs: number): string {
  return driver === undefined
    ? Atomics.wait(words, at, value, timeoutMs)
    : driver.wait(words, at, value, timeoutMs)
}

type WaitAsync = (
  words: Words,
  at: number,
  value: number,
  timeoutMs: number,
) => { async: false; value: 'not-equal' | 'timed-out' } | { async: true; value: Promise<'ok' | 'timed-out'> }

export const waitAsync: WaitAsync = (words, at, value, timeoutMs) => {
  if (driver !== undefined)
    throw new Error('a driven thread cannot await, because its event loop does not run')
  return (Atomics.waitAsync as WaitAsync)(words, at, value, timeoutMs)
}

export function notify(words: Words, at: number): number {
  return driver === undefined ? Atomics.notify(words, at) : driver.notify(words, at)
}

/** A point that a body sets: where a thread pauses for long, or between two plain accesses that matter. */
export function point(words: Words, label = 0): void {
  driver?.point('point', words, -2, label)
}
