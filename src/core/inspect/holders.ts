/**
 * Which threads hold blocks, and what threads wait for, from the slots, their journals and the latches. Plain reads,
 * concurrently with other threads: each line is true of some moment, but not all of the same one.
 */
import { load } from '#atomics'
import type { Holder } from '../../shared/reports.js'
import { isLatched, writerOf } from '../../shared/latch.js'
import { GUARDS_MAX } from '../../shared/layout.js'
import { clockMs } from '../../shared/clock.js'
import { PIECE, runSteps, type Steps } from '../../shared/steps.js'
import { blockOf, type Context, partitionOf } from '../context.js'
import { liveSlots, threadInfo } from './threads.js'
import { cycleOf, holdersOf, shownWaits } from '../wait/wait-graph.js'
import { Frame, Journal } from '../../shared/words.js'

type What = Pick<Holder, 'what' | 'mode' | 'sinceMs'> & Partial<Pick<Holder, 'heldBy' | 'cycle'>>

/** Lists all holds and waits. Any thread; takes no lock. Costs a look at all frames, at once. */
export const holders = (context: Context): Holder[] => runSteps(holdersInSteps(context))

/** The same, in pieces: the pins and waits of a thread, a wait's holders and cycle, or some frames. */
export function* holdersInSteps(context: Context): Steps<Holder[]> {
  const { words, arena } = context
  const found: Holder[] = []
  const add = (slot: number, frame: number, what: What) => {
    const frameAt = frame < 0 ? -1 : arena.frameAt(frame)
    const partition = frameAt < 0 ? undefined : context.partitions.find(partitionOf(words, frameAt))
    found.push({
      ...threadInfo(context, slot),
      heldBy: [],
      cycle: [],
      ...what,
      partition: partition?.name,
      block: partition === undefined ? undefined : blockOf(words, frameAt),
    })
  }
  for (const slot of liveSlots(context)) {
    for (let at = arena.journalAt(slot); at < arena.journalAt(slot) + GUARDS_MAX; at++) {
      const entry = words[at]!
      if ((entry & 3) === Journal.HELD)
        add(slot, entry >>> 2, { what: 'holds', mode: 'read', sinceMs: undefined })
    }
    for (const wait of shownWaits(context, slot)) {
      add(slot, wait.kind === 'read' || wait.kind === 'modify' ? wait.at : -1, {
        what: 'waits',
        mode: wait.kind,
        sinceMs: wait.sinceMs,
        heldBy: holdersOf(context, wait),
        cycle: cycleOf(context, slot, wait)?.map((link) => link.slot) ?? [],
      })
      yield
    }
    yield
  }
  for (let frame = 0; frame < arena.frames; frame++) {
    if (frame % PIECE === PIECE - 1) yield
    const at = arena.frameAt(frame)
    const word = load(words, at + Frame.latch)
    if (!isLatched(word)) continue
    const since = words[at + Frame.since]!
    const sinceMs = since === 0 ? undefined : (clockMs() - since) | 0
    add(writerOf(word), frame, { what: 'holds', mode: 'modify', sinceMs })
  }
  return found
}
