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
import { blockOf, type Core, enter, leave, partitionOf } from '../context.js'
import { lendEntry, takeEntry } from './entry.js'
import { hashOf } from '../../shared/hash.js'
import { chain, findUnderStripe, headOf, stripeOf, unchain } from './directory.js'
import type { Request } from './request.js'
import { kick } from '../changes/rounds.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { Watch } from '../wait/watch.js'
import { DirtyLink, Counter, Frame, Group, Header, Latch, State } from '../../shared/words.js'

/** How often a free frame that somebody is just leaving is tried, before a victim is looked for. */
const SPINS = 100

/** Whether a frame owes nothing to the disk. Certain only with its latch. */
export function isClean(core: Core, frameAt: number): boolean {
  const { words } = core
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
export function* takeFrame(core: Core, request: Request): Slow<FrameIndex> {
  const { policyMutex, slot, freed } = core
  const { place, low, deadline } = request
  const failures = core.turns.map((turn) => turn.failures)
  const watch = new Watch(core)
  let isWaiting = false
  try {
    for (;;) {
      const epoch = isWaiting ? freed.enter() : 0
      if (!policyMutex.tryLock(slot.index)) yield* waitForMutex(core, policyMutex, deadline)
      let frame = chooseFrame(core, place, low)
      if (frame < 0 && readmitStray(core)) frame = chooseFrame(core, place, low)
      policyMutex.unlock()
      if (frame >= 0) {
        if (core.words[core.arena.frameAt(frame) + Frame.place] !== 0) yield* evict(core, frame, deadline)
        return frame
      }
      kickDirty(core, failures)
      if (!isWaiting) {
        isWaiting = true
        slot.count(Counter.frameStalls)
        slot.waits(watch, 'frame', 0)
        continue // look again, now that signals reach this thread
      }
      lendEntry(core, request)
      yield* sleep(core.words, freed.at, epoch, deadline, () =>
        timedOut(
          `no frame became free: all ${core.arena.geometry.blocks} are held or dirty`,
          deadline.timeoutMs,
          'ERR_DCACHE_EXHAUSTED',
        ),
      )
      core.assertOpen()
      watch.look()
      yield* takeEntry(core, request)
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
export function takeFrameNow(core: Core, place: number, low: number, isAhead: boolean): FrameIndex {
  const { policyMutex, slot } = core
  if (!policyMutex.tryLock(slot.index)) return -1
  const frame = chooseFrame(core, place, low, isAhead)
  policyMutex.unlock()
  if (frame < 0 || core.words[core.arena.frameAt(frame) + Frame.place] === 0) return frame
  const stripe = stripeOf(core, headOf(core, frame))
  if (!stripe.tryLock(slot.index)) {
    leave(core, frame) // as it is, a victim like any other
    return -1
  }
  unname(core, frame, stripe)
  return frame
}

/** A latched frame in the policy under its next name, -1 if there is none now. @requires policy mutex */
function chooseFrame(core: Core, place: number, low: number, isAhead = false): FrameIndex {
  core.policy.drain()
  let frame = popFree(core)
  if (frame < 0) frame = popVictim(core)
  if (frame >= 0) core.policy.insert(frame, place, low, isAhead)
  return frame
}

/**
 * Names a frame from `takeFrame` and hangs it in; false when another thread was first, and the frame is free again.
 * @requires the frame's latch
 * @takes a stripe, policy mutex
 */
export function* insertFrame(
  core: Core,
  frame: FrameIndex,
  place: number,
  low: number,
  deadline: Deadline,
): Slow<boolean> {
  const head = hashOf(core.arena.geometry.heads, place, low)
  const stripe = stripeOf(core, head)
  yield* lockLatched(core, stripe, frame, deadline)
  const isFirst = chainFirst(core, frame, head, place, low)
  stripe.unlock()
  if (!isFirst) yield* giveBack(core, frame, deadline)
  return isFirst
}

/**
 * The same at once. Where it can't be, or another thread was first, the frame is let go: free, or without a name, a victim
 * like any other.
 * @requires the frame's latch
 * @takes a stripe, policy mutex
 */
export function insertFrameNow(core: Core, frame: FrameIndex, place: number, low: number): boolean {
  const { slot, policyMutex } = core
  const head = hashOf(core.arena.geometry.heads, place, low)
  const stripe = stripeOf(core, head)
  const hasStripe = stripe.tryLock(slot.index)
  const isFirst = hasStripe && chainFirst(core, frame, head, place, low)
  if (hasStripe) stripe.unlock()
  if (isFirst) return true
  const isFreed = policyMutex.tryLock(slot.index)
  if (isFreed) {
    core.policy.remove(frame)
    pushFree(core, frame)
  }
  // Before the mutex is given up: who looks for a free frame then must not meet it latched, and evict another.
  leave(core, frame)
  if (isFreed) policyMutex.unlock()
  return false
}

/** Hangs the frame in, unless another has the name. @requires the stripe of `head`; the frame's latch */
function chainFirst(core: Core, frame: FrameIndex, head: number, place: number, low: number): boolean {
  const isFirst = findUnderStripe(core, head, place, low) < 0
  if (isFirst) chain(core, frame, head, place, low)
  return isFirst
}

/**
 * A latched, unnamed frame goes back to the free list.
 * @requires the frame's latch, which is given up
 * @takes policy mutex
 */
export function* giveBack(core: Core, frame: FrameIndex, deadline: Deadline): Slow<void> {
  yield* lockLatched(core, core.policyMutex, frame, deadline)
  core.policy.remove(frame)
  pushFree(core, frame)
  leave(core, frame) // in this order: see insertFrameNow
  core.policyMutex.unlock()
}

/**
 * Frees one frame if it is clean and nobody is in; true if it held a block. Never waits: what is busy stays.
 * @takes a stripe, policy mutex
 */
export function freeFrame(core: Core, frame: FrameIndex): boolean {
  const { words, slot, arena } = core
  const at = arena.frameAt(frame)
  if (words[at + Frame.place] === 0 || !isClean(core, at) || !enter(core, frame)) return false
  let counted = false
  const named = words[at + Frame.place] !== 0 && isClean(core, at)
  const stripe = named ? stripeOf(core, headOf(core, frame)) : undefined
  if (stripe?.tryLock(slot.index)) {
    if (core.policyMutex.tryLock(slot.index)) {
      counted = (words[at + Frame.state]! & State.ABSENT) === 0
      if (core.policy.has(frame)) core.policy.remove(frame)
      or(words, at + Frame.state, State.ABSENT)
      unchain(core, frame)
      pushFree(core, frame)
      core.policyMutex.unlock()
    }
    stripe.unlock()
  }
  leave(core, frame)
  return counted
}

/** @requires policy mutex; the frame's latch; no name */
export function pushFree(core: Core, frame: FrameIndex): void {
  core.policyMutex.assertHeld(core.slot.index)
  const { words } = core
  words[core.arena.frameAt(frame) + Frame.policySlot] = words[Header.freeHead]!
  words[Header.freeHead] = frame + 1
  words[Header.freeCount]!++
}

/** A free frame, latched; -1 if there is none. @requires policy mutex */
function popFree(core: Core): FrameIndex {
  core.policyMutex.assertHeld(core.slot.index)
  const { words, arena } = core
  const link = words[Header.freeHead]!
  if (link === 0) return -1
  const at = arena.frameAt(link - 1)
  // A reader whose walk was led astray may have its pin here for a moment.
  for (let spin = 0; !enter(core, link - 1); spin++) if (spin === SPINS) return -1
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
function popVictim(core: Core): FrameIndex {
  core.policyMutex.assertHeld(core.slot.index)
  const { policy } = core
  // They come back when the search is over, or it would meet the same ones again and never the others.
  const held: FrameIndex[] = []
  let frame = policy.victim()
  while (frame >= 0 && !latchVictim(core, frame, held)) frame = policy.victim()
  for (const other of held) policy.renew(other)
  if (frame >= 0 && core.words[core.arena.frameAt(frame) + Frame.place] !== 0 && policy.evicted(frame))
    core.slot.count(Counter.prefetchUnused)
  return frame
}

/** Gets in alone, if the frame is clean and nobody is in; held ones are noted. */
function latchVictim(core: Core, frame: FrameIndex, held: FrameIndex[]): boolean {
  const at = core.arena.frameAt(frame)
  if (!isClean(core, at)) return false
  if (!enter(core, frame)) {
    held.push(frame)
    return false
  }
  if (isClean(core, at)) return true
  leave(core, frame)
  return false
}

/**
 * Looks for clean frames that are out of the policy: a block forgotten while it was dirty, or what a death left.
 * @requires policy mutex
 */
export function readmitStray(core: Core): boolean {
  const { words, arena, policy } = core
  let found = false
  for (let frame = 0; frame < arena.geometry.blocks; frame++) {
    const at = arena.frameAt(frame)
    if (words[at + Frame.place] === 0 || !isClean(core, at) || policy.has(frame)) continue
    policy.readmit(frame)
    found = true
  }
  return found
}

/** Takes the victim's old block out of the directory. @requires the frame's latch @takes a stripe */
function* evict(core: Core, frame: FrameIndex, deadline: Deadline): Slow<void> {
  const stripe = stripeOf(core, headOf(core, frame))
  yield* lockLatched(core, stripe, frame, deadline)
  unname(core, frame, stripe)
}

/** @requires the frame's latch; its stripe, which is given up */
function unname(core: Core, frame: FrameIndex, stripe: Mutex): void {
  const { words, slot } = core
  const at = core.arena.frameAt(frame)
  if (core.tracer.on)
    core.tracer.record(TRACE['block.evict'], partitionOf(words, at), blockOf(words, at), frame)
  // First: a frame without a name must never seem to have its next block's contents.
  or(words, at + Frame.state, State.ABSENT)
  unchain(core, frame)
  stripe.unlock()
  slot.count(Counter.evictions)
  // Calls that wait for the old block have nothing to wait for here.
  if ((load(words, at + Frame.latch) & Latch.MARKS) !== 0) core.latches.wakeAll(frame)
}

/**
 * Takes a mutex with a frame in hand. When the wait is given up the frame is let go as it is: with its old name, or
 * without one but in the policy, it is a victim like any other.
 */
function* lockLatched(core: Core, mutex: Mutex, frame: FrameIndex, deadline: Deadline): Slow<void> {
  if (mutex.tryLock(core.slot.index)) return
  try {
    yield* waitForMutex(core, mutex, deadline)
  } catch (error) {
    leave(core, frame)
    throw error
  }
}

/** Starts a round wherever dirty blocks take up frames, but not again where one failed since `failures`. */
function kickDirty(core: Core, failures: readonly number[]): void {
  core.turns.forEach((turn, group) => {
    const isDirty = load(core.words, core.arena.groupAt(group) + Group.dirty) > 0
    if (isDirty && turn.failures === failures[group]) kick(core, group)
  })
}

/** Drops a block's contents: its frame keeps the name only. @requires the frame's latch, clean */
export function makeAbsent(core: Core, frame: FrameIndex): void {
  store(core.words, core.arena.frameAt(frame) + Frame.state, State.ABSENT)
}
