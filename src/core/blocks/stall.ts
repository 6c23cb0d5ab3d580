/**
 * What a slow path may have to wait for, beside a frame (frames.ts): a block that somebody is in, a spare for its image,
 * a round when too much is dirty. Each wait reads its word before it looks, so that a change in between wakes it.
 */
import { performance } from 'node:perf_hooks'
import { load } from '#atomics'
import { CacheError } from '../../shared/errors.js'
import { isLatched, writerOf } from '../../shared/latch.js'
import type { Entered } from '../../shared/latch-queue.js'
import type { Ticket } from '../../shared/round.js'
import { isAfter } from '../../shared/stamp.js'
import { STALL_BUCKETS, stallBucket } from '../../shared/stalls.js'
import type { FrameIndex } from '../../shared/indices.js'
import { type Slow, timedOut } from '../../shared/wait.js'
import { want } from '../wait/bell.js'
import type { Request } from './request.js'
import type { Context } from '../context.js'
import { lendEntry } from './entry.js'
import { fencedError } from '../wait/failure.js'
import { isFull } from './hit.js'
import { awaitsClassChange, bindUndo, fillUndo } from '../changes/images.js'
import { kick, lockRound, tryLockRound, unlockRound } from '../changes/rounds.js'
import { holdsPin, mayPass } from './pass.js'
import { frameExpired } from '../wait/wait-graph.js'
import { Watch } from '../wait/watch.js'
import { Counter, Frame, Group, State } from '../../shared/words.js'

/** What a change without a spare waits for: read under the mutex under which spares come back. */
export interface SpareWait {
  readonly epoch: number
  readonly failures: number
}

/**
 * Binds a spare to a dirty block and copies what is about to change; undefined when that is done. Without a spare, the
 * caller gives the latch back before it waits: the round that will free one may need this very block. The same for the
 * mutex where the thread awaits: its event loop may be busy long after the mutex is free, and a writer would wait for it.
 * @requires the frame's latch
 * @takes round mutex
 */
export function* takeImage(
  context: Context,
  request: Request,
  frame: FrameIndex,
): Slow<ImageWait | undefined> {
  const { words, arena } = context
  const { group } = request.partition
  if (request.isSync) yield* lockRound(context, group, request.deadline)
  else if (!tryLockRound(context, group)) return 'mutex'
  const isDirty = (words[arena.frameAt(frame) + Frame.state]! & State.CLASS_MASK) !== 0
  // A Sync call of a thread that may not block goes on while there are spares.
  const mayWait = !request.isSync || context.mayBlock
  if (isDirty && awaitsClassChange(context, group, frame) && mayWait) {
    const ticket = context.rounds[group]!.ticket(words[arena.groupAt(group) + Group.bound]!)
    unlockRound(context, group)
    return ticket
  }
  const isBound = isDirty && bindUndo(context, group, frame, request.range)
  const spareWait = {
    epoch: load(words, context.spareFreed[group]!.at),
    failures: context.rounds[group]!.failures,
  }
  if (isDirty && !isBound) wantSpares(context, group)
  unlockRound(context, group)
  if (isDirty && !isBound) return spareWait
  if (isBound) fillUndo(context, frame)
  return undefined
}

/**
 * Asks for the round that frees spares. Saved images are stamped up to the bound, so a round of more would only write blocks
 * that are changed again at once. Where there is no such image, guards have all the spares: the round of everything makes
 * this very block clean, and then it needs none.
 * @requires round mutex
 */
function wantSpares(context: Context, group: number): void {
  const { words, arena } = context
  const at = arena.groupAt(group)
  const bound = words[at + Group.bound]!
  want(context, group, isAfter(bound, words[at + Group.done]!) ? bound : words[at + Group.epoch]!)
}

/** What keeps a latched block from being changed; 'limit' is waited for at the next look. */
export type ImageWait = SpareWait | Ticket | 'mutex' | 'limit'

/** Waits for what an image was not to be had for. @throws ERR_DCACHE_FENCED, ERR_DCACHE_EXHAUSTED */
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

/** Waits until the older image of the block is durable, or a round failed: behind a fence a change does not wait for it. */
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
          `no round wrote the older image of block ${request.block} of '${name}', which has another class`,
          request.deadline.timeoutMs,
          'ERR_DCACHE_EXHAUSTED',
        ),
    )
  } finally {
    slot.waitsNoMore(request)
    countStall(context, startMs)
  }
}

/** Until a spare came back or a round ended. */
function* waitForSpare(context: Context, request: Request, { epoch, failures }: SpareWait): Slow<void> {
  const { words, arena, slot } = context
  const { group, name } = request.partition
  const spares = context.spareFreed[group]!
  const hasSpare = () => words[arena.groupAt(group) + Group.spareCount]! > 0
  const watch = new Watch(context)
  slot.count(Counter.spareStalls)
  slot.waits(request, 'spare', group, request.isSync)
  const startMs = performance.now()
  try {
    // A spare that came back before `until` counted us in is seen by its first look.
    yield* spares.until(
      () => hasSpare() || load(words, spares.at) !== epoch || undefined,
      () => {
        watch.look()
        return request.deadline
      },
      () =>
        timedOut(
          `no spare frame for an image of block ${request.block} of '${name}'`,
          request.deadline.timeoutMs,
          'ERR_DCACHE_EXHAUSTED',
        ),
    )
  } finally {
    slot.waitsNoMore(request)
    countStall(context, startMs)
  }
  if (!hasSpare() && context.rounds[group]!.failures !== failures) throw fencedError(context, group)
}

/** Where as many blocks are dirty as may be, changing a clean one waits for a round. True if it did: look again. */
export function* waitedForLimit(context: Context, request: Request): Slow<boolean> {
  const { words, arena, slot } = context
  const { group } = request.partition
  const groupAt = arena.groupAt(group)
  if (!isFull(context, group)) return false
  lendEntry(context, request)
  const turn = context.rounds[group]!
  const { failures } = turn
  const watch = new Watch(context)
  slot.count(Counter.dirtyStalls)
  slot.waits(request, 'dirty', group, request.isSync)
  const startMs = performance.now()
  try {
    return yield* turn.until(
      () => !isFull(context, group) || undefined,
      () => {
        if (turn.failures !== failures) throw fencedError(context, group)
        watch.look()
        kick(context, group)
        return request.deadline
      },
      () =>
        timedOut(
          `${words[groupAt + Group.dirty]!} blocks are dirty, the most that may be`,
          request.deadline.timeoutMs,
          'ERR_DCACHE_EXHAUSTED',
        ),
    )
  } finally {
    slot.waitsNoMore(request)
    countStall(context, startMs)
  }
}

/**
 * Waits for the latch of a frame that other guards hold, in the queue: latch-queue.ts. `pinned` for a read of a block that
 * is there, else `latched`; `again` when the frame has come to hold another block.
 * @throws ERR_DCACHE_DEADLOCK if only this sleeping thread could release it, ERR_DCACHE_TIMEOUT naming the holder
 */
export function* waitForLatch(context: Context, request: Request, frame: FrameIndex): Slow<Entered> {
  const { arena, words, slot, latches } = context
  const { mode, deadline, isSync, keyHigh, keyLow } = request
  const frameAt = arena.frameAt(frame)
  const kind = mode === 'read' ? 'read' : 'modify'
  const what = `block ${request.block} of '${request.partition.name}'`
  const startMs = performance.now()
  slot.count(Counter.latchStalls)
  try {
    const entered = yield* latches.wait({
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
    if (entered === 'latched') words[frameAt + Frame.version]!++
    return entered
  } finally {
    countStall(context, startMs, mode !== 'read')
  }
}

/**
 * A thread that sleeps for what only its own event loop, or its own caller, can release would sleep to its deadline: its own
 * guard, or a block that an asynchronous call of its own is loading. A release that was left to others comes without it.
 */
function assertNotOwn(context: Context, request: Request, frame: FrameIndex): void {
  const { words, arena, slot } = context
  const at = arena.frameAt(frame)
  const word = load(words, at + Frame.latch)
  const isOwn = isLatched(word) && writerOf(word) === slot.index && words[at + Frame.released] === 0
  const isWriter = request.mode !== 'read' || arena.isAbsent(frame)
  if (!isOwn && !(isWriter && holdsPin(context, frame))) return
  throw new CacheError(
    'ERR_DCACHE_DEADLOCK',
    `block ${request.block} of '${request.partition.name}' is held by this thread itself, by a guard or an asynchronous call under way; release the guard, or await that call, first`,
  )
}

/** Somebody waited: for who is in a block, for a spare, or for the dirty limit. Writers' waits make the histogram. */
function countStall(context: Context, startMs: number, isWriter = true): void {
  const { arena, slot } = context
  const ms = performance.now() - startMs
  slot.count(Counter.stallTimeMs, ms)
  if (isWriter) arena.words[arena.stallsAt + slot.index * STALL_BUCKETS + stallBucket(ms)]!++
}
