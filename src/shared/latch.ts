/**
 * The latch of a frame, in one word: pins, writer, and hints about waiters.
 *
 *   bits 0-15   pins          read latches held
 *   bits 16-23  writer + 1    the slot that holds the latch exclusively, or to which it is offered
 *   bit 24      FROZEN        the reaper is counting pins: no thread gets the latch
 *   bit 25      MARK_WRITER   threads may wait for the exclusive latch
 *   bit 26      MARK_READER   threads may wait for a read latch
 *   bit 27      HANDED        offered: to the slot in `writer`, or, without one, to the readers that wait
 *
 *   FREE --tryPin--> PINNED(1) --tryPin--> PINNED(n) --unpin--> ... FREE
 *        --tryLatch--> LATCHED(slot) --leaveLatched--> FREE, --leaveDowngraded--> PINNED(1)
 *        <--serve, in latch-queue.ts--> OFFERED(slot, or the readers) --accept--> LATCHED(slot), PINNED(1)
 *
 * A mark is a hint to look at the published waits (waits.ts). It keeps the fast path of readers out (`tryPin`), and no
 * thread out of a free latch. The queue (latch-queue.ts) sets marks, clears them, and makes offers; this file has the
 * transitions that take one step. Pins are journaled by the slots, so that those of a dead thread can be counted out.
 */
import { and, compareExchange, load, or, sub, type Words } from '#atomics'
import type { SlotIndex } from './indices.js'
import { Latch } from './words.js'

/** The slot in the word: that of the holder, or the one with an offer; -1 if none. */
export const writerOf = (word: number): number => ((word & Latch.WRITER) >>> Latch.WRITER_SHIFT) - 1
export const pinsOf = (word: number): number => word & Latch.PINS
/** The part of the word that names a slot as writer. */
export const asWriter = (slot: SlotIndex): number => (slot + 1) << Latch.WRITER_SHIFT
/** Neither held, offered nor frozen; marks do not matter. */
export const isFree = (word: number): boolean =>
  (word & (Latch.PINS | Latch.WRITER | Latch.FROZEN | Latch.HANDED)) === 0
/** Held exclusively; an offer is no hold. */
export const isLatched = (word: number): boolean => (word & Latch.WRITER) !== 0 && (word & Latch.HANDED) === 0

/** Pins, if the word shows pins and nothing else. One compare-and-swap. */
export function tryPin(words: Words, at: number): boolean {
  let word = words[at]!
  for (;;) {
    if ((word & ~Latch.PINS) !== 0) return false
    const seen = compareExchange(words, at, word, word + 1)
    if (seen === word) return true
    word = seen
  }
}

/**
 * Pins past marks and past an offer to readers, which it accepts: for the writer of a round, which may not wait for
 * clients, and for waiters that may pass (latch-queue.ts).
 */
export function tryPinPastMarks(words: Words, at: number): boolean {
  let word = load(words, at)
  for (;;) {
    if ((word & (Latch.WRITER | Latch.FROZEN)) !== 0) return false
    const seen = compareExchange(words, at, word, (word & ~Latch.HANDED) + 1)
    if (seen === word) return true
    word = seen
  }
}

/** Gives a pin back; true if it was the last and there are marks: the caller serves the waiters. @requires a pin */
export function unpin(words: Words, at: number): boolean {
  const word = sub(words, at, 1)
  return (word & Latch.PINS) === 1 && (word & Latch.MARKS) !== 0
}

/** Takes the exclusive latch, if it is free; marks do not matter. */
export function tryLatch(words: Words, at: number, slot: SlotIndex): boolean {
  let word = words[at]!
  for (;;) {
    if (!isFree(word)) return false
    const seen = compareExchange(words, at, word, word | asWriter(slot))
    if (seen === word) return true
    word = seen
  }
}

/** From the exclusive latch to none; false, and nothing done, if there are marks. @requires the exclusive latch */
export function leaveLatched(words: Words, at: number): boolean {
  return leaveTo(words, at, 0)
}

/** From the exclusive latch to a pin; false, and nothing done, if there are marks. @requires the exclusive latch */
export function leaveDowngraded(words: Words, at: number): boolean {
  return leaveTo(words, at, 1)
}

function leaveTo(words: Words, at: number, pins: 0 | 1): boolean {
  let word = load(words, at)
  while ((word & Latch.MARKS) === 0) {
    const seen = compareExchange(words, at, word, (word & ~Latch.WRITER) | pins)
    if (seen === word) return true
    word = seen
  }
  return false
}

/** The latch, or the offer, of one slot becomes the latch of another. @requires that no other thread may take it */
export function handOver(words: Words, at: number, slot: SlotIndex): void {
  let word = load(words, at)
  for (;;) {
    const seen = compareExchange(words, at, word, (word & ~(Latch.WRITER | Latch.HANDED)) | asWriter(slot))
    if (seen === word) return
    word = seen
  }
}

/** No thread gets the latch any more; pins can only be given back. The reaper's thread. */
export function freeze(words: Words, at: number): void {
  or(words, at, Latch.FROZEN)
}

/**
 * Sets the pins to those that were counted; false if one was given back in the meantime: the caller counts again. After it
 * the reaper wakes the waiters and heals the marks (LatchQueue.wakeAll, heal). @requires FROZEN
 */
export function thaw(words: Words, at: number, word: number, pins: number): boolean {
  return compareExchange(words, at, word, (word & ~(Latch.PINS | Latch.FROZEN)) | pins) === word
}

/** Clears the marks. */
export function clearMarks(words: Words, at: number): void {
  and(words, at, ~Latch.MARKS)
}
