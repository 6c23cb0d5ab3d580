// What the threads of latch.test.ts do. Words: 0 the latch, 16 and 32 two counters that only one who is alone changes,
// 48 how many wakeups were needed, 64 how many have come, 80 nothing ever.

import {
  downgrade,
  prepareWait,
  tryLatch,
  tryPin,
  tryPinPastWaiters,
  unlatch,
  unpin,
} from '#dist/shared/latch.js'
import { sleepEndless, type Thread } from '../../support/threads.js'

export const LATCH = 0
export const FIRST = 16
export const SECOND = 32
export const SLEEPS = 48
export const ARRIVED = 64
const NEVER = 80

type Words = Int32Array<SharedArrayBuffer>

/** Gets in, sleeping as the cache does, but until it is woken. */
function enter(words: Words, alone: boolean, slot: number): void {
  while (!(alone ? tryLatch(words, LATCH, slot) : tryPin(words, LATCH))) {
    const word = prepareWait(words, LATCH, alone)
    if (word === 0) continue
    Atomics.add(words, SLEEPS, 1)
    sleepEndless(words, LATCH, word)
  }
}

/** The two counters are the same for whoever is in, and stay so. */
function assertQuiet(words: Words): void {
  const first = words[FIRST]!
  for (let i = 0; i < 20; i++) {
    if (words[FIRST] !== first || words[SECOND] !== first) throw new Error('changed while somebody is in')
  }
}

function change(words: Words): void {
  assertQuiet(words)
  words[FIRST]! += 1
  for (let i = 0; i < 20; i++) {
    if (words[FIRST] !== words[SECOND]! + 1) throw new Error('two are in alone')
  }
  words[SECOND]! += 1
}

/** Changes, reads, reads twice at once, and changes and reads on; returns how often it changed. */
export function readAndWrite({ words, index, args }: Thread<{ turns: number }>): number {
  let random = index + 1
  let changes = 0
  for (let i = 0; i < args.turns; i++) {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0
    const kind = (random >>> 16) % 8
    const alone = kind < 3
    enter(words, alone, index)
    // Now and then somebody stays, and the others fall asleep.
    if (random >>> 22 === 0) Atomics.wait(words, NEVER, 0, 1)
    if (alone) {
      change(words)
      changes++
    }
    if (kind === 0) downgrade(words, LATCH)
    if (kind < 1 || kind > 2) {
      assertQuiet(words)
      if (kind === 7 && tryPinPastWaiters(words, LATCH)) {
        assertQuiet(words)
        unpin(words, LATCH)
      }
      unpin(words, LATCH)
    } else {
      unlatch(words, LATCH)
    }
  }
  return changes
}

/** One that waits until it is let in, to read or alone, and leaves. */
export function waiter({ words, index, args }: Thread<{ firstAlone: number }>): void {
  const alone = index >= args.firstAlone
  Atomics.add(words, ARRIVED, 1)
  enter(words, alone, index)
  if (alone) {
    change(words)
    unlatch(words, LATCH)
  } else {
    unpin(words, LATCH)
  }
}
