/**
 * Copies part of a block without a pin: read the version, copy, read the version again (a sequence lock on the frame). A
 * thread that takes a frame's exclusive latch increments its version before anything of the frame can change (`enter`), and
 * stays in the latch word until it is done. So a copy is valid if the latch was not held exclusively before it, and the
 * version is the same after it: no change, eviction or fill has begun in between. Nothing is journaled, and a death leaves
 * nothing behind.
 *
 * The plain loads must not be reordered after the second read of the version. On x64 they are not. On other processors the
 * copy is made under a pin, which is journaled like a guard's: two atomic operations on the frame's latch word, but no guard
 * object.
 */
import { load } from '#atomics'
import type { Context } from '../context.js'
import { find, hasKey } from './directory.js'
import { pinNamed, unpinFrame } from './hit.js'
import type { FrameIndex } from '../../shared/indices.js'
import { Frame, Latch, State } from '../../shared/words.js'

const KEEPS_ORDER = process.arch === 'x64'
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
  keyHigh: number,
  keyLow: number,
  span: Span,
  target: Uint8Array,
): FrameIndex {
  if (!KEEPS_ORDER) return copyPinned(context, keyHigh, keyLow, span, target)
  const frame = find(context, keyHigh, keyLow)
  if (frame < 0) return -1
  const { words } = context
  const at = context.framesAt + frame * Frame.WORDS
  const version = words[at + Frame.version]!
  if ((load(words, at + Frame.latch) & (Latch.WRITER | Latch.FROZEN)) !== 0) return -1
  if (!hasKey(context, at, keyHigh, keyLow) || (words[at + Frame.state]! & State.ABSENT) !== 0) return -1
  copySpan(context, frame, span, target)
  if (load(words, at + Frame.version) !== version) return -1
  return frame
}

/** As `copyHit`, under a pin. Also returns -1 if a thread waits to latch the frame. */
function copyPinned(
  context: Context,
  keyHigh: number,
  keyLow: number,
  span: Span,
  target: Uint8Array,
): FrameIndex {
  const frame = find(context, keyHigh, keyLow)
  const { slot } = context
  if (frame < 0 || slot.isFull) return -1
  const entry = slot.takeEntry()
  if (!pinNamed(context, frame, keyHigh, keyLow, entry)) {
    slot.returnEntry(entry)
    return -1
  }
  try {
    copySpan(context, frame, span, target)
  } finally {
    unpinFrame(context, frame, entry)
    slot.returnEntry(entry)
  }
  return frame
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
