/**
 * Which frame a block gets: one of the free list, else the policy's victim, or the partition's own if it has its share. All under
 * the policy mutex.
 */
import { store } from '#atomics'
import type { FrameIndex } from '../../shared/indices.js'
import { partitionIn } from '../../shared/key.js'
import { type Context, enter, leave } from '../context.js'
import { Counter } from '../../shared/counter-words.js'
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
 * Latches a free frame or, unless it is for SPARE, a victim, and inserts it into the policy; -1 if there is none. A partition that
 * has all the frames that it may have gets one of its own. @requires policy mutex
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
  if (frame < 0 && purpose !== Purpose.SPARE) frame = isFull ? popOwn(context, partition) : popVictim(context)
  if (frame < 0) return -1
  context.policy.insert(frame, keyHigh, keyLow, purpose !== Purpose.USE)
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
  if (frame < 0) frame = popVictim(context)
  if (frame < 0) return -1
  context.policy.insert(frame, keyHigh, keyLow)
  context.shares.takeBack(frame)
  return frame
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
 * Latches the policy's victim, which still has its key; -1 if all frames are held or dirty. A dirty one leaves the policy
 * until write-back readmits it; a held one counts as just used. Each costs the search one step. @requires policy mutex
 */
function popVictim(context: Context): FrameIndex {
  context.policyMutex.assertHeld(context.slot.index)
  const { policy } = context
  // Held victims are renewed after the search; else it would find the same ones again and never the others.
  const held: FrameIndex[] = []
  let frame = policy.victim()
  while (frame >= 0 && !latchVictim(context, frame, held)) frame = policy.victim()
  for (const other of held) policy.renew(other)
  if (frame >= 0) reportEvicted(context, frame)
  return frame
}

/** As `popVictim`, among the frames of one partition; -1 if all of them are held or dirty. @requires policy mutex */
function popOwn(context: Context, partition: number): FrameIndex {
  context.policyMutex.assertHeld(context.slot.index)
  const { policy, shares, words, arena } = context
  const isVictim = (frame: FrameIndex): boolean => {
    const at = arena.frameAt(frame)
    return words[at + Frame.latch] === 0 && isClean(context, at)
  }
  const rankOf = (frame: FrameIndex) => policy.rank(frame)
  for (;;) {
    const frame = shares.victimOf(partition, isVictim, rankOf)
    if (frame < 0) return -1
    // Between the look and here another thread may have pinned or changed it: then it is no victim at the next look.
    if (!enter(context, frame)) continue
    if (isClean(context, arena.frameAt(frame))) {
      if (policy.has(frame)) policy.remove(frame)
      reportEvicted(context, frame)
      return frame
    }
    leave(context, frame)
  }
}

/** Tells the policy that a victim loses its block. @requires policy mutex, the frame's latch */
function reportEvicted(context: Context, frame: FrameIndex): void {
  const hasBlock = context.words[context.arena.frameAt(frame) + Frame.keyHigh] !== 0
  if (hasBlock && context.policy.evicted(frame)) context.slot.count(Counter.prefetchUnused)
}

/** Latches the frame exclusively, if it is clean and not held. Adds a frame that is held to `held`. */
function latchVictim(context: Context, frame: FrameIndex, held: FrameIndex[]): boolean {
  const at = context.arena.frameAt(frame)
  if (!isClean(context, at)) return false
  if (!enter(context, frame)) {
    held.push(frame)
    return false
  }
  if (isClean(context, at)) return true
  leave(context, frame)
  return false
}

/**
 * Readmits clean frames that are not in the policy: a block was forgotten while it was dirty, or a thread died. Returns
 * whether there was one. Scans all frames. @requires policy mutex
 */
export function readmitStray(context: Context): boolean {
  context.policyMutex.assertHeld(context.slot.index)
  const { words, arena, policy } = context
  let found = false
  for (let frame = 0; frame < arena.frames; frame++) {
    const at = arena.frameAt(frame)
    if (words[at + Frame.keyHigh] === 0 || !isClean(context, at) || policy.has(frame)) continue
    policy.readmit(frame)
    found = true
  }
  return found
}
