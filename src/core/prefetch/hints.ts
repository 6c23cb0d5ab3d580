/**
 * Hints: blocks that will be read soon, passed from any thread to the reader. Each slot has a short queue: its thread
 * inserts, and the reader removes. A count is stored last, so a death leaves no half-filled entry. If the queue is full, the
 * hint is dropped.
 *
 *   hintsGiven   number of hints inserted; stored after the record     hintsTaken   number of hints removed
 *   hintBell     incremented after hintsGiven; the reader reads it before it checks the queues, and sleeps on that value. The first
 *                hint of all also rings the flush worker, so that the reader is started (needs.ts)
 */
import { add, load, notify, store } from '#atomics'
import { HINTS_MAX } from '../../shared/layout.js'
import { keyLowOf, partitionIn, keyHighOf, blockIn } from '../../shared/key.js'
import type { SlotIndex } from '../../shared/indices.js'
import { ringBell } from '../wait/bell.js'
import { Purpose } from '../blocks/victims.js'
import type { Context, PartitionView } from '../context.js'
import { Counter } from '../../shared/counter-words.js'
import { Header, Hint, Slot } from '../../shared/words.js'

/** Blocks that the reader was asked for. */
export interface Wanted {
  readonly partition: number
  readonly block: number
  readonly count: number
  readonly purpose: Purpose
}

/** Largest share of the frames that the partition may have for one hint: more of it would evict its own beginning. */
const SHARE = 1 / 4

/** Asks the reader for blocks; returns at once. Called by the slot's thread. Takes no lock. */
export function giveHint(
  context: Context,
  partition: PartitionView,
  block: number,
  count: number,
  purpose = Purpose.AHEAD,
): void {
  const { words, arena, slot } = context
  const given = words[slot.at + Slot.hintsGiven]!
  const isFull = ((given - load(words, slot.at + Slot.hintsTaken)) | 0) === HINTS_MAX
  const taken = isFull ? 0 : Math.min(count, Math.max(1, Math.floor(partition.framesMax * SHARE)))
  slot.count(Counter.prefetchDropped, count - taken)
  if (taken === 0) return
  const at = arena.hintAt(slot.index) + (given & (HINTS_MAX - 1)) * Hint.WORDS
  words[at + Hint.keyHigh] = keyHighOf(partition.index, block)
  words[at + Hint.keyLow] = keyLowOf(block)
  words[at + Hint.count] = taken
  words[at + Hint.purpose] = purpose
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

/** Removes the oldest hint of a slot. Called by the reader only. */
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
    purpose: words[at + Hint.purpose]!,
  }
  store(words, slotAt + Slot.hintsTaken, (taken + 1) | 0)
  return wanted
}
