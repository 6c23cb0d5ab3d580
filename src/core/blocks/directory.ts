/**
 * The directory: from a block's name to the frame that holds it. Chains hang on hash buckets, of which there are at
 * least as many as blocks; they change under the stripe mutex of their bucket, and are read without it.
 *
 * A walk with plain loads may see a chain that is being changed, and may be led into another chain by a frame that
 * moved: it is bounded, and what it finds is looked at again once it is pinned. What it does not find is looked for
 * again under the stripe before anything follows from that.
 */
import { store } from '#atomics'
import { hashOf } from '../../shared/hash.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Deadline, Slow } from '../../shared/wait.js'
import type { Context } from '../context.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { Frame } from '../../shared/words.js'

/** Steps of a walk without the stripe. */
export const WALK_MAX = 64

/** Whether a frame holds this block. Certain only with a pin, the latch or the stripe. */
export function hasKey(context: Context, frameAt: number, keyHigh: number, keyLow: number): boolean {
  const { words } = context
  return words[frameAt + Frame.keyLow] === keyLow && words[frameAt + Frame.keyHigh] === keyHigh
}

/** The frame that seems to hold the block, -1 if none was met. */
export function find(context: Context, keyHigh: number, keyLow: number): FrameIndex {
  const { words, framesAt } = context
  let link = words[context.bucketsAt + hashOf(context.buckets, keyHigh, keyLow)]!
  for (let steps = WALK_MAX; link !== 0 && steps > 0; steps--) {
    const at = framesAt + (link - 1) * Frame.WORDS
    if (words[at + Frame.keyLow] === keyLow && words[at + Frame.keyHigh] === keyHigh) return link - 1
    link = words[at + Frame.next]!
  }
  return -1
}

/** The frame that holds the block, -1 if none does, at a moment of the call. @takes a stripe */
export function* findSurely(
  context: Context,
  keyHigh: number,
  keyLow: number,
  deadline: Deadline,
): Slow<FrameIndex> {
  const bucket = hashOf(context.arena.geometry.buckets, keyHigh, keyLow)
  const stripe = stripeOf(context, bucket)
  if (!stripe.tryLock(context.slot.index)) yield* waitForMutex(context, stripe, deadline)
  const frame = findUnderStripe(context, bucket, keyHigh, keyLow)
  stripe.unlock()
  return frame
}

/** The frame that holds the block, -1 if none does. @requires the stripe of `bucket` */
export function findUnderStripe(
  context: Context,
  bucket: number,
  keyHigh: number,
  keyLow: number,
): FrameIndex {
  const { words, arena } = context
  for (let link = words[arena.bucketsAt + bucket]!; link !== 0;) {
    const at = arena.framesAt + (link - 1) * Frame.WORDS
    if (hasKey(context, at, keyHigh, keyLow)) return link - 1
    link = words[at + Frame.next]!
  }
  return -1
}

/**
 * Names a frame and hangs it in.
 * @requires the stripe of `bucket`; the frame's latch; that it is in no chain
 */
export function chain(
  context: Context,
  frame: FrameIndex,
  bucket: number,
  keyHigh: number,
  keyLow: number,
): void {
  stripeOf(context, bucket).assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.frameAt(frame)
  words[at + Frame.keyLow] = keyLow
  words[at + Frame.keyHigh] = keyHigh
  words[at + Frame.next] = words[arena.bucketsAt + bucket]!
  store(words, arena.bucketsAt + bucket, frame + 1)
}

/**
 * Takes a frame out of its chain, and its name away.
 * @requires the stripe of its bucket; the frame's latch
 */
export function unchain(context: Context, frame: FrameIndex): void {
  const bucket = bucketOf(context, frame)
  stripeOf(context, bucket).assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.frameAt(frame)
  let linkAt = arena.bucketsAt + bucket
  while (words[linkAt] !== frame + 1)
    linkAt = arena.framesAt + (words[linkAt]! - 1) * Frame.WORDS + Frame.next
  store(words, linkAt, words[at + Frame.next]!)
  words[at + Frame.keyHigh] = 0
}

/** The bucket of the chain in which a named frame hangs. */
export function bucketOf(context: Context, frame: FrameIndex): number {
  const { words, arena } = context
  const at = arena.frameAt(frame)
  return hashOf(arena.geometry.buckets, words[at + Frame.keyHigh]!, words[at + Frame.keyLow]!)
}

export const stripeOf = (context: Context, bucket: number) =>
  context.stripes[bucket & (context.arena.geometry.stripes - 1)]!
