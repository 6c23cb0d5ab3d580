/**
 * The latch of a frame, in one word: pins, writer and waiters.
 *
 *   bits 0-15   pins          readers that are in; a pin is the read latch
 *   bits 16-23  writer + 1    the slot that is in alone
 *   bit 24      FROZEN        a death is being counted out; nobody gets in
 *   bit 25      WAIT_WRITER   somebody waits to be alone: new readers queue behind it
 *   bit 26      WAIT_READER   somebody waits for the writer to leave
 *
 *   FREE  word & (PINS | WRITER) = 0 --tryPin--> PINNED(1) --tryPin--> PINNED(n) --unpin--> ... FREE
 *                                    --tryLatch--> LATCHED(slot) --unlatch--> FREE, --downgrade--> PINNED(1)
 *
 * Whoever leaves last with a WAIT bit set clears both and wakes everyone; they compete again. Nobody is lost: a
 * sleeper sets its bit by compare-and-swap on a word that keeps it out, and sleeps on that very value. Policy: a waiting
 * writer keeps new readers out (but not a thread that is in already); readers that waited with it compete when it
 * leaves. Pins are journaled by the slots, so that a dead thread's can be counted out.
 */
import { and, compareExchange, load, notify, or, sub, type Words } from '#atomics'
import type { CacheError } from './errors.js'
import type { SlotIndex } from './indices.js'
import { type Deadline, sleep, type Slow } from './wait.js'
import { Latch } from './words.js'

/** The slot that is in alone, -1 if none. */
export const writerOf = (word: number): number => ((word & Latch.WRITER) >>> Latch.WRITER_SHIFT) - 1
export const pinsOf = (word: number): number => word & Latch.PINS

/** Gets in beside other readers; not while anybody is in alone, or waits for that. */
export function tryPin(words: Words, at: number): boolean {
  let word = words[at]!
  for (;;) {
    if ((word & ~Latch.PINS) !== 0) return false
    const seen = compareExchange(words, at, word, word + 1)
    if (seen === word) return true
    word = seen
  }
}

/** The same, past waiters: for a thread that has a pin on this frame already, or that was woken. */
export function tryPinPastWaiters(words: Words, at: number): boolean {
  let word = words[at]!
  for (;;) {
    if ((word & (Latch.WRITER | Latch.FROZEN)) !== 0) return false
    const seen = compareExchange(words, at, word, word + 1)
    if (seen === word) return true
    word = seen
  }
}

/** Leaves. @requires a pin */
export function unpin(words: Words, at: number): void {
  const word = sub(words, at, 1)
  if ((word & Latch.PINS) === 1 && (word & Latch.WAITS) !== 0) wakeAll(words, at)
}

/** Gets in alone, if nobody is in; waiters don't matter. */
export function tryLatch(words: Words, at: number, slot: SlotIndex): boolean {
  let word = words[at]!
  for (;;) {
    if ((word & (Latch.PINS | Latch.WRITER | Latch.FROZEN)) !== 0) return false
    const seen = compareExchange(words, at, word, word | ((slot + 1) << Latch.WRITER_SHIFT))
    if (seen === word) return true
    word = seen
  }
}

/** @requires the exclusive latch */
export function unlatch(words: Words, at: number): void {
  const word = and(words, at, ~(Latch.WRITER | Latch.WAITS))
  if ((word & Latch.WAITS) !== 0) notify(words, at)
}

/** From alone to one pin, with no moment in between. @requires the exclusive latch */
export function downgrade(words: Words, at: number): void {
  let word = load(words, at)
  for (;;) {
    const seen = compareExchange(words, at, word, (word & ~(Latch.WRITER | Latch.WAITS)) + 1)
    if (seen === word) break
    word = seen
  }
  if ((word & Latch.WAITS) !== 0) notify(words, at)
}

/** The latch goes from one slot to another, with no moment in between. @requires the exclusive latch, of any slot */
export function handOver(words: Words, at: number, slot: SlotIndex): void {
  let word = load(words, at)
  for (;;) {
    const seen = compareExchange(words, at, word, (word & ~Latch.WRITER) | ((slot + 1) << Latch.WRITER_SHIFT))
    if (seen === word) return
    word = seen
  }
}

/** Nobody new gets in, and pins do not change but by those that leave. The reaper's. */
export function freeze(words: Words, at: number): void {
  or(words, at, Latch.FROZEN)
}

/** Sets the pins to those that were counted, and lets everybody compete; false if one left meanwhile: count again. */
export function thaw(words: Words, at: number, word: number, pins: number): boolean {
  if (compareExchange(words, at, word, (word & ~(Latch.PINS | Latch.FROZEN | Latch.WAITS)) | pins) !== word)
    return false
  notify(words, at)
  return true
}

/** Wakes who waits here without leaving: the frame they ask for has another name now. */
export function wakeAll(words: Words, at: number): void {
  if ((and(words, at, ~Latch.WAITS) & Latch.WAITS) !== 0) notify(words, at)
}

/** The value to sleep on, with the waiter's bit in it; 0 when there is nothing to wait for any more. */
export function prepareWait(words: Words, at: number, alone: boolean): number {
  let word = load(words, at)
  for (;;) {
    const keepsOut = alone
      ? Latch.PINS | Latch.WRITER | Latch.FROZEN
      : Latch.WRITER | Latch.FROZEN | Latch.WAIT_WRITER
    if ((word & keepsOut) === 0) return 0
    if (!alone && (word & (Latch.WRITER | Latch.FROZEN | Latch.PINS)) === 0) {
      // Only the bit of a writer that went away keeps the readers out: nobody is left who would wake them.
      wakeAll(words, at)
      return 0
    }
    const asleep = word | (alone ? Latch.WAIT_WRITER : Latch.WAIT_READER)
    const seen = compareExchange(words, at, word, asleep)
    if (seen === word) return asleep
    word = seen
  }
}

/**
 * One slice of a wait for somebody to leave; who calls it tries again. False when nobody was in the way any more.
 * `still` is asked once the bit is set: whether this is the frame to wait for. Who gives up takes the bits away with it:
 * others must not queue behind a writer that is gone; those that still wait set them again.
 * @throws what `expired` makes, when the deadline is over
 */
export function* waitOut(
  words: Words,
  at: number,
  alone: boolean,
  deadline: Deadline,
  still: () => boolean,
  expired: () => CacheError,
): Slow<boolean> {
  const word = prepareWait(words, at, alone)
  if (word === 0 || !still()) return false
  try {
    yield* sleep(words, at, word, deadline, expired)
  } catch (error) {
    wakeAll(words, at)
    throw error
  }
  return true
}
