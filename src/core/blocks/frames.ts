/**
 * Frames: finds a frame for an absent block. The free list comes first, then the policy's victim. While a frame moves from
 * one block to the next, the moving thread holds its latch: no other thread can enter it, and a death shows which thread had
 * it.
 *
 *   FREE   on the free list, no key       --takeFrame--> MOVING --insertFrame--> NAMED (in a chain, in the policy)
 *   NAMED  clean, not held                --takeFrame--> MOVING
 *   NAMED  clean, not held                --freeFrame (evictClean)--> FREE
 *   MOVING latched, no key, in the policy --giveBack--> FREE
 *   MOVING                                --borrow (borrow.ts)--> LENT, and FREE again when the flush worker returns it
 *
 * No thread holds two stripes at once: the victim is latched under the policy mutex, removed from its chain under its old
 * stripe, and inserted under the new one after another search.
 */
import { load, or, store } from '#atomics'
import { CacheError } from '../../shared/errors.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Mutex } from '../../shared/mutex.js'
import { TRACE } from '../../shared/trace.js'
import { type Deadline, sleep, type Slow, timedOut } from '../../shared/wait.js'
import {
  blockOf,
  type Context,
  enter,
  leave,
  partitionOf,
  assertLatched,
  type PartitionView,
} from '../context.js'
import { spanEnd, spanStart } from '../spans.js'
import { isStanding } from '../standing.js'
import { lendEntry, takeEntry } from './entry.js'
import { hashOf } from '../../shared/hash.js'
import { chain, findUnderStripe, bucketOf, stripeOf, unchain } from './directory.js'
import type { Request } from './request.js'
import { findFrame } from './find-frame.js'
import { isClean, pushFree } from './victims.js'
import { askBack } from '../changes/loans.js'
import { kick } from '../changes/rounds.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { Watch } from '../wait/watch.js'
import { Counter } from '../../shared/counter-words.js'
import { Frame, Group, Latch, Partition, State } from '../../shared/words.js'

/**
 * Takes a frame for a block: latched by this thread, without key and contents, and in the policy under the block's key. When
 * it returns, the request has an entry.
 * @takes policy mutex, a stripe
 * @throws ERR_DCACHE_EXHAUSTED if every frame is held or dirty until the deadline
 */
export function* takeFrame(context: Context, request: Request): Slow<FrameIndex> {
  const { slot, freed } = context
  const { partition, deadline } = request
  const failures = context.rounds.map((round) => round.failures)
  const watch = new Watch(context)
  let isWaiting = false
  let startMs = 0
  try {
    for (;;) {
      const epoch = isWaiting ? freed.enter() : 0
      const frame = yield* findFrame(context, request)
      if (frame >= 0) {
        if (context.words[context.arena.frameAt(frame) + Frame.keyHigh] !== 0)
          yield* evict(context, frame, deadline)
        return frame
      }
      // Without the mutex: it only chooses what to ask for.
      if (context.shares.isFull(partition.index)) {
        if (hasDirty(context, partition)) kickDirty(context, failures, partition.group)
      } else {
        kickDirty(context, failures)
        askBack(context)
      }
      if (!isWaiting) {
        isWaiting = true
        startMs = spanStart(context)
        slot.count(Counter.frameStalls)
        slot.waits(watch, 'frame', 0)
        continue // search again, now that signals reach this thread
      }
      lendEntry(context, request)
      yield* sleep(context.words, freed.at, epoch, deadline, () =>
        timedOut(noFrame(context, partition), deadline.timeoutMs, 'ERR_DCACHE_EXHAUSTED'),
      )
      context.assertOpen()
      watch.look()
      yield* takeEntry(context, request)
    }
  } finally {
    slot.waitsNoMore(watch)
    if (isWaiting) spanEnd(context, 'wait.frame', startMs, partition.index, request.block)
  }
}

function noFrame({ arena }: Context, { name, framesMax }: PartitionView): string {
  const blocks = arena.frames
  return framesMax < blocks
    ? `no frame became free: all ${framesMax} that '${name}' may have are held or dirty; release guards, or give it a larger share`
    : `no frame became free: all ${blocks} are held or dirty; release guards`
}

/**
 * Gives a frame from `takeFrame` its key and inserts it into the chain. If another thread has inserted the block first, or the
 * partition may not stand any more, frees the frame and returns false.
 * @requires the frame's latch @takes a stripe, policy mutex
 */
export function* insertFrame(
  context: Context,
  frame: FrameIndex,
  { partition, keyHigh, keyLow, deadline }: Request,
): Slow<boolean> {
  assertLatched(context, frame)
  const bucket = hashOf(context.arena.geometry.buckets, keyHigh, keyLow)
  const stripe = stripeOf(context, bucket)
  yield* lockLatched(context, stripe, frame, deadline)
  const isFirst = isStanding(context, partition) && chainFirst(context, frame, bucket, keyHigh, keyLow)
  stripe.unlock()
  if (!isFirst) yield* giveBack(context, frame, deadline)
  return isFirst
}

/** Inserts the frame into the chain, unless another frame has the key. @requires the stripe of `bucket`; the frame's latch */
function chainFirst(
  context: Context,
  frame: FrameIndex,
  bucket: number,
  keyHigh: number,
  keyLow: number,
): boolean {
  assertLatched(context, frame)
  const isFirst = findUnderStripe(context, bucket, keyHigh, keyLow) < 0
  if (isFirst) chain(context, frame, bucket, keyHigh, keyLow)
  return isFirst
}

/** Returns a frame without a key to the free list. @requires the frame's latch, which is released @takes policy mutex */
export function* giveBack(context: Context, frame: FrameIndex, deadline: Deadline): Slow<void> {
  assertLatched(context, frame)
  yield* lockLatched(context, context.policyMutex, frame, deadline)
  context.policy.remove(frame)
  pushFree(context, frame)
  leave(context, frame) // in this order: see giveBackNow
  context.policyMutex.unlock()
}

/**
 * As `giveBack`, without waiting: if the policy mutex is not available, the frame stays in the policy without a key, as a
 * victim.
 * @requires the frame's latch, which is released @takes policy mutex
 */
export function giveBackNow(context: Context, frame: FrameIndex): void {
  assertLatched(context, frame)
  const { slot, policyMutex } = context
  const isFreed = policyMutex.tryLock(slot.index)
  if (isFreed) {
    context.policy.remove(frame)
    pushFree(context, frame)
  }
  // Before the mutex is released: a thread that looks for a free frame must not find it latched, and evict another.
  leave(context, frame)
  if (isFreed) policyMutex.unlock()
}

/**
 * Frees a frame if it is clean and not held, and if `lock` gets the mutexes; returns whether it held a block.
 * @takes a stripe, policy mutex
 */
export function freeFrame(context: Context, frame: FrameIndex, lock: (mutex: Mutex) => boolean): boolean {
  const { words, arena } = context
  const at = arena.frameAt(frame)
  if (words[at + Frame.keyHigh] === 0 || !isClean(context, at) || !enter(context, frame)) return false
  let counted = false
  const named = words[at + Frame.keyHigh] !== 0 && isClean(context, at)
  const stripe = named ? stripeOf(context, bucketOf(context, frame)) : undefined
  if (stripe !== undefined && lock(stripe)) {
    if (lock(context.policyMutex)) {
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

/** Removes the victim's old block from the directory. @requires the frame's latch @takes a stripe */
export function* evict(context: Context, frame: FrameIndex, deadline: Deadline): Slow<void> {
  assertLatched(context, frame)
  const stripe = stripeOf(context, bucketOf(context, frame))
  yield* lockLatched(context, stripe, frame, deadline)
  unname(context, frame, stripe)
}

/** Removes a frame's key. @requires the frame's latch; its stripe, which is released */
function unname(context: Context, frame: FrameIndex, stripe: Mutex): void {
  assertLatched(context, frame)
  const { words, slot } = context
  const at = context.arena.frameAt(frame)
  if (context.tracesBlocks)
    context.tracer.record(TRACE['block.evict'], partitionOf(words, at), blockOf(words, at), frame)
  // First, so that a frame without a key never appears to have the contents of its next block.
  or(words, at + Frame.state, State.ABSENT)
  unchain(context, frame)
  stripe.unlock()
  slot.count(Counter.evictions)
  // Calls that wait for the old block must look elsewhere.
  if ((load(words, at + Frame.latch) & Latch.MARKS) !== 0) context.latches.wakeAll(frame)
}

/**
 * Takes a mutex while holding a frame's latch. If the wait fails, releases the frame as it is: with its old key, or without a
 * key but in the policy, it can be a victim again. @requires the frame's latch
 */
function* lockLatched(context: Context, mutex: Mutex, frame: FrameIndex, deadline: Deadline): Slow<void> {
  assertLatched(context, frame)
  if (mutex.tryLock(context.slot.index)) return
  try {
    yield* waitForMutex(context, mutex, deadline)
  } catch (error) {
    leave(context, frame)
    throw error
  }
}

const hasDirty = ({ words, arena }: Context, { index }: PartitionView): boolean =>
  load(words, arena.partitionAt(index) + Partition.dirty) > 0

/** Starts a round in each group that has dirty blocks, or in `only` that, except where a round has failed since `failures`. */
function kickDirty(context: Context, failures: readonly number[], only = -1): void {
  context.rounds.forEach((turn, group) => {
    if (only >= 0 && group !== only) return
    const isDirty = load(context.words, context.arena.groupAt(group) + Group.dirty) > 0
    if (isDirty && turn.failures === failures[group]) kick(context, group)
  })
}

/** Drops a block's contents; the frame keeps only its key. @requires the frame's latch, clean */
export function makeAbsent(context: Context, frame: FrameIndex): void {
  assertLatched(context, frame)
  store(context.words, context.arena.frameAt(frame) + Frame.state, State.ABSENT)
}

/** Leaves the frames with their keys only, so that the next access tries again. Returns the error. */
export function readFailed(
  context: Context,
  partition: PartitionView,
  first: number,
  frames: readonly FrameIndex[],
  cause: unknown,
): CacheError {
  for (const frame of frames) makeAbsent(context, frame)
  if (cause instanceof CacheError) return cause
  return new CacheError(
    'ERR_DCACHE_READ_FAILED',
    `block ${first} of '${partition.name}' could not be read: ${(cause as Error).message}`,
    { cause },
  )
}
