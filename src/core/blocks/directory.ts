/**
 * The directory: finds the frame that holds a block, by its key. Hash chains start at buckets, of which there are at least as
 * many as blocks. Chains change under the stripe mutex of their bucket, and are read without it.
 *
 * A walk with plain loads may see a chain while it changes, and a frame that has moved may lead it into another chain. So the
 * walk is bounded, and what it finds is rechecked once it is pinned. Before a thread acts on not having found a block, it
 * searches again under the stripe.
 */
import { store } from '#atomics'
import { hashOf } from '../../shared/hash.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Deadline, Slow } from '../../shared/wait.js'
import { assertLatched, type Context } from '../context.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { Frame } from '../../shared/words.js'

/** Longest walk without the stripe, in steps. */
export const WALK_MAX = 64

/** Whether a frame holds this block. Certain only under a pin, the latch or the stripe. */
export function hasKey(context: Context, frameAt: number, keyHigh: number, keyLow: number): boolean {
  const { words } = context
  return words[frameAt + Frame.keyLow] === keyLow && words[frameAt + Frame.keyHigh] === keyHigh
}

/** The frame that appears to hold the block; -1 if the walk did not find one. Takes no lock. */
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

/** The frame that holds the block at some moment during the call; -1 if none does. @takes a stripe */
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
  stripeOf(context, bucket).assertHeld(context.slot.index)
  const { words, arena } = context
  for (let link = words[arena.bucketsAt + bucket]!; link !== 0;) {
    const at = arena.framesAt + (link - 1) * Frame.WORDS
    if (hasKey(context, at, keyHigh, keyLow)) return link - 1
    link = words[at + Frame.next]!
  }
  return -1
}

/**
 * Gives a frame a key and inserts it into the chain.
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
 * Removes a frame from its chain, and clears its key.
 * @requires the stripe of its bucket; the frame's latch
 */
export function unchain(context: Context, frame: FrameIndex): void {
  assertLatched(context, frame)
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

/** The bucket of a frame that has a key. */
export function bucketOf(context: Context, frame: FrameIndex): number {
  const { words, arena } = context
  const at = arena.frameAt(frame)
  return hashOf(arena.geometry.buckets, words[at + Frame.keyHigh]!, words[at + Frame.keyLow]!)
}

export const stripeOf = (context: Context, bucket: number) =>
  context.stripes[bucket & (context.arena.geometry.stripes - 1)]!
