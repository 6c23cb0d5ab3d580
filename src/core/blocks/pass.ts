/**
 * Passing a waiting writer: a reader may do so if its own thread has a pin on the frame already. If the thread waited behind
 * the writer, and the writer for that pin, neither could continue.
 *
 *   a Sync call          passes at once: while the thread sleeps, nothing can release its pin
 *   an asynchronous call  may belong to the task that has the pin, or to another. It waits for PATIENCE_MS, in which another task
 *                        would release its pin; then it passes, PASSES_MAX times per wait of a writer. So tasks whose guards
 *                        overlap cannot keep a writer out forever.
 */
import type { FrameIndex } from '../../shared/indices.js'
import { GUARDS_MAX } from '../../shared/layout.js'
import type { PublishedWait } from '../../shared/waits.js'
import { Journal } from '../../shared/words.js'
import type { Context, Passes } from '../context.js'
import type { Request } from './request.js'

const PATIENCE_MS = 50
const PASSES_MAX = 8

/** Whether a guard of this thread has a pin on the frame. For slow paths only: it scans the journal. */
export function holdsPin(context: Context, frame: FrameIndex): boolean {
  const held = (frame << 2) | Journal.HELD
  for (let at = context.slot.journalAt; at < context.slot.journalAt + GUARDS_MAX; at++)
    if (context.words[at] === held) return true
  return false
}

/** Whether a reader may pass the writers that wait for a frame. */
export function mayPass(
  context: Context,
  { isSync }: Request,
  frame: FrameIndex,
  writers: () => readonly PublishedWait[],
  waitedMs: number,
): boolean {
  if (!isSync && waitedMs < PATIENCE_MS) return false
  if (!holdsPin(context, frame)) return false
  return isSync || countPass(context.passes, frame, writers())
}

function countPass(
  passes: Map<FrameIndex, Passes>,
  frame: FrameIndex,
  writers: readonly PublishedWait[],
): boolean {
  if (writers.length === 0) return true
  const since = writers.reduce((oldest, wait) => (((wait.since - oldest) | 0) < 0 ? wait.since : oldest), writers[0]!.since) // prettier-ignore
  const known = passes.get(frame)
  if (known?.since === since) return ++known.count <= PASSES_MAX
  // Mostly writers of other frames that wait no longer. If one still waits, it can only be passed more often.
  if (passes.size > GUARDS_MAX) passes.clear()
  passes.set(frame, { since, count: 1 })
  return true
}
