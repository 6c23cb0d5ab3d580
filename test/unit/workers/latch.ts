// The threads of the latch tests. The latch is that of an arena's frame 0. The data it protects is in a buffer of its own:
// words 0 and 16 are two counters that only a writer changes, 32 counts waits, 48 counts the threads that have arrived.

import { OneLatch } from '#dist/bench/contention/one-latch.js'
import type { Thread } from '../../support/threads.js'

export const FIRST = 0
export const SECOND = 16
export const WAITED = 32
export const ARRIVED = 48
const NEVER = 64
export const GUARDED_WORDS = 80

type Words = Int32Array<SharedArrayBuffer>

export interface Guarded {
  readonly guarded: SharedArrayBuffer
}

/** Checks that the two counters are equal and stay equal while the calling thread holds the latch. */
function assertQuiet(words: Words): void {
  const first = words[FIRST]!
  for (let i = 0; i < 20; i++) {
    if (words[FIRST] !== first || words[SECOND] !== first)
      throw new Error('changed while a reader holds the latch')
  }
}

function change(words: Words): void {
  assertQuiet(words)
  words[FIRST]! += 1
  for (let i = 0; i < 20; i++) {
    if (words[FIRST] !== words[SECOND]! + 1) throw new Error('two writers at a time')
  }
  words[SECOND]! += 1
}

/** Alternates changes and reads, and gives up waits now and then; returns how often it changed the counters. */
export function readAndWrite({ buffer, index, args }: Thread<Guarded & { turns: number }>): number {
  const words = new Int32Array(args.guarded)
  const latch = new OneLatch(buffer, index + 1)
  let random = index + 1
  let changes = 0
  for (let i = 0; i < args.turns; i++) {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0
    const kind = (random >>> 16) % 8
    const isWriter = kind < 3
    try {
      // Some waits are given up at once.
      const timeoutMs = random >>> 26 === 1 ? 0 : undefined
      if (isWriter) latch.latch(timeoutMs)
      else latch.pin(timeoutMs)
    } catch {
      continue
    }
    // Now and then a thread keeps the latch until the others are asleep.
    if (random >>> 22 === 0) Atomics.wait(words, NEVER, 0, 1)
    if (isWriter) {
      change(words)
      changes++
    }
    if (kind === 0) latch.downgrade()
    if (kind < 1 || kind > 2) {
      assertQuiet(words)
      latch.unpin()
    } else {
      latch.unlatch()
    }
  }
  Atomics.add(words, WAITED, latch.waits)
  return changes
}

/** Waits for the latch, to read or to write, and releases it. */
export function waiter({ buffer, index, args }: Thread<Guarded & { firstWriter: number }>): void {
  const words = new Int32Array(args.guarded)
  const latch = new OneLatch(buffer, index + 1)
  const isWriter = index >= args.firstWriter
  Atomics.add(words, ARRIVED, 1)
  if (isWriter) {
    latch.latch()
    change(words)
    latch.unlatch()
  } else {
    latch.pin()
    latch.unpin()
  }
}

/** Takes the latch repeatedly for `holdMs`; returns how often, and the longest wait in milliseconds. */
export function loops({
  buffer,
  index,
  args,
}: Thread<Guarded & { readers: number; holdMs: number; forMs: number }>): {
  times: number
  longestMs: number
} {
  const words = new Int32Array(args.guarded)
  const latch = new OneLatch(buffer, index + 1)
  const isReader = index < args.readers
  let times = 0
  let longestMs = 0
  const endMs = performance.now() + args.forMs
  for (let nowMs = performance.now(); nowMs < endMs; nowMs = performance.now()) {
    if (isReader) latch.pin()
    else latch.latch()
    longestMs = Math.max(longestMs, performance.now() - nowMs)
    times++
    if (args.holdMs > 0) Atomics.wait(words, NEVER, 0, args.holdMs)
    if (isReader) latch.unpin()
    else latch.unlatch()
  }
  return { times, longestMs }
}
