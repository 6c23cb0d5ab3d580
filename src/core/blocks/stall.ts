/**
 * What a slow path may have to wait for, besides a frame (frames.ts): the latch of a held block, a spare for its undo image,
 * and a round at the dirty limit. Each wait reads its epoch before it checks, so that a change in between wakes it.
 */
import { performance } from 'node:perf_hooks'
import { load } from '#atomics'
import { CacheError } from '../../shared/errors.js'
import { isLatched, writerOf } from '../../shared/latch.js'
import type { Entered } from '../../shared/latch-queue.js'
import type { Ticket } from '../../shared/round.js'
import { isAfter } from '../../shared/stamp.js'
import { BUCKETS, bucketOf } from '../../shared/histogram.js'
import type { FrameIndex } from '../../shared/indices.js'
import { type Slow, timedOut } from '../../shared/wait.js'
import { wantClean } from '../wait/bell.js'
import type { Request } from './request.js'
import { assertLatched, type Context, entered } from '../context.js'
import { borrow } from './borrow.js'
import { lendEntry } from './entry.js'
import { fencedError } from '../wait/failure.js'
import { isFull } from '../limits.js'
import { spanEnd } from '../spans.js'
import { isAlone, takeOwnUndo } from '../changes/alone.js'
import { awaitsClassChange } from '../changes/images.js'
import { mayBorrow } from '../changes/loans.js'
import { bindUndo, fillUndo } from '../changes/undo.js'
import { kick, lockRound, tryLockRound, unlockRound } from '../changes/rounds.js'
import { holdsPin, mayPass } from './pass.js'
import { frameExpired } from '../wait/wait-graph.js'
import { Watch } from '../wait/watch.js'
import { Counter } from '../../shared/counter-words.js'
import { Frame, Group, State } from '../../shared/words.js'

/** A wait for a spare: the words as read under the mutex under which spares are released. */
export interface SpareWait {
  readonly epoch: number
  readonly failures: number
  /** Whether the round that frees spares was requested. If not, the thread borrows a frame first. */
  readonly isAsked: boolean
}

/**
 * Binds a spare to a dirty block and copies the bytes that are about to change; then returns undefined. If no spare is free,
 * returns what to wait for, and the caller releases the latch before it waits: the round that will free a spare may need this
 * very block. An asynchronous caller also releases the latch before it waits for the round mutex, because its event loop may
 * be busy long after the mutex becomes free, and a writer would wait for the latch.
 * @requires the frame's latch
 * @takes round mutex
 */
export function* takeImage(
  context: Context,
  request: Request,
  frame: FrameIndex,
): Slow<ImageWait | undefined> {
  assertLatched(context, frame)
  const { words, arena } = context
  const { group } = request.partition
  const alone = isAlone(context, frame)
  if (alone && takeOwnUndo(context, group, frame, request.range)) return undefined
  if (request.isSync) yield* lockRound(context, group, request.deadline)
  else if (!tryLockRound(context, group)) return 'mutex'
  const isDirty = (words[arena.frameAt(frame) + Frame.state]! & State.CLASS_MASK) !== 0
  // A Sync call of a thread that may not block continues as long as there are spares.
  const mayWait = !request.isSync || context.mayBlock
  if (isDirty && awaitsClassChange(context, group, frame) && mayWait) {
    const ticket = context.rounds[group]!.ticket(words[arena.groupAt(group) + Group.bound]!)
    unlockRound(context, group)
    return ticket
  }
  const isBound = isDirty && bindUndo(context, group, frame, request.range, alone)
  const isAsked = !mayBorrow(context, group)
  const spareWait = spareWaitOf(context, group, isAsked)
  if (isDirty && !isBound && isAsked) wantSpares(context, group)
  unlockRound(context, group)
  if (isDirty && !isBound) return spareWait
  if (isBound) fillUndo(context, frame)
  return undefined
}

/** @requires round mutex */
function spareWaitOf(context: Context, group: number, isAsked: boolean): SpareWait {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const epoch = load(context.words, context.spareFreed[group]!.at)
  return { epoch, failures: context.rounds[group]!.failures, isAsked }
}

/**
 * Requests the round that frees spares. Saved images are stamped up to the bound, so a larger round would only write blocks
 * that are then changed again. If there is no such image, guards hold all the spares; then a round of everything makes this
 * very block clean, and it needs no spare.
 * @requires round mutex
 */
function wantSpares(context: Context, group: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  const bound = words[at + Group.bound]!
  wantClean(context, group, isAfter(bound, words[at + Group.done]!) ? bound : words[at + Group.epoch]!)
}

/** Why a latched block cannot be changed yet. 'limit' is waited for at the next attempt. */
export type ImageWait = SpareWait | Ticket | 'mutex' | 'limit'

/** Waits until an undo image may be available. @throws ERR_DCACHE_FENCED, ERR_DCACHE_EXHAUSTED, ERR_DCACHE_TIMEOUT */
export function* waitForImage(context: Context, request: Request, wait: ImageWait): Slow<void> {
  if (wait === 'limit') return
  if (wait !== 'mutex') {
    if ('number' in wait) yield* waitForClassChange(context, request, wait)
    else yield* waitForSpare(context, request, wait)
    return
  }
  yield* lockRound(context, request.partition.group, request.deadline)
  unlockRound(context, request.partition.group)
}

/** Waits until the older image of the block is durable or a round has failed: with a fence, changes do not wait for it. */
function* waitForClassChange(context: Context, request: Request, ticket: Ticket): Slow<void> {
  const { slot } = context
  const { group, name } = request.partition
  const watch = new Watch(context)
  slot.count(Counter.spareStalls)
  slot.waits(request, 'spare', group, request.isSync)
  const startMs = performance.now()
  try {
    yield* context.rounds[group]!.settled(
      ticket,
      () => {
        watch.look()
        return request.deadline
      },
      () =>
        timedOut(
          `no round has written the older image of block ${request.block} of '${name}', which has another class`,
          request.deadline.timeoutMs,
          'ERR_DCACHE_EXHAUSTED',
        ),
    )
  } finally {
    slot.waitsNoMore(request)
    countStall(context, startMs)
    spanEnd(context, 'wait.spare', startMs, request.partition.index, request.block)
  }
}

/** Borrows a frame, or waits until a spare was released or a round ended. */
function* waitForSpare(context: Context, request: Request, wait: SpareWait): Slow<void> {
  const asked = wait.isAsked ? wait : yield* borrowOrAsk(context, request)
  if (asked !== undefined) yield* awaitSpare(context, request, asked)
}

/**
 * Borrows a frame. If that fails, requests the round, unless there is a spare by now or nothing is dirty, and returns what to
 * wait for. @takes policy mutex, a stripe, round mutex, one after the other
 */
function* borrowOrAsk(context: Context, request: Request): Slow<SpareWait | undefined> {
  const { words, arena } = context
  const { group } = request.partition
  if (yield* borrow(context, request)) return undefined
  yield* lockRound(context, group, request.deadline)
  const at = arena.groupAt(group)
  const mayTryAgain = words[at + Group.spareCount]! > 0 || words[at + Group.dirty] === 0
  const wait = mayTryAgain ? undefined : spareWaitOf(context, group, true)
  if (!mayTryAgain) wantSpares(context, group)
  unlockRound(context, group)
  return wait
}

/** Waits until a spare was released or a round ended. */
function* awaitSpare(context: Context, request: Request, { epoch, failures }: SpareWait): Slow<void> {
  const { words, arena, slot } = context
  const { group, name } = request.partition
  const spares = context.spareFreed[group]!
  const hasSpare = () => words[arena.groupAt(group) + Group.spareCount]! > 0
  const watch = new Watch(context)
  slot.count(Counter.spareStalls)
  slot.waits(request, 'spare', group, request.isSync)
  const startMs = performance.now()
  try {
    // If a spare is released before `until` registers this wait, its first check sees it.
    yield* spares.until(
      () => hasSpare() || load(words, spares.at) !== epoch || undefined,
      () => {
        watch.look()
        return request.deadline
      },
      () =>
        timedOut(
          `no spare frame is free for an undo image of block ${request.block} of '${name}'`,
          request.deadline.timeoutMs,
          'ERR_DCACHE_EXHAUSTED',
        ),
    )
  } finally {
    slot.waitsNoMore(request)
    countStall(context, startMs)
    spanEnd(context, 'wait.spare', startMs, request.partition.index, request.block)
  }
  if (!hasSpare() && context.rounds[group]!.failures !== failures) throw fencedError(context, group)
}

/** At the dirty limit, waits for a round. Returns whether it did: then the caller must start again. */
export function* waitedForLimit(context: Context, request: Request): Slow<boolean> {
  const { words, arena, slot } = context
  const { group } = request.partition
  const groupAt = arena.groupAt(group)
  if (!isFull(context, request.partition)) return false
  lendEntry(context, request)
  const turn = context.rounds[group]!
  const { failures } = turn
  const watch = new Watch(context)
  slot.count(Counter.dirtyStalls)
  slot.waits(request, 'dirty', group, request.isSync)
  const startMs = performance.now()
  try {
    return yield* turn.until(
      () => !isFull(context, request.partition) || undefined,
      () => {
        if (turn.failures !== failures) throw fencedError(context, group)
        watch.look()
        kick(context, group)
        return request.deadline
      },
      () =>
        timedOut(
          `${words[groupAt + Group.dirty]!} blocks are dirty, which is the limit, and no round has written any`,
          request.deadline.timeoutMs,
          'ERR_DCACHE_EXHAUSTED',
        ),
    )
  } finally {
    slot.waitsNoMore(request)
    countStall(context, startMs)
    spanEnd(context, 'wait.dirty', startMs, request.partition.index, request.block)
  }
}

/**
 * Waits for the latch of a held frame, in its queue (latch-queue.ts). Returns `pinned` for a read of a block that has
 * contents, else `latched`; or `again` if the frame holds another block by now.
 * @throws ERR_DCACHE_DEADLOCK if only this thread, which would sleep, could release it; ERR_DCACHE_TIMEOUT, naming the holder
 */
export function* waitForLatch(context: Context, request: Request, frame: FrameIndex): Slow<Entered> {
  const { arena, words, slot, latches } = context
  const { mode, deadline, isSync, keyHigh, keyLow } = request
  const frameAt = arena.frameAt(frame)
  const kind = mode === 'read' ? 'read' : 'modify'
  const what = `block ${request.block} of '${request.partition.name}'`
  const startMs = performance.now()
  const heldBy = context.isTraced ? writerOf(load(words, frameAt + Frame.latch)) : -1
  slot.count(Counter.latchStalls)
  try {
    const outcome = yield* latches.wait({
      call: request,
      kind,
      frame,
      takeEntry: () => {
        if (request.entry < 0) request.entry = slot.takeCallEntry()
        return request.entry
      },
      lendEntry: () => {
        lendEntry(context, request)
      },
      deadline,
      sleeps: isSync,
      publish: () => {
        slot.waits(request, kind, frame, isSync)
      },
      mayPass: (writers, waitedMs) => mayPass(context, request, frame, writers, waitedMs),
      still: () => {
        context.assertOpen()
        if (isSync) assertNotOwn(context, request, frame)
        return (
          load(words, frameAt + Frame.keyHigh) === keyHigh && load(words, frameAt + Frame.keyLow) === keyLow
        )
      },
      expired: () =>
        frameExpired(context, frame, what, { kind, at: frame, sleeps: isSync }, deadline.timeoutMs),
    })
    if (outcome === 'latched') entered(words, frameAt)
    return outcome
  } finally {
    countStall(context, startMs, mode !== 'read')
    spanEnd(context, 'wait.latch', startMs, request.partition.index, request.block, heldBy)
  }
}

/**
 * Throws if the thread would sleep until its deadline for something that only its own event loop or caller can release: its
 * own guard, or a block that an asynchronous call of its own is filling. A pending release is no such case; another thread
 * finishes it.
 * @throws ERR_DCACHE_DEADLOCK
 */
function assertNotOwn(context: Context, request: Request, frame: FrameIndex): void {
  const { words, arena, slot } = context
  const at = arena.frameAt(frame)
  // First: who finishes a pending release takes the latch over before it clears `released`.
  const isPending = load(words, at + Frame.released) !== 0
  const word = load(words, at + Frame.latch)
  const isOwn = isLatched(word) && writerOf(word) === slot.index && !isPending
  const isWriter = request.mode !== 'read' || arena.isAbsent(frame)
  if (!isOwn && !(isWriter && holdsPin(context, frame))) return
  throw new CacheError(
    'ERR_DCACHE_DEADLOCK',
    `block ${request.block} of '${request.partition.name}' is held by this thread itself, by a guard or an asynchronous call under way; release the guard, or await that call, first`,
  )
}

/** Counts a wait for a held block, a spare or the dirty limit. Waits of writers enter the histogram. */
function countStall(context: Context, startMs: number, isWriter = true): void {
  const { arena, slot } = context
  const ms = performance.now() - startMs
  slot.count(Counter.stallTimeMs, ms)
  if (isWriter) arena.words[arena.stallsAt + slot.index * BUCKETS + bucketOf(ms)]!++
}
