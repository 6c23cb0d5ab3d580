/**
 * What a slow path may have to wait for, beside a frame (frames.ts): a block that somebody is in, a spare for its image,
 * a round when too much is dirty. Each wait reads its word before it looks, so that a change in between wakes it.
 */
import { load } from '#atomics'
import { CacheError } from '../shared/errors.js'
import { PINS, waitOut, WRITER, writerOf } from '../shared/latch.js'
import { Frame, Group, GUARDS_MAX, Slot } from '../shared/layout.js'
import { clockMs, COUNTER, JOURNAL } from '../shared/slot.js'
import { ABSENT, CLASS_MASK } from '../shared/stamp.js'
import type { FrameIndex } from '../shared/struct.js'
import { type Slow, timedOut } from '../shared/wait.js'
import { want } from './bell.js'
import type { Request } from './cache.js'
import { type Core, leave } from './core.js'
import { fencedError } from './failure.js'
import { isFull } from './hit.js'
import { bindUndo, fillUndo } from './images.js'
import { kick, lockRound, unlockRound } from './rounds.js'

/**
 * Binds a spare to a dirty block and copies what is about to change. False when there is no spare: the latch was given
 * back, since the round that will free one may need this block, and some time has passed.
 * @requires the frame's latch
 */
export function* imageTaken(core: Core, request: Request, frame: FrameIndex): Slow<boolean> {
  const { words, arena, slot } = core
  const { group } = request.partition
  const groupAt = arena.groupAt(group)
  const spares = core.spares[group]!
  yield* lockRound(core, group, request.deadline)
  if ((words[arena.frameAt(frame) + Frame.state]! & CLASS_MASK) === 0) {
    unlockRound(core, group) // became durable meanwhile: no image needed
    return true
  }
  const epoch = spares.epoch()
  if (bindUndo(core, group, frame, request.range)) {
    unlockRound(core, group)
    fillUndo(core, frame)
    return true
  }
  const { failures } = core.turns[group]!
  const isComing = () => words[groupAt + Group.spareCount]! > 0 || spares.epoch() !== epoch
  want(core, group, words[groupAt + Group.epoch]!)
  unlockRound(core, group)
  leave(core, frame)
  slot.count(COUNTER.spareStalls)
  slot.waits('spare', group)
  try {
    // The epoch was read under the mutex under which spares come back: a round that ended since has changed it.
    yield* spares.until(
      () => isComing() || undefined,
      () => request.deadline,
      () =>
        timedOut(
          `no spare frame for an image of block ${request.block} of '${request.partition.name}'`,
          request.deadline.timeoutMs,
          'ERR_DCACHE_EXHAUSTED',
        ),
    )
  } finally {
    slot.waitsNoMore()
  }
  if (words[groupAt + Group.spareCount] === 0 && core.turns[group]!.failures !== failures)
    throw fencedError(core, group)
  return false
}

/** Where as many blocks are dirty as may be, changing a clean one waits for a round. True if it did: look again. */
export function* waitedForLimit(core: Core, request: Request): Slow<boolean> {
  const { words, arena, slot } = core
  const { group } = request.partition
  const groupAt = arena.groupAt(group)
  if (!isFull(core, group)) return false
  const turn = core.turns[group]!
  const { failures } = turn
  slot.count(COUNTER.dirtyStalls)
  slot.waits('dirty', group)
  try {
    return yield* turn.until(
      () => !isFull(core, group) || undefined,
      () => {
        if (turn.failures !== failures) throw fencedError(core, group)
        core.assertOpen()
        kick(core, group)
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
    slot.waitsNoMore()
  }
}

/**
 * One slice of a wait for a frame that somebody is in. Whoever leaves it last wakes all who set a bit in its word.
 * @throws ERR_DCACHE_DEADLOCK when it is this sleeping thread's own, ERR_DCACHE_TIMEOUT naming the holder
 */
export function* waitForLatch(core: Core, request: Request, frame: FrameIndex): Slow<void> {
  const { words, arena, slot } = core
  const latchAt = arena.frameAt(frame) + Frame.latch
  const alone = request.mode !== 'read' || (words[arena.frameAt(frame) + Frame.state]! & ABSENT) !== 0
  if (request.isSync && (core.alone.has(frame) || (alone && holdsPin(core, frame)))) {
    throw new CacheError(
      'ERR_DCACHE_DEADLOCK',
      `block ${request.block} of '${request.partition.name}' is held by this thread itself; release that guard first`,
    )
  }
  slot.waits(request.mode === 'read' ? 'read' : 'modify', frame)
  const startMs = performance.now()
  try {
    const waited = yield* waitOut(words, latchAt, alone, request.deadline, () =>
      timedOut(
        `block ${request.block} of '${request.partition.name}' is held ${holderText(core, frame)}`,
        request.deadline.timeoutMs,
      ),
    )
    if (waited) slot.count(COUNTER.latchStalls)
  } finally {
    slot.count(COUNTER.stallTimeMs, performance.now() - startMs)
    slot.waitsNoMore()
  }
}

/** Who is in a frame: for messages. */
function holderText(core: Core, frame: FrameIndex): string {
  const { words, arena } = core
  const word = load(words, arena.frameAt(frame) + Frame.latch)
  const writer = writerOf(word)
  if ((word & WRITER) === 0) return `to read by ${word & PINS} guard(s)`
  const heldMs = (clockMs() - words[arena.frameAt(frame) + Frame.since]!) | 0
  return `alone by thread ${words[arena.slotAt(writer) + Slot.threadId]!} (slot ${writer}) for ${heldMs} ms`
}

/** Whether a guard of this thread has a pin on the frame. Slow paths only. */
export function holdsPin(core: Core, frame: FrameIndex): boolean {
  const held = (frame << 2) | JOURNAL.HELD
  for (let at = core.slot.journalAt; at < core.slot.journalAt + GUARDS_MAX; at++)
    if (core.words[at] === held) return true
  return false
}
