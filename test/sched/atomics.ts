// Replaces src/shared/atomics.ts under `node --conditions=sched`. On a thread that a schedule drives, every call first
// passes its turn to the driver, which may let another thread run or let this one die. On any other thread the calls are
// the real ones.
//
// It explores sequentially consistent orders of Atomics calls. Plain accesses between two calls are one step, except
// plain stores in a copy of the code in which variants.ts turned them into `plainStore`. Reorderings that a processor
// may make are not explored.

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
] as const
export type Op = (typeof OPS)[number]

/** What a driven thread does before its operations. */
export interface Driver {
  /** Called before an operation on a word; returns when it is this thread's turn again. Throws when the thread dies here. */
  point(op: Op, words: Words, at: number, value: number): void
  wait(words: Words, at: number, value: number, timeoutMs: number): string
  notify(words: Words, at: number): number
}

let driver: Driver | undefined

/** Makes the calling thread a driven one; with undefined, a free one. */
export function drive(next: Driver | undefined): void {
  driver = next
}

export function load(words: Words, at: number): number {
  driver?.point('load', words, at, 0)
  return Atomics.load(words, at)
}

export function store(words: Words, at: number, value: number): number {
  driver?.point('store', words, at, value)
  return Atomics.store(words, at, value)
}

export function add(words: Words, at: number, value: number): number {
  driver?.point('add', words, at, value)
  return Atomics.add(words, at, value)
}

export function sub(words: Words, at: number, value: number): number {
  driver?.point('sub', words, at, value)
  return Atomics.sub(words, at, value)
}

export function or(words: Words, at: number, value: number): number {
  driver?.point('or', words, at, value)
  return Atomics.or(words, at, value)
}

export function and(words: Words, at: number, value: number): number {
  driver?.point('and', words, at, value)
  return Atomics.and(words, at, value)
}

export function exchange(words: Words, at: number, value: number): number {
  driver?.point('exchange', words, at, value)
  return Atomics.exchange(words, at, value)
}

export function compareExchange(words: Words, at: number, expected: number, value: number): number {
  driver?.point('compareExchange', words, at, value)
  return Atomics.compareExchange(words, at, expected, value)
}

/** A plain store with a point before it; only in copies of the code that were changed for it. */
export function plainStore(words: Words, at: number, value: number): number {
  driver?.point('plainStore', words, at, value)
  words[at] = value
  return value
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
