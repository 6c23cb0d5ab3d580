/**
 * Reading a part of a block without a pin: version, copy, version again (a sequence lock on the frame). Whoever gets a
 * frame's exclusive latch moves its version before anything of the frame can change (`enter`), and stays in the latch
 * word until it is done. So a copy is good when nobody was in alone before it, and after it the version is the same: no
 * change, eviction or load has begun in between. It journals nothing, and a death leaves nothing.
 *
 * Plain loads must not sink below the last look. They do not on x64. On other processors the copy is made under a pin, which
 * is journaled as that of a guard is: two atomic operations on the frame's latch word, and no guard object.
 */
import { load } from '#atomics'
import type { Context } from '../context.js'
import { find, hasKey } from './directory.js'
import { pinNamed, unpinFrame } from './hit.js'
import type { FrameIndex } from '../../shared/indices.js'
import { Frame, Latch, State } from '../../shared/words.js'

const KEEPS_ORDER = process.arch === 'x64'
/** Up to so many bytes a loop is faster than a view of them. */
const LOOP_MAX = 32

/** Where bytes are in their block, and in the caller's buffer. */
export interface Span {
  readonly start: number
  readonly length: number
  readonly at: number
}

/**
 * Copies bytes of a block that is there and that nobody changes just now; the frame that they are from. -1 if it is not
 * so: then what `target` has says nothing. Any thread; no lock, never waits.
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

/** The same under a pin; -1 also where the frame is latched or a thread waits to latch it. */
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

/** Copies a part of the frame's block to its place in the caller's buffer. */
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
