/**
 * The directory: from a block's name to the frame that holds it. Chains hang on hash heads, of which there are at
 * least as many as blocks; they change under the stripe mutex of their head, and are read without it.
 *
 * A walk with plain loads may see a chain that is being changed, and may be led into another chain by a frame that
 * moved: it is bounded, and what it finds is looked at again once it is pinned. What it does not find is looked for
 * again under the stripe before anything follows from that.
 */
import { store } from '#atomics'
import { hashOf } from '../../shared/hash.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Deadline, Slow } from '../../shared/wait.js'
import type { Core } from '../context.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { Frame } from '../../shared/words.js'

/** Steps of a walk without the stripe. */
export const WALK_MAX = 64

/** Whether a frame holds this block. Certain only with a pin, the latch or the stripe. */
export function isNamed(core: Core, frameAt: number, place: number, low: number): boolean {
  const { words } = core
  return words[frameAt + Frame.blockLow] === low && words[frameAt + Frame.place] === place
}

/** The frame that seems to hold the block, -1 if none was met. */
export function find(core: Core, place: number, low: number): FrameIndex {
  const { words, framesAt } = core
  let link = words[core.headsAt + hashOf(core.heads, place, low)]!
  for (let steps = WALK_MAX; link !== 0 && steps > 0; steps--) {
    const at = framesAt + (link - 1) * Frame.WORDS
    if (words[at + Frame.blockLow] === low && words[at + Frame.place] === place) return link - 1
    link = words[at + Frame.next]!
  }
  return -1
}

/** The frame that holds the block, -1 if none does, at a moment of the call. @takes a stripe */
export function* findSurely(core: Core, place: number, low: number, deadline: Deadline): Slow<FrameIndex> {
  const head = hashOf(core.arena.geometry.heads, place, low)
  const stripe = stripeOf(core, head)
  if (!stripe.tryLock(core.slot.index)) yield* waitForMutex(core, stripe, deadline)
  const frame = findUnderStripe(core, head, place, low)
  stripe.unlock()
  return frame
}

/** The frame that holds the block, -1 if none does. @requires the stripe of `head` */
export function findUnderStripe(core: Core, head: number, place: number, low: number): FrameIndex {
  const { words, arena } = core
  for (let link = words[arena.headsAt + head]!; link !== 0;) {
    const at = arena.framesAt + (link - 1) * Frame.WORDS
    if (isNamed(core, at, place, low)) return link - 1
    link = words[at + Frame.next]!
  }
  return -1
}

/**
 * Names a frame and hangs it in.
 * @requires the stripe of `head`; the frame's latch; that it is in no chain
 */
export function chain(core: Core, frame: FrameIndex, head: number, place: number, low: number): void {
  stripeOf(core, head).assertHeld(core.slot.index)
  const { words, arena } = core
  const at = arena.frameAt(frame)
  words[at + Frame.blockLow] = low
  words[at + Frame.place] = place
  words[at + Frame.next] = words[arena.headsAt + head]!
  store(words, arena.headsAt + head, frame + 1)
}

/**
 * Takes a frame out of its chain, and its name away.
 * @requires the stripe of its head; the frame's latch
 */
export function unchain(core: Core, frame: FrameIndex): void {
  const head = headOf(core, frame)
  stripeOf(core, head).assertHeld(core.slot.index)
  const { words, arena } = core
  const at = arena.frameAt(frame)
  let linkAt = arena.headsAt + head
  while (words[linkAt] !== frame + 1)
    linkAt = arena.framesAt + (words[linkAt]! - 1) * Frame.WORDS + Frame.next
  store(words, linkAt, words[at + Frame.next]!)
  words[at + Frame.place] = 0
}

/** The head of the chain in which a named frame hangs. */
export function headOf(core: Core, frame: FrameIndex): number {
  const { words, arena } = core
  const at = arena.frameAt(frame)
  return hashOf(arena.geometry.heads, words[at + Frame.place]!, words[at + Frame.blockLow]!)
}

export const stripeOf = (core: Core, head: number) => core.stripes[head & (core.arena.geometry.stripes - 1)]!
