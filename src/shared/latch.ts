/**
 * The latch of a frame, in one word: pins, the writer, and hints about waiters.
 *
 *   bits 0-15   pins          read latches held
 *   bits 16-23  writer + 1    the slot that holds the latch exclusively, or to which it is offered
 *   bit 24      FROZEN        the reaper is counting pins: no thread can take the latch
 *   bit 25      MARK_WRITER   threads may be waiting for the exclusive latch
 *   bit 26      MARK_READER   threads may be waiting for a read latch
 *   bit 27      HANDED        offered: to the slot in `writer`, or, without a writer, to the waiting readers
 *
 *   FREE --tryPin--> PINNED(1) --tryPin--> PINNED(n) --unpin--> ... FREE
 *        --tryLatch--> LATCHED(slot) --leaveLatched--> FREE, --leaveDowngraded--> PINNED(1)
 *        <--serve, in latch-queue.ts--> OFFERED(slot, or the readers) --accept--> LATCHED(slot), PINNED(1)
 *
 * A mark is a hint that published waits (waits.ts) exist. It keeps readers off the fast path (`tryPin`), but does not keep
 * any thread out of a free latch. This file has the transitions that take one step; the queue (latch-queue.ts) sets and
 * clears marks, and makes offers. Each slot journals its pins, so that the reaper can subtract those of a dead thread.
 */
import { and, compareExchange, load, or, sub, type Words } from '#atomics'
import type { SlotIndex } from './indices.js'
import { Latch } from './words.js'

/** The slot in the word, which holds the latch exclusively or has an offer; -1 if there is none. */
export const writerOf = (word: number): number => ((word & Latch.WRITER) >>> Latch.WRITER_SHIFT) - 1
export const pinsOf = (word: number): number => word & Latch.PINS
/** The bits of the word that name a slot as the writer. */
export const asWriter = (slot: SlotIndex): number => (slot + 1) << Latch.WRITER_SHIFT
/** Whether the latch is neither held, offered nor frozen. Marks do not matter. */
export const isFree = (word: number): boolean =>
  (word & (Latch.PINS | Latch.WRITER | Latch.FROZEN | Latch.HANDED)) === 0
/** Whether the latch is held exclusively. An offered latch is not held. */
export const isLatched = (word: number): boolean => (word & Latch.WRITER) !== 0 && (word & Latch.HANDED) === 0

/** Takes a pin, if the word contains pins and nothing else; returns whether it did. One compare-and-swap. */
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
 * Takes a pin even if there are marks, or an offer to readers, which it accepts. For the writer of a round, which must not
 * wait for clients, and for waiters that may pass others (latch-queue.ts).
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

/** Releases a pin. Returns true if it was the last and there are marks: the caller must serve the waiters. @requires a pin */
export function unpin(words: Words, at: number): boolean {
  const word = sub(words, at, 1)
  return (word & Latch.PINS) === 1 && (word & Latch.MARKS) !== 0
}

/**
 * Takes the exclusive latch, if it is free; returns whether it did. Marks do not matter. It does not look first: a thread that
 * is about to sleep until a frame is free would, by the letter of ECMAScript, find it held by a pin that is gone.
 */
export function tryLatch(words: Words, at: number, slot: SlotIndex): boolean {
  let word = 0
  for (;;) {
    const seen = compareExchange(words, at, word, word | asWriter(slot))
    if (seen === word) return true
    if (!isFree(seen)) return false
    word = seen
  }
}

/** Releases the exclusive latch. If there are marks, does nothing and returns false. @requires the exclusive latch */
export function leaveLatched(words: Words, at: number): boolean {
  return leaveTo(words, at, 0)
}

/** Turns the exclusive latch into a pin. If there are marks, does nothing and returns false. @requires the exclusive latch */
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

/** Makes `slot` the holder of a latch that another slot holds or was offered. @requires that no other thread can take it */
export function handOver(words: Words, at: number, slot: SlotIndex): void {
  let word = load(words, at)
  for (;;) {
    const seen = compareExchange(words, at, word, (word & ~(Latch.WRITER | Latch.HANDED)) | asWriter(slot))
    if (seen === word) return
    word = seen
  }
}

/** Stops all threads from taking the latch; pins can only be released. Called by the reaper. */
export function freeze(words: Words, at: number): void {
  or(words, at, Latch.FROZEN)
}

/**
 * Sets the pins to the number that the reaper counted. Returns false if a pin was released in the meantime: count again.
 * Afterwards the reaper must wake the waiters and heal the marks (LatchQueue.wakeAll, heal). @requires FROZEN
 */
export function thaw(words: Words, at: number, word: number, pins: number): boolean {
  return compareExchange(words, at, word, (word & ~(Latch.PINS | Latch.FROZEN)) | pins) === word
}

/** Clears the marks. */
export function clearMarks(words: Words, at: number): void {
  and(words, at, ~Latch.MARKS)
}
