/** Which threads use the cache, from their slots. Plain reads: a thread may attach or end at the same time. */
import { load } from '#atomics'
import type { ThreadInfo } from '../../shared/reports.js'
import { slotName } from '../../shared/slot-name.js'
import type { Context } from '../context.js'
import { Slot, SlotState } from '../../shared/words.js'

/** States in which a slot says which thread has it. */
const HAVE_THREAD: readonly number[] = [SlotState.LIVE, SlotState.DEAD]

/**
 * The attached threads and those of the engine, by slot. One that is about to attach, whose name is not there yet, is left out. Any
 * thread; takes no lock.
 */
export function threads(context: Context): ThreadInfo[] {
  const { words, arena } = context
  return liveSlots(context)
    .filter((slot) => HAVE_THREAD.includes(load(words, arena.slotAt(slot) + Slot.state)))
    .map((slot) => threadInfo(context, slot))
}

export function threadInfo({ arena, words }: Context, slot: number): ThreadInfo {
  const at = arena.slotAt(slot)
  return {
    slot,
    threadId: words[at + Slot.threadId]!,
    name: slotName(arena, slot),
    alive: words[at + Slot.state] === SlotState.LIVE,
  }
}

/** The slots that are not FREE: in use, or of threads that have ended and are not recovered yet. */
export function liveSlots(context: Context): number[] {
  const { words, arena } = context
  return Array.from({ length: arena.geometry.slots }, (_, slot) => slot).filter(
    (slot) => load(words, arena.slotAt(slot) + Slot.state) !== SlotState.FREE,
  )
}
