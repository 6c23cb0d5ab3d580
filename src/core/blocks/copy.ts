/**
 * Copies part of a block without a pin: read the version and the latch, copy, read them again (a sequence lock on the frame).
 * A thread that takes a frame's exclusive latch increments its version before it releases it (`enter`). So a copy is valid if
 * the latch was not held exclusively before it nor after it, and the version is the same: no change, eviction or fill has
 * begun in between. Nothing is journaled, and a death leaves nothing behind.
 *
 * The processor must not take the bytes after the second look (`fenceLoads`), nor make a change visible before the latch that
 * it is under (`fenceStores`, in `enter`). Then a thread that sees changed bytes also sees the latch, or, if it was released
 * since, the version. By the letter of ECMAScript plain loads may still see such bytes; no processor does that
 * (docs/decisions.md, D59).
 */
import { fenceLoads, load, loadInOrder } from '#atomics'
import type { Context, PartitionView } from '../context.js'
import { isStanding } from '../standing.js'
import { find, hasKey } from './directory.js'
import type { FrameIndex } from '../../shared/indices.js'
import { Frame, Latch, Slot, State } from '../../shared/words.js'

/** For up to this many bytes a loop is faster than creating a view. */
const LOOP_MAX = 32

/** Where bytes are in their block (`start`), and in the caller's buffer (`at`). */
export interface Span {
  readonly start: number
  readonly length: number
  readonly at: number
}

/**
 * Copies bytes of a block that is cached and not latched, and returns its frame. Otherwise returns -1, and the contents of
 * `target` are undefined. Any thread; takes no lock, never waits.
 */
export function copyHit(
  context: Context,
  partition: PartitionView,
  keyHigh: number,
  keyLow: number,
  span: Span,
  target: Uint8Array,
): FrameIndex {
  const frame = find(context, keyHigh, keyLow)
  if (frame < 0) return -1
  const { words } = context
  const at = context.framesAt + frame * Frame.WORDS
  const version = loadInOrder(words, at + Frame.version)
  if ((load(words, at + Frame.latch) & (Latch.WRITER | Latch.FROZEN)) !== 0) return -1
  if (!hasKey(context, at, keyHigh, keyLow) || (words[at + Frame.state]! & State.ABSENT) !== 0) return -1
  copySpan(context, frame, span, target)
  fenceLoads(words, context.slot.at + Slot.fence)
  if ((loadInOrder(words, at + Frame.latch) & (Latch.WRITER | Latch.FROZEN)) !== 0) return -1
  if (load(words, at + Frame.version) !== version) return -1
  // Last: what was copied under this key is of this partition, and not of the next one with its number.
  return isStanding(context, partition) ? frame : -1
}

/** Copies part of the frame's block to its place in the caller's buffer. */
function copySpan(
  { arena }: Context,
  frame: FrameIndex,
  { start, length, at }: Span,
  target: Uint8Array,
): void {
  const bytes = arena.segment(frame)
  const from = arena.offset(frame) + start
  if (length <= LOOP_MAX) for (let i = 0; i < length; i++) target[at + i] = bytes[from + i]!
  else target.set(bytes.subarray(from, from + length), at)
}
