/**
 * The directory, and each frame: where it is, and its latch. Frames are looked at without locks. What looks wrong is rechecked with
 * the locks of that frame, and a frame that is held is left to the next check.
 */
import { load } from '#atomics'
import { pinsOf, writerOf } from '../../shared/latch.js'
import { journaledPins } from '../../shared/slot.js'
import { waitsForFrame } from '../../shared/waits.js'
import type { FrameIndex } from '../../shared/indices.js'
import { PIECE, type Steps } from '../../shared/steps.js'
import { type Context, enter, leave, partitionOf, assertLatched } from '../context.js'
import { bucketOf, find, findUnderStripe, hasKey, stripeOf } from '../blocks/directory.js'
import { isClean } from '../blocks/victims.js'
import { type Check, inOneHold, mutexOf } from './check-locks.js'
import { checkStrays, isNowhere, type Stray } from './check-lists.js'
import { Frame, Group, Latch, Slot, SlotState, State } from '../../shared/words.js'

/** How often a latch word and the journals are compared before a difference is reported. Each costs a look at all journals. */
const LATCH_LOOKS = 100

/** How often a mark without a wait is rechecked before it is reported; this takes some tenths of a second. */
const MARK_LOOKS = 200_000
/** How many of these are one piece. */
const MARK_PIECE = 50

/** The longest chain that is walked without its stripe. */
const CHAIN_MAX = 64

/**
 * The chains: each is walked without its stripe, and again with it if it looks wrong. Returns which frames were met in the chain of
 * their key, as the first one with that key.
 */
export function* checkChains(check: Check): Steps<Uint8Array> {
  const { context } = check
  const { geometry } = context.arena
  const chained = new Uint8Array(geometry.blocks)
  for (let bucket = 0; bucket < geometry.buckets; bucket++) {
    if (bucket % PIECE === PIECE - 1) yield
    if (looksChained(context, bucket, chained)) continue
    yield* inOneHold(check, mutexOf(context, stripeOf(context, bucket)), () => {
      checkChain(check, bucket)
    })
    yield
  }
  return chained
}

function looksChained(context: Context, bucket: number, chained: Uint8Array): boolean {
  const { words, arena } = context
  const frames: FrameIndex[] = []
  for (
    let link = words[arena.bucketsAt + bucket]!;
    link !== 0;
    link = words[arena.frameAt(link - 1) + Frame.next]!
  ) {
    const frame = link - 1
    const at = arena.frameAt(frame)
    if (frames.length === CHAIN_MAX || words[at + Frame.keyHigh] === 0) return false
    if (bucketOf(context, frame) !== bucket) return false
    const isSecond = frames.some((other) => {
      const otherAt = arena.frameAt(other)
      return hasKey(context, otherAt, words[at + Frame.keyHigh]!, words[at + Frame.keyLow]!)
    })
    if (!isSecond) chained[frame] = 1
    frames.push(frame)
  }
  return true
}

/** @requires the stripe of `bucket` */
function checkChain({ context, broken }: Check, bucket: number): void {
  const { words, arena } = context
  let steps = 0
  for (
    let link = words[arena.bucketsAt + bucket]!;
    link !== 0;
    link = words[arena.frameAt(link - 1) + Frame.next]!
  ) {
    if (words[arena.frameAt(link - 1) + Frame.keyHigh] === 0)
      broken.push(`D2 frame ${link - 1}: in chain ${bucket} without a key`)
    else if (bucketOf(context, link - 1) !== bucket)
      broken.push(`D2 frame ${link - 1}: in chain ${bucket}, hashes to ${bucketOf(context, link - 1)}`)
    if (++steps > arena.frames) {
      broken.push(`D1 chain ${bucket} is a cycle`)
      return
    }
  }
}

/** `free`, `chained`: the frames that were on the free list, and in the chain of their key. */
export function* checkFrames(check: Check, free: Uint8Array, chained: Uint8Array): Steps<void> {
  const { context } = check
  const strays: Stray[] = []
  for (let frame = 0; frame < context.arena.frames; frame++) {
    if (load(context.words, context.arena.latchAt(frame)) !== 0) {
      yield* checkLatch(check, frame)
      yield* checkMarks(check, frame)
    }
    if (looksMisplaced(context, frame, free, chained)) yield* checkPlace(check, frame, strays)
    if (frame % PIECE === PIECE - 1) yield
  }
  yield* checkStrays(check, strays)
}

/** A look without locks: whether a walk finds the block in this frame, and some list has the frame. */
function looksMisplaced(context: Context, frame: FrameIndex, free: Uint8Array, chained: Uint8Array): boolean {
  const at = context.arena.frameAt(frame)
  const { words } = context
  const keyHigh = words[at + Frame.keyHigh]!
  if (keyHigh === 0) return free[frame] === 0 && isNowhere(context, frame)
  return (
    (chained[frame] === 0 && find(context, keyHigh, words[at + Frame.keyLow]!) !== frame) ||
    (isClean(context, at) && !context.policy.has(frame))
  )
}

/** Checks that a frame that is not held is where it belongs. The latch is tried with the mutex, so nothing is held while it waits. */
function* checkPlace(check: Check, frame: FrameIndex, strays: Stray[]): Steps<void> {
  const { context, broken } = check
  const { words, arena, policyMutex } = context
  const at = arena.frameAt(frame)
  const withLatch = (section: () => void) => (): void => {
    if (!enter(context, frame)) return
    try {
      section()
    } finally {
      leave(context, frame)
    }
  }
  if (words[at + Frame.keyHigh] !== 0) {
    const bucket = bucketOf(context, frame)
    const checkChain = withLatch(() => {
      if (words[at + Frame.keyHigh] === 0 || bucketOf(context, frame) !== bucket) return
      const found = findUnderStripe(context, bucket, words[at + Frame.keyHigh]!, words[at + Frame.keyLow]!)
      if (found === frame) return
      const other = found < 0 ? 'no frame' : `frame ${found}`
      broken.push(`D1 ${context.describe(frame)}: its chain has ${other} for it, not frame ${frame}`)
    })
    yield* inOneHold(check, mutexOf(context, stripeOf(context, bucket)), checkChain)
  }
  const checkLists = withLatch(() => {
    if (words[at + Frame.keyHigh] !== 0) {
      if (isStray(context, frame)) broken.push(`P3 ${context.describe(frame)}: clean, and not in the policy`)
    } else if (isNowhere(context, frame) && !context.policy.has(frame))
      strays.push({ frame, version: words[at + Frame.version]! })
  })
  yield* inOneHold(check, mutexOf(context, policyMutex), checkLists)
  yield
}

/**
 * Whether a clean block is missing from the policy. The order of the tests matters: a block that a round made clean is
 * readmitted before that round clears its cut. @requires policy mutex, the frame's latch
 */
function isStray(context: Context, frame: FrameIndex): boolean {
  context.policyMutex.assertHeld(context.slot.index)
  assertLatched(context, frame)
  const { words, arena, partitions } = context
  const at = arena.frameAt(frame)
  if (!isClean(context, at) || (load(words, at + Frame.state) & State.ABSENT) !== 0) return false
  const { group } = partitions.at(partitionOf(words, at))
  const groupAt = arena.groupAt(group)
  const isInRound = load(words, groupAt + Group.cut) !== 0 || load(words, groupAt + Group.partialCut) !== 0
  return !isInRound && !context.policy.has(frame)
}

/** Checks repeatedly, because other threads take and release pins. */
function* checkLatch({ context, broken }: Check, frame: FrameIndex): Steps<void> {
  const { words, arena } = context
  const latchAt = arena.frameAt(frame) + Frame.latch
  let problem = ''
  for (let looks = 0; looks < LATCH_LOOKS; looks++) {
    const word = load(words, latchAt)
    if (pinsOf(word) === 0 && writerOf(word) < 0) return
    const pins = journaledPins(arena, frame)
    const writer = writerOf(word)
    if (load(words, latchAt) === word && pins >= 0) {
      if (writer >= 0 && words[arena.slotAt(writer) + Slot.state] !== SlotState.LIVE)
        problem = `L2 ${context.describe(frame)}: latched by slot ${writer}, which is not live`
      else if (pins !== pinsOf(word))
        problem = `L1 ${context.describe(frame)}: ${pinsOf(word)} pins, ${pins} in the journals`
      else problem = 'none'
    }
    yield
    if (problem === 'none') return
  }
  if (problem !== '') broken.push(problem)
}

/** Checks until the violation has persisted for long: a thread between two steps may be descheduled. */
function* checkMarks({ context, broken }: Check, frame: FrameIndex): Steps<void> {
  const { words, arena } = context
  const latchAt = arena.latchAt(frame)
  const first = load(words, latchAt)
  const isHanded = (first & Latch.HANDED) !== 0
  if (!isHanded && ((first & Latch.MARK_WRITER) === 0 || pinsOf(first) === 0)) return
  for (let looks = 1; looks <= MARK_LOOKS; looks++) {
    if (isServed(context, frame) || load(words, latchAt) !== first) return
    const waits = waitsForFrame(arena, frame)
    const isBacked = isHanded
      ? waits.some(({ slot, kind }) => (writerOf(first) < 0 ? kind === 'read' : slot === writerOf(first)))
      : waits.some(({ kind }) => kind === 'modify') || (waits.length > 0 && arena.isAbsent(frame))
    if (isBacked) return
    if (looks % MARK_PIECE === 0) yield
  }
  const what = isHanded ? 'offered to a thread' : 'marked for a writer'
  broken.push(
    `L3 ${context.describe(frame)}: ${what} that does not wait (latch word 0x${first.toString(16)})`,
  )
}

/** Whether a slot is serving the waiters of a frame at this moment. */
function isServed({ words, arena }: Context, frame: FrameIndex): boolean {
  for (let slot = 0; slot < arena.geometry.slots; slot++)
    if (load(words, arena.slotAt(slot) + Slot.serves) === frame + 1) return true
  return false
}
