/**
 * Frames: where a missing block gets its memory from. First the free list, then the policy's victim. A frame on its
 * way from one block to the next is latched by the thread that moves it, so that nobody else gets in and a death shows
 * whose it was.
 *
 *   FREE   on the free list, no name       --takeFrame--> MOVING --insertFrame--> NAMED (chained, in the policy)
 *   NAMED  clean, nobody in                --takeFrame--> MOVING
 *   NAMED  clean, nobody in                --freeFrame (evictClean)--> FREE
 *   MOVING latched, no name, in the policy --giveBack--> FREE
 *
 * Never two stripes at once: the victim is latched under the policy mutex, unchained under its old stripe, and chained
 * under the new one after another look.
 */
import { load, or, store } from '#atomics'
import type { FrameIndex } from '../../shared/indices.js'
import type { Mutex } from '../../shared/mutex.js'
import { TRACE } from '../../shared/trace.js'
import { type Deadline, sleep, type Slow, timedOut } from '../../shared/wait.js'
import { blockOf, type Context, enter, leave, partitionOf } from '../context.js'
import { lendEntry, takeEntry } from './entry.js'
import { hashOf } from '../../shared/hash.js'
import { chain, findUnderStripe, bucketOf, stripeOf, unchain } from './directory.js'
import type { Request } from './request.js'
import { kick } from '../changes/rounds.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { Watch } from '../wait/watch.js'
import { DirtyLink, Counter, Frame, Group, Header, Latch, State } from '../../shared/words.js'

/** How often a free frame that somebody is just leaving is tried, before a victim is looked for. */
const SPINS = 100

/** Whether a frame owes nothing to the disk. Certain only with its latch. */
export function isClean(context: Context, frameAt: number): boolean {
  const { words } = context
  return (
    (words[frameAt + Frame.state]! & State.CLASS_MASK) === 0 &&
    words[frameAt + Frame.dirtyNext] === DirtyLink.NONE
  )
}

/**
 * A frame latched by this thread that holds nothing and is in the policy under the new block's name. The request has an
 * entry again when it returns.
 * @takes policy mutex, a stripe
 * @throws ERR_DCACHE_EXHAUSTED when every frame is held or dirty until the deadline
 */
export function* takeFrame(context: Context, request: Request): Slow<FrameIndex> {
  const { policyMutex, slot, freed } = context
  const { keyHigh, keyLow, deadline } = request
  const failures = context.rounds.map((round) => round.failures)
  const watch = new Watch(context)
  let isWaiting = false
  try {
    for (;;) {
      const epoch = isWaiting ? freed.enter() : 0
      if (!policyMutex.tryLock(slot.index)) yield* waitForMutex(context, policyMutex, deadline)
      let frame = chooseFrame(context, keyHigh, keyLow)
      if (frame < 0 && readmitStray(context)) frame = chooseFrame(context, keyHigh, keyLow)
      policyMutex.unlock()
      if (frame >= 0) {
        if (context.words[context.arena.frameAt(frame) + Frame.keyHigh] !== 0)
          yield* evict(context, frame, deadline)
        return frame
      }
      kickDirty(context, failures)
      if (!isWaiting) {
        isWaiting = true
        slot.count(Counter.frameStalls)
        slot.waits(watch, 'frame', 0)
        continue // look again, now that signals reach this thread
      }
      lendEntry(context, request)
      yield* sleep(context.words, freed.at, epoch, deadline, () =>
        timedOut(
          `no frame became free: all ${context.arena.geometry.blocks} are held or dirty`,
          deadline.timeoutMs,
          'ERR_DCACHE_EXHAUSTED',
        ),
      )
      context.assertOpen()
      watch.look()
      yield* takeEntry(context, request)
    }
  } finally {
    slot.waitsNoMore(watch)
  }
}

/**
 * A frame as from `takeFrame`, or -1 where anything would have to be waited or searched for. `isAhead`: nobody has asked for
 * the block yet.
 * @takes policy mutex, a stripe
 */
export function takeFrameNow(
  context: Context,
  keyHigh: number,
  keyLow: number,
  isAhead: boolean,
): FrameIndex {
  const { policyMutex, slot } = context
  if (!policyMutex.tryLock(slot.index)) return -1
  const frame = chooseFrame(context, keyHigh, keyLow, isAhead)
  policyMutex.unlock()
  if (frame < 0 || context.words[context.arena.frameAt(frame) + Frame.keyHigh] === 0) return frame
  const stripe = stripeOf(context, bucketOf(context, frame))
  if (!stripe.tryLock(slot.index)) {
    leave(context, frame) // as it is, a victim like any other
    return -1
  }
  unname(context, frame, stripe)
  return frame
}

/** A latched frame in the policy under its next name, -1 if there is none now. @requires policy mutex */
function chooseFrame(context: Context, keyHigh: number, keyLow: number, isAhead = false): FrameIndex {
  context.policy.drain()
  let frame = popFree(context)
  if (frame < 0) frame = popVictim(context)
  if (frame >= 0) context.policy.insert(frame, keyHigh, keyLow, isAhead)
  return frame
}

/**
 * Names a frame from `takeFrame` and hangs it in; false when another thread was first, and the frame is free again.
 * @requires the frame's latch
 * @takes a stripe, policy mutex
 */
export function* insertFrame(
  context: Context,
  frame: FrameIndex,
  keyHigh: number,
  keyLow: number,
  deadline: Deadline,
): Slow<boolean> {
  const bucket = hashOf(context.arena.geometry.buckets, keyHigh, keyLow)
  const stripe = stripeOf(context, bucket)
  yield* lockLatched(context, stripe, frame, deadline)
  const isFirst = chainFirst(context, frame, bucket, keyHigh, keyLow)
  stripe.unlock()
  if (!isFirst) yield* giveBack(context, frame, deadline)
  return isFirst
}

/**
 * The same at once. Where it can't be, or another thread was first, the frame is let go: free, or without a name, a victim
 * like any other.
 * @requires the frame's latch
 * @takes a stripe, policy mutex
 */
export function insertFrameNow(
  context: Context,
  frame: FrameIndex,
  keyHigh: number,
  keyLow: number,
): boolean {
  const { slot, policyMutex } = context
  const bucket = hashOf(context.arena.geometry.buckets, keyHigh, keyLow)
  const stripe = stripeOf(context, bucket)
  const hasStripe = stripe.tryLock(slot.index)
  const isFirst = hasStripe && chainFirst(context, frame, bucket, keyHigh, keyLow)
  if (hasStripe) stripe.unlock()
  if (isFirst) return true
  const isFreed = policyMutex.tryLock(slot.index)
  if (isFreed) {
    context.policy.remove(frame)
    pushFree(context, frame)
  }
  // Before the mutex is given up: who looks for a free frame then must not meet it latched, and evict another.
  leave(context, frame)
  if (isFreed) policyMutex.unlock()
  return false
}

/** Hangs the frame in, unless another has the name. @requires the stripe of `bucket`; the frame's latch */
function chainFirst(
  context: Context,
  frame: FrameIndex,
  bucket: number,
  keyHigh: number,
  keyLow: number,
): boolean {
  const isFirst = findUnderStripe(context, bucket, keyHigh, keyLow) < 0
  if (isFirst) chain(context, frame, bucket, keyHigh, keyLow)
  return isFirst
}

/**
 * A latched, unnamed frame goes back to the free list.
 * @requires the frame's latch, which is given up
 * @takes policy mutex
 */
export function* giveBack(context: Context, frame: FrameIndex, deadline: Deadline): Slow<void> {
  yield* lockLatched(context, context.policyMutex, frame, deadline)
  context.policy.remove(frame)
  pushFree(context, frame)
  leave(context, frame) // in this order: see insertFrameNow
  context.policyMutex.unlock()
}

/**
 * Frees one frame if it is clean and nobody is in; true if it held a block. Never waits: what is busy stays.
 * @takes a stripe, policy mutex
 */
export function freeFrame(context: Context, frame: FrameIndex): boolean {
  const { words, slot, arena } = context
  const at = arena.frameAt(frame)
  if (words[at + Frame.keyHigh] === 0 || !isClean(context, at) || !enter(context, frame)) return false
  let counted = false
  const named = words[at + Frame.keyHigh] !== 0 && isClean(context, at)
  const stripe = named ? stripeOf(context, bucketOf(context, frame)) : undefined
  if (stripe?.tryLock(slot.index)) {
    if (context.policyMutex.tryLock(slot.index)) {
      counted = (words[at + Frame.state]! & State.ABSENT) === 0
      if (context.policy.has(frame)) context.policy.remove(frame)
      or(words, at + Frame.state, State.ABSENT)
      unchain(context, frame)
      pushFree(context, frame)
      context.policyMutex.unlock()
    }
    stripe.unlock()
  }
  leave(context, frame)
  return counted
}

/** @requires policy mutex; the frame's latch; no name */
export function pushFree(context: Context, frame: FrameIndex): void {
  context.policyMutex.assertHeld(context.slot.index)
  const { words } = context
  words[context.arena.frameAt(frame) + Frame.policySlot] = words[Header.freeHead]!
  words[Header.freeHead] = frame + 1
  words[Header.freeCount]!++
}

/** A free frame, latched; -1 if there is none. @requires policy mutex */
function popFree(context: Context): FrameIndex {
  context.policyMutex.assertHeld(context.slot.index)
  const { words, arena } = context
  const link = words[Header.freeHead]!
  if (link === 0) return -1
  const at = arena.frameAt(link - 1)
  // A reader whose walk was led astray may have its pin here for a moment.
  for (let spin = 0; !enter(context, link - 1); spin++) if (spin === SPINS) return -1
  words[Header.freeHead] = words[at + Frame.policySlot]!
  words[at + Frame.policySlot] = 0
  words[Header.freeCount]!--
  store(words, at + Frame.state, State.ABSENT)
  return link - 1
}

/**
 * The policy's victim, latched, still with its name; -1 if all are held or dirty. A dirty one leaves the policy until
 * write-back readmits it, a held one counts as just used: each costs a search one step.
 * @requires policy mutex
 */
function popVictim(context: Context): FrameIndex {
  context.policyMutex.assertHeld(context.slot.index)
  const { policy } = context
  // They come back when the search is over, or it would meet the same ones again and never the others.
  const held: FrameIndex[] = []
  let frame = policy.victim()
  while (frame >= 0 && !latchVictim(context, frame, held)) frame = policy.victim()
  for (const other of held) policy.renew(other)
  if (
    frame >= 0 &&
    context.words[context.arena.frameAt(frame) + Frame.keyHigh] !== 0 &&
    policy.evicted(frame)
  )
    context.slot.count(Counter.prefetchUnused)
  return frame
}

/** Gets in alone, if the frame is clean and nobody is in; held ones are noted. */
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
 * Looks for clean frames that are out of the policy: a block forgotten while it was dirty, or what a death left.
 * @requires policy mutex
 */
export function readmitStray(context: Context): boolean {
  const { words, arena, policy } = context
  let found = false
  for (let frame = 0; frame < arena.geometry.blocks; frame++) {
    const at = arena.frameAt(frame)
    if (words[at + Frame.keyHigh] === 0 || !isClean(context, at) || policy.has(frame)) continue
    policy.readmit(frame)
    found = true
  }
  return found
}

/** Takes the victim's old block out of the directory. @requires the frame's latch @takes a stripe */
function* evict(context: Context, frame: FrameIndex, deadline: Deadline): Slow<void> {
  const stripe = stripeOf(context, bucketOf(context, frame))
  yield* lockLatched(context, stripe, frame, deadline)
  unname(context, frame, stripe)
}

/** @requires the frame's latch; its stripe, which is given up */
function unname(context: Context, frame: FrameIndex, stripe: Mutex): void {
  const { words, slot } = context
  const at = context.arena.frameAt(frame)
  if (context.isTraced)
    context.tracer.record(TRACE['block.evict'], partitionOf(words, at), blockOf(words, at), frame)
  // First: a frame without a name must never seem to have its next block's contents.
  or(words, at + Frame.state, State.ABSENT)
  unchain(context, frame)
  stripe.unlock()
  slot.count(Counter.evictions)
  // Calls that wait for the old block have nothing to wait for here.
  if ((load(words, at + Frame.latch) & Latch.MARKS) !== 0) context.latches.wakeAll(frame)
}

/**
 * Takes a mutex with a frame in hand. When the wait is given up the frame is let go as it is: with its old name, or
 * without one but in the policy, it is a victim like any other.
 */
function* lockLatched(context: Context, mutex: Mutex, frame: FrameIndex, deadline: Deadline): Slow<void> {
  if (mutex.tryLock(context.slot.index)) return
  try {
    yield* waitForMutex(context, mutex, deadline)
  } catch (error) {
    leave(context, frame)
    throw error
  }
}

/** Starts a round wherever dirty blocks take up frames, but not again where one failed since `failures`. */
function kickDirty(context: Context, failures: readonly number[]): void {
  context.rounds.forEach((turn, group) => {
    const isDirty = load(context.words, context.arena.groupAt(group) + Group.dirty) > 0
    if (isDirty && turn.failures === failures[group]) kick(context, group)
  })
}

/** Drops a block's contents: its frame keeps the name only. @requires the frame's latch, clean */
export function makeAbsent(context: Context, frame: FrameIndex): void {
  store(context.words, context.arena.frameAt(frame) + Frame.state, State.ABSENT)
}
