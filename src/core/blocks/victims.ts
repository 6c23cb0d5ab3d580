/**
 * Which frame a block gets: one of the free list, else the policy's victim, or the partition's own if it has its share. All
 * under the policy mutex.
 */
import { store } from '#atomics'
import type { FrameIndex } from '../../shared/indices.js'
import { partitionIn } from '../../shared/key.js'
import { type Context, enter, leave } from '../context.js'
import { Counter } from '../../shared/counter-words.js'
import { type Candidates, Fit } from '../policy/policy.js'
import { DirtyLink, Frame, Header, State } from '../../shared/words.js'

/** What a frame is for. */
export enum Purpose {
  /** A block that is used now. */
  USE,
  /** A block that will be used soon. */
  AHEAD,
  /** As AHEAD, but nothing is evicted for it: only a free frame will do. */
  SPARE,
}

/** How often to try a free frame on which a thread still has a pin, before a victim is looked for. */
const SPINS = 100

/** Whether a frame has no unwritten changes. Certain only with its latch. */
export function isClean(context: Context, frameAt: number): boolean {
  const { words } = context
  return (
    (words[frameAt + Frame.state]! & State.CLASS_MASK) === 0 &&
    words[frameAt + Frame.dirtyNext] === DirtyLink.NONE
  )
}

/**
 * One search: latches a free frame or, unless it is for SPARE, a victim, and inserts it into the policy; -1 if it found none. A
 * partition that has all the frames that it may have gets one of its own. @requires policy mutex
 */
export function chooseFrame(
  context: Context,
  keyHigh: number,
  keyLow: number,
  purpose = Purpose.USE,
): FrameIndex {
  context.policyMutex.assertHeld(context.slot.index)
  context.policy.drain()
  const partition = partitionIn(keyHigh)
  const isFull = context.shares.isFull(partition)
  let frame = isFull ? -1 : popFree(context)
  const isAhead = purpose !== Purpose.USE
  if (frame < 0 && purpose !== Purpose.SPARE)
    frame = isFull ? popOwn(context, partition) : popVictim(context, keyHigh, keyLow)
  if (frame < 0) return -1
  context.policy.insert(frame, keyHigh, keyLow, isAhead)
  context.shares.give(frame, partition)
  return frame
}

/**
 * As `chooseFrame`, for images: the frame counts for no partition, because the group uses it for any of its blocks.
 * @requires policy mutex
 */
export function chooseForImages(context: Context, keyHigh: number, keyLow: number): FrameIndex {
  context.policyMutex.assertHeld(context.slot.index)
  context.policy.drain()
  let frame = popFree(context)
  if (frame < 0) frame = popVictim(context, keyHigh, keyLow)
  if (frame < 0) return -1
  context.policy.insert(frame, keyHigh, keyLow)
  context.shares.takeBack(frame)
  return frame
}

/**
 * As many searches as look at all frames that a block of the partition may get, or an image. If each of them found none, there is
 * none. @requires policy mutex
 */
export function searchesFor({ policy, shares }: Context, partition: number): number {
  return Math.max(policy.searches(), shares.isFull(partition) ? shares.searches(partition) : 0)
}

/** Puts a frame on the free list. @requires policy mutex; no key; the frame's latch (except in repair) */
export function pushFree(context: Context, frame: FrameIndex): void {
  context.policyMutex.assertHeld(context.slot.index)
  const { words } = context
  words[context.arena.frameAt(frame) + Frame.policySlot] = words[Header.freeHead]!
  words[Header.freeHead] = frame + 1
  words[Header.freeCount]!++
  context.shares.takeBack(frame)
}

/** Takes a frame from the free list and latches it; -1 if there is none. @requires policy mutex */
function popFree(context: Context): FrameIndex {
  context.policyMutex.assertHeld(context.slot.index)
  const { words, arena } = context
  const link = words[Header.freeHead]!
  if (link === 0) return -1
  const at = arena.frameAt(link - 1)
  // A reader whose walk went into another chain may have a pin on it for a moment.
  for (let spin = 0; !enter(context, link - 1); spin++) if (spin === SPINS) return -1
  words[Header.freeHead] = words[at + Frame.policySlot]!
  words[at + Frame.policySlot] = 0
  words[Header.freeCount]!--
  store(words, at + Frame.state, State.ABSENT)
  return link - 1
}

/**
 * Latches the policy's victim for a block, which still has its key; -1 if the search found none. A dirty frame that it meets leaves
 * the policy until write-back readmits it. @requires policy mutex
 */
function popVictim(context: Context, keyHigh: number, keyLow: number): FrameIndex {
  context.policyMutex.assertHeld(context.slot.index)
  const frame = context.policy.victim(new Frames(context), keyHigh, keyLow)
  if (frame >= 0) reportEvicted(context, frame)
  return frame
}

/** As `popVictim`, among the frames of one partition. @requires policy mutex */
function popOwn(context: Context, partition: number): FrameIndex {
  context.policyMutex.assertHeld(context.slot.index)
  const { policy, shares } = context
  const frames = new Frames(context)
  const isVictim = (frame: FrameIndex): boolean => frames.look(frame) === Fit.CLEAN
  const rankOf = (frame: FrameIndex) => policy.rank(frame)
  const frame = shares.victimOf(partition, isVictim, rankOf)
  // Between the look and here another thread may have pinned or changed it: then the next search passes over it.
  if (frame < 0 || frames.take(frame) !== Fit.CLEAN) return -1
  if (policy.has(frame)) policy.remove(frame)
  reportEvicted(context, frame)
  return frame
}

/** Tells the policy that a victim loses its block. @requires policy mutex, the frame's latch */
function reportEvicted(context: Context, frame: FrameIndex): void {
  const hasBlock = context.words[context.arena.frameAt(frame) + Frame.keyHigh] !== 0
  if (hasBlock && context.policy.evicted(frame)) context.slot.count(Counter.prefetchUnused)
}

/** Frames as a search sees them: one may be the victim if it is clean and no thread holds it. */
class Frames implements Candidates {
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  look(frame: FrameIndex): Fit {
    const { words, arena } = this.#context
    const at = arena.frameAt(frame)
    if (!isClean(this.#context, at)) return Fit.DIRTY
    return words[at + Frame.latch] === 0 ? Fit.CLEAN : Fit.HELD
  }

  take(frame: FrameIndex): Fit {
    const at = this.#context.arena.frameAt(frame)
    if (!isClean(this.#context, at)) return Fit.DIRTY
    if (!enter(this.#context, frame)) return Fit.HELD
    if (isClean(this.#context, at)) return Fit.CLEAN
    leave(this.#context, frame)
    return Fit.DIRTY
  }
}

/**
 * Readmits clean frames that are not in the policy: a block was forgotten while it was dirty, or a thread died. Returns
 * whether there was one. Looks at all frames, or at `count` from the first. @requires policy mutex
 */
export function readmitStray(context: Context, first = 0, count = context.arena.frames): boolean {
  context.policyMutex.assertHeld(context.slot.index)
  const { words, arena, policy } = context
  let found = false
  const end = Math.min(arena.frames, first + count)
  for (let frame = first; frame < end; frame++) {
    const at = arena.frameAt(frame)
    if (words[at + Frame.keyHigh] === 0 || !isClean(context, at) || policy.has(frame)) continue
    policy.readmit(frame)
    found = true
  }
  return found
}
