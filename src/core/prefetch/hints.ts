/**
 * Hints: blocks that will be read soon, from any thread to the reader. Each slot has a short queue of its own: its thread
 * puts in, the reader takes out, and who dies in between leaves no place half-filled, since a count moves last. A full
 * queue drops the hint.
 *
 *   hintsGiven   counts what was put in; stored after the record     hintsTaken   counts what was taken out
 *   hintBell     moves after hintsGiven; the reader reads it before it looks, and sleeps on that value. The first hint of all
 *                rings the flush worker too: the reader starts then (needs.ts)
 */
import { add, load, notify, store } from '#atomics'
import { HINTS_MAX } from '../../shared/layout.js'
import { keyLowOf, partitionIn, keyHighOf, blockIn } from '../../shared/key.js'
import type { SlotIndex } from '../../shared/indices.js'
import { ringBell } from '../wait/bell.js'
import type { Context, PartitionView } from '../context.js'
import { Counter, Header, Hint, Slot } from '../../shared/words.js'

/** Blocks that somebody asked the reader for. */
export interface Wanted {
  readonly partition: number
  readonly block: number
  readonly count: number
}

/** Of all frames, what one hint may be about: the rest of it would drive out its beginning. */
const SHARE = 1 / 4

/** Asks for blocks; returns at once. Its slot's thread; no lock. */
export function giveHint(context: Context, partition: PartitionView, block: number, count: number): void {
  const { words, arena, slot } = context
  const given = words[slot.at + Slot.hintsGiven]!
  const isFull = ((given - load(words, slot.at + Slot.hintsTaken)) | 0) === HINTS_MAX
  const taken = isFull ? 0 : Math.min(count, Math.max(1, Math.floor(arena.geometry.blocks * SHARE)))
  slot.count(Counter.prefetchDropped, count - taken)
  if (taken === 0) return
  const at = arena.hintAt(slot.index) + (given & (HINTS_MAX - 1)) * Hint.WORDS
  words[at + Hint.keyHigh] = keyHighOf(partition.index, block)
  words[at + Hint.keyLow] = keyLowOf(block)
  words[at + Hint.count] = taken
  store(words, slot.at + Slot.hintsGiven, (given + 1) | 0)
  ringHintBell(context)
}

/** Wakes the reader. */
export function ringHintBell(context: Context): void {
  const { words } = context
  const isFirst = add(words, Header.hintBell, 1) === 0
  notify(words, Header.hintBell)
  if (isFirst) ringBell(context)
}

/** The oldest hint of a slot. The reader's thread only. */
export function takeHint({ words, arena }: Context, slot: SlotIndex): Wanted | undefined {
  const slotAt = arena.slotAt(slot)
  const taken = words[slotAt + Slot.hintsTaken]!
  if (load(words, slotAt + Slot.hintsGiven) === taken) return undefined
  const at = arena.hintAt(slot) + (taken & (HINTS_MAX - 1)) * Hint.WORDS
  const keyHigh = words[at + Hint.keyHigh]!
  const wanted = {
    partition: partitionIn(keyHigh),
    block: blockIn(keyHigh, words[at + Hint.keyLow]!),
    count: words[at + Hint.count]!,
  }
  store(words, slotAt + Slot.hintsTaken, (taken + 1) | 0)
  return wanted
}
