/**
 * The cache: getting a block and giving it back, with the whole control flow in one place.
 *
 * A hit (`pinHit`) takes no lock and never comes in here further: walk, pin, look again. Everything else is one
 * generator, `acquireSlow`, written once for threads that block and threads that await:
 *
 *   look --not found--> take a frame, name it, latched ----------------------------.
 *    |  --found, to read, has its contents--> pin ---------------------> done      |
 *    |  --found--> latch --somebody is in: wait, look again                        |
 *    |               `--> has no contents: read them (or zeros to overwrite) <-----'
 *    |                     |--to read--> downgrade to a pin -----------> done
 *    `--limit reached------'--to change: an undo image if dirty, CHANGING --> done
 *
 * At every wait nothing is held but latches of this very block; where a wait could need what a round frees, not even
 * that. Names: README of the ancestor's modes is `Mode` in interface.ts.
 */
import { load, store } from '#atomics'
import { CacheError } from '../shared/errors.js'
import type { Mode } from '../shared/interface.js'
import {
  downgrade,
  PINS,
  prepareWait,
  tryLatch,
  tryPin,
  tryPinPastWaiters,
  unpin,
  WRITER,
  writerOf,
} from '../shared/latch.js'
import { Frame, Group, GUARDS_MAX, Header, Slot } from '../shared/layout.js'
import { clockMs, COUNTER, JOURNAL } from '../shared/slot.js'
import { ABSENT, CLASS_MASK } from '../shared/stamp.js'
import type { FrameIndex } from '../shared/struct.js'
import { TRACE } from '../shared/trace.js'
import { type Deadline, sleep, type Slow, timedOut } from '../shared/wait.js'
import { want } from './bell.js'
import { type Core, leave, type PartitionView } from './core.js'
import { find, hashOf, isNamed, WALK_MAX } from './directory.js'
import { fencedError } from './failure.js'
import { insertFrame, makeAbsent, takeFrame } from './frames.js'
import { beginChange, bindUndo, fillUndo, type Range } from './images.js'
import { kick, lockRound, tryLockRound, unlockRound } from './rounds.js'

/** One call of acquire, as the slow path needs it. */
export interface Request {
  readonly partition: PartitionView
  readonly block: number
  readonly low: number
  readonly high: number
  readonly mode: Mode
  /** The bytes that a change may touch. */
  readonly range: Range
  /** The journal entry that the pin will have. */
  readonly entry: number
  readonly deadline: Deadline
  /** Whether the calling thread sleeps meanwhile: then a block that it holds itself can't become free. */
  readonly isSync: boolean
}

export const lowOf = (block: number): number => block | 0
export const highOf = (block: number): number => (block < 4294967296 ? 0 : (block / 4294967296) | 0)

/**
 * A hit to read: the frame that holds the block, pinned and journaled in `entry`; -1 if it is not simply there.
 * Any thread; takes no lock, never waits.
 */
export function pinHit(core: Core, partition: number, low: number, high: number, entry: number): FrameIndex {
  const { words, arena } = core
  let link = words[arena.headsAt + hashOf(arena.geometry.heads, partition, low, high)]!
  for (let steps = WALK_MAX; link !== 0 && steps > 0; steps--) {
    const at = arena.framesAt + (link - 1) * Frame.WORDS
    if (isNamed(core, at, partition, low, high)) {
      return pinNamed(core, link - 1, partition, low, high, entry, false) ? link - 1 : -1
    }
    link = words[at + Frame.next]!
  }
  return -1
}

/** Pins a frame that seemed to hold the block; false if it is not to be had so, or holds something else by now. */
function pinNamed(
  core: Core,
  frame: FrameIndex,
  partition: number,
  low: number,
  high: number,
  entry: number,
  pastWaiters: boolean,
): boolean {
  const { words } = core
  const at = core.arena.framesAt + frame * Frame.WORDS
  words[entry] = (frame << 2) | JOURNAL.TAKING
  if (!(pastWaiters ? tryPinPastWaiters(words, at + Frame.latch) : tryPin(words, at + Frame.latch))) {
    words[entry] = JOURNAL.FREE
    return false
  }
  words[entry] = (frame << 2) | JOURNAL.HELD
  if (isNamed(core, at, partition, low, high) && (words[at + Frame.state]! & ABSENT) === 0) return true
  unpinFrame(core, frame, entry)
  return false
}

/** Gives a pin back; the journal entry stays taken. Any thread; no lock. @requires the pin */
export function unpinFrame(core: Core, frame: FrameIndex, entry: number): void {
  const { words } = core
  words[entry] = (frame << 2) | JOURNAL.GIVING
  unpin(words, core.arena.framesAt + frame * Frame.WORDS + Frame.latch)
  words[entry] = JOURNAL.FREE
  if (words[Header.freedWaiters] !== 0) core.freed.broadcast()
}

/**
 * A hit to change: the frame, latched and CHANGING, if the block is there, nobody is in and nothing has to be waited
 * for; -1 otherwise. Any thread; never waits.
 * @takes round mutex, if the block is dirty
 */
export function latchHit(
  core: Core,
  partition: PartitionView,
  low: number,
  high: number,
  range: Range,
): FrameIndex {
  const { words, arena, slot } = core
  const frame = find(core, partition.index, low, high)
  if (frame < 0) return -1
  const at = arena.frameAt(frame)
  if (!tryLatch(words, at + Frame.latch, slot.index)) return -1
  const state = words[at + Frame.state]!
  const isThere = isNamed(core, at, partition.index, low, high) && (state & ABSENT) === 0
  if (
    !isThere ||
    !((state & CLASS_MASK) === 0
      ? !isFull(core, partition.group)
      : tryImage(core, partition.group, frame, range))
  ) {
    leave(core, frame)
    return -1
  }
  words[at + Frame.since] = clockMs()
  beginChange(core, frame)
  core.alone.add(frame)
  return frame
}

/** An image of a dirty block, if mutex and spare are to be had now. @requires the frame's latch @takes round mutex */
function tryImage(core: Core, group: number, frame: FrameIndex, range: Range): boolean {
  if (!tryLockRound(core, group)) return false
  const isBound = bindUndo(core, group, frame, range)
  unlockRound(core, group)
  if (isBound) fillUndo(core, frame)
  return isBound
}

/** Whether as many blocks of the group are dirty as may be. */
function isFull(core: Core, group: number): boolean {
  const at = core.arena.groupAt(group)
  return load(core.words, at + Group.dirty) >= core.words[at + Group.dirtyMax]!
}

/**
 * The block's frame: pinned for `read`, else latched and CHANGING.
 * @throws ERR_DCACHE_READ_FAILED, _TIMEOUT, _EXHAUSTED, _FENCED, _DEADLOCK, _CLOSED; nothing is held then
 */
export function* acquireSlow(core: Core, request: Request): Slow<FrameIndex> {
  const { words, arena, slot } = core
  const { partition, low, high, mode, entry, deadline } = request
  let missedAtMs = -1
  for (;;) {
    core.assertOpen()
    let frame = find(core, partition.index, low, high)
    const stateAt = frame < 0 ? -1 : arena.frameAt(frame) + Frame.state
    if (mode !== 'read' && (stateAt < 0 || (words[stateAt]! & CLASS_MASK) === 0)) {
      if (yield* waitedForLimit(core, request)) continue
    }
    if (frame < 0 || (words[stateAt]! & ABSENT) !== 0)
      missedAtMs = missedAtMs < 0 ? performance.now() : missedAtMs
    if (frame < 0) {
      frame = yield* takeFrame(core, partition.index, request.block, deadline)
      if (!(yield* insertFrame(core, frame, partition.index, low, high, deadline))) continue
    } else {
      if (mode === 'read' && (words[stateAt]! & ABSENT) === 0) {
        if (pinNamed(core, frame, partition.index, low, high, entry, holdsPin(core, frame))) {
          countLookup(core, frame, missedAtMs)
          return frame
        }
        yield* waitForLatch(core, request, frame)
        continue
      }
      if (!tryLatch(words, arena.frameAt(frame) + Frame.latch, slot.index)) {
        yield* waitForLatch(core, request, frame)
        continue
      }
      if (!isNamed(core, arena.frameAt(frame), partition.index, low, high)) {
        leave(core, frame)
        continue
      }
    }
    words[arena.frameAt(frame) + Frame.since] = clockMs()
    const isReady = yield* prepareLatched(core, request, frame)
    if (!isReady) continue
    countLookup(core, frame, missedAtMs)
    return frame
  }
}

/**
 * From the latch to what was asked for: contents, then a pin, or an image and CHANGING. False if it had to let the
 * frame go, to wait for a spare. Whatever it throws, the frame is let go first.
 * @requires the frame's latch
 */
function* prepareLatched(core: Core, request: Request, frame: FrameIndex): Slow<boolean> {
  const { words, arena } = core
  const at = arena.frameAt(frame)
  try {
    if ((words[at + Frame.state]! & ABSENT) !== 0) {
      if (request.mode === 'overwrite') zero(core, frame, request.partition.blockSize)
      else yield* readBlock(core, request, frame)
    }
    if (request.mode === 'read') {
      words[request.entry] = (frame << 2) | JOURNAL.HELD
      downgrade(words, at + Frame.latch)
      core.freed.signal()
      return true
    }
    if ((words[at + Frame.state]! & CLASS_MASK) !== 0 && !(yield* imageTaken(core, request, frame)))
      return false
    beginChange(core, frame)
    core.alone.add(frame)
    return true
  } catch (error) {
    leave(core, frame)
    throw error
  }
}

/** Reads an absent block. After a failure the frame keeps the name only, and the next who asks tries again. */
function* readBlock(core: Core, request: Request, frame: FrameIndex): Slow<void> {
  const { slot, words, arena } = core
  const { partition, block } = request
  const target = core.view(partition, frame)
  const position = block * partition.blockSize
  slot.enterIo()
  try {
    core.assertOpen()
    yield {
      kind: 'io',
      what: `block ${block} of '${partition.name}' to be read`,
      sync: () => {
        partition.device.readSync(target, position)
      },
      async: () => partition.device.read(target, position),
    }
  } catch (cause) {
    makeAbsent(core, frame)
    if (cause instanceof CacheError) throw cause
    throw new CacheError(
      'ERR_DCACHE_READ_FAILED',
      `block ${block} of '${partition.name}' could not be read: ${(cause as Error).message}`,
      { cause },
    )
  } finally {
    slot.leaveIo()
  }
  slot.count(COUNTER.diskReads)
  slot.count(COUNTER.diskReadBytes, partition.blockSize)
  if (core.tracer.on) core.tracer.record(TRACE['block.load'], partition.index, block, frame)
  store(words, arena.frameAt(frame) + Frame.state, 0)
}

/**
 * Binds a spare to a dirty block and copies what is about to change. False when there is no spare: the latch was given
 * back, since the round that will free one may need this block, and some time has passed.
 * @requires the frame's latch
 */
function* imageTaken(core: Core, request: Request, frame: FrameIndex): Slow<boolean> {
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
  const failures = words[groupAt + Group.failures]!
  want(core, group, words[groupAt + Group.epoch]!)
  spares.enter()
  unlockRound(core, group)
  leave(core, frame)
  slot.count(COUNTER.spareStalls)
  slot.waits('spare', group)
  try {
    // The epoch was read under the mutex under which spares come back: one that came since has changed it.
    if (words[groupAt + Group.spareCount] === 0) {
      yield* sleep(words, spares.at, epoch, request.deadline, () =>
        timedOut(
          `no spare frame for an image of block ${request.block} of '${request.partition.name}'`,
          request.deadline.timeoutMs,
          'ERR_DCACHE_EXHAUSTED',
        ),
      )
    }
  } finally {
    slot.waitsNoMore()
    spares.leave()
  }
  if (words[groupAt + Group.spareCount] === 0 && load(words, groupAt + Group.failures) !== failures)
    throw fencedError(core, group)
  return false
}

/** Where as many blocks are dirty as may be, changing a clean one waits for a round. True if it did: look again. */
function* waitedForLimit(core: Core, request: Request): Slow<boolean> {
  const { words, arena, slot } = core
  const { group } = request.partition
  const groupAt = arena.groupAt(group)
  if (!isFull(core, group)) return false
  const turn = core.turns[group]!
  const failures = load(words, groupAt + Group.failures)
  slot.count(COUNTER.dirtyStalls)
  slot.waits('dirty', group)
  turn.enter()
  try {
    kick(core, group)
    for (;;) {
      const epoch = turn.epoch()
      if (!isFull(core, group)) return true
      if (load(words, groupAt + Group.failures) !== failures) throw fencedError(core, group)
      core.assertOpen()
      yield* sleep(words, turn.at, epoch, request.deadline, () =>
        timedOut(
          `${words[groupAt + Group.dirty]!} blocks are dirty, the most that may be`,
          request.deadline.timeoutMs,
          'ERR_DCACHE_EXHAUSTED',
        ),
      )
      kick(core, group)
    }
  } finally {
    turn.leave()
    slot.waitsNoMore()
  }
}

/**
 * One slice of a wait for a frame that somebody is in. Whoever leaves it last wakes all who set a bit in its word.
 * @throws ERR_DCACHE_DEADLOCK when it is this sleeping thread's own, ERR_DCACHE_TIMEOUT naming the holder
 */
function* waitForLatch(core: Core, request: Request, frame: FrameIndex): Slow<void> {
  const { words, arena, slot } = core
  const latchAt = arena.frameAt(frame) + Frame.latch
  const alone = request.mode !== 'read' || (words[arena.frameAt(frame) + Frame.state]! & ABSENT) !== 0
  if (request.isSync && (core.alone.has(frame) || (alone && holdsPin(core, frame)))) {
    throw new CacheError(
      'ERR_DCACHE_DEADLOCK',
      `block ${request.block} of '${request.partition.name}' is held by this thread itself; release that guard first`,
    )
  }
  const word = prepareWait(words, latchAt, alone)
  if (word === 0) return
  slot.count(COUNTER.latchStalls)
  slot.waits(request.mode === 'read' ? 'read' : 'modify', frame)
  const startMs = performance.now()
  try {
    yield* sleep(words, latchAt, word, request.deadline, () =>
      timedOut(
        `block ${request.block} of '${request.partition.name}' is held ${holderText(core, frame)}`,
        request.deadline.timeoutMs,
      ),
    )
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
function holdsPin(core: Core, frame: FrameIndex): boolean {
  const held = (frame << 2) | JOURNAL.HELD
  for (let at = core.slot.journalAt; at < core.slot.journalAt + GUARDS_MAX; at++)
    if (core.words[at] === held) return true
  return false
}

function countLookup(core: Core, frame: FrameIndex, missedAtMs: number): void {
  if (missedAtMs < 0) {
    core.slot.count(COUNTER.hits)
    core.policy.note(frame)
  } else {
    core.slot.count(COUNTER.misses)
    core.slot.count(COUNTER.lookupTimeMs, performance.now() - missedAtMs)
  }
}

const ZEROS = new Uint8Array(65536)
/** `set` of zeros is several times faster than `fill(0)` on shared memory. */
function zero(core: Core, frame: FrameIndex, length: number): void {
  core.arena.segment(frame).set(ZEROS.subarray(0, length), core.arena.offset(frame))
}
