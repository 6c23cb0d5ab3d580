/**
 * Checks every invariant; `check()` returns those that are violated. It may run concurrently with other threads: what looks
 * wrong without locks is rechecked with them, and a frame that is held is left to the next check.
 *
 *   F1  a frame without a key is free, lent, or in the policy        F2  the free count is the length of the list
 *   D1  a frame with a key is in the chain of that key, once         D2  the frames of a chain hash to it
 *   P1, P2, P4, P5  the policy's own (lru2.ts, twoq.ts); P6 that of the shares; P3  a clean frame with a key is in the policy
 *   W1  a frame is in its dirty list iff it has unwritten images   W2  the dirty count is the length of the list
 *   W3  a spare has one owner: free list, undo image or saved images W4  the images of a frame are ordered by epoch
 *   W6  a loan has a frame that is lent to it, or is listed as empty W7  with a journal: classes, and what a record may have
 *   W5  a stamp is not after the group's epoch                       L1  pins are those in the journals
 *   L2  an exclusive latch is held by a live slot                    L3  a mark or an offer that keeps threads out is backed by
 *       a published wait, unless a slot is serving the frame
 */
import { performance } from 'node:perf_hooks'
import { load } from '#atomics'
import { pinsOf, writerOf } from '../../shared/latch.js'
import type { Mutex } from '../../shared/mutex.js'
import { journaledPins } from '../../shared/slot.js'
import { waitsForFrame } from '../../shared/waits.js'
import { CLASSES_MAX } from '../../shared/layout.js'
import { classOf, epochOf, isAfter } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { type Context, enter, leave, partitionOf, assertLatched } from '../context.js'
import { findUnderStripe, bucketOf, stripeOf } from '../blocks/directory.js'
import { isClean } from '../blocks/victims.js'
import { imageStamps } from '../changes/images.js'
import { loanOf, loansOf } from '../changes/loans.js'
import { hasStage } from '../changes/recorded.js'
import { isOwned, sparesOf } from '../changes/spares.js'
import { undoOf } from '../changes/undo.js'
import { tryLockRound, unlockRound } from '../changes/rounds.js'
import {
  DirtyLink,
  Frame,
  Group,
  Header,
  Latch,
  Partition,
  Slot,
  SlotState,
  Spare,
  State,
} from '../../shared/words.js'

/** How long to try for a mutex. Critical sections take microseconds, but their thread may be descheduled. */
const TRY_MS = 2000

/** How often a mark without a wait is rechecked before it is reported; this takes some tenths of a second. */
const MARK_LOOKS = 200_000

/** Any thread. Takes each lock in turn, never two of a kind, and never sleeps. */
export function check(context: Context): string[] {
  const broken: string[] = []
  const free = checkFreeListAndPolicy(context, broken)
  checkChains(context, broken)
  for (let frame = 0; frame < context.arena.frames; frame++) {
    checkLatch(context, frame, broken)
    checkMarks(context, frame, broken)
    if (looksMisplaced(context, frame, free)) checkPlace(context, frame, broken)
  }
  for (let group = 0; group < context.arena.geometry.groups; group++) checkGroup(context, group, broken)
  return broken
}

function locked(
  what: string,
  tryLock: () => boolean,
  unlock: () => void,
  broken: string[],
  section: () => void,
): void {
  const stuck = `X1 ${what}: held for more than ${TRY_MS} ms`
  // Wait only once: the mutex of a dead thread is not released while this check blocks the owner's event loop.
  const endMs = performance.now() + (broken.includes(stuck) ? 0 : TRY_MS)
  while (!tryLock()) {
    if (performance.now() < endMs) continue
    if (!broken.includes(stuck)) broken.push(stuck)
    return
  }
  try {
    section()
  } finally {
    unlock()
  }
}

function withMutex(context: Context, mutex: Mutex, broken: string[], section: () => void): void {
  locked(mutex.name, () => mutex.tryLock(context.slot.index), () => mutex.unlock(), broken, section) // prettier-ignore
}

/** Returns which frames were on the free list; those that are not by now are rechecked. */
function checkFreeListAndPolicy(context: Context, broken: string[]): Uint8Array {
  const { words, arena } = context
  const free = new Uint8Array(arena.frames)
  withMutex(context, context.policyMutex, broken, () => {
    let length = 0
    for (
      let link = words[Header.freeHead]!;
      link !== 0;
      link = words[arena.frameAt(link - 1) + Frame.policySlot]!
    ) {
      if (words[arena.frameAt(link - 1) + Frame.keyHigh] !== 0)
        broken.push(`F1 frame ${link - 1}: free, but has a key`)
      free[link - 1] = 1
      if (++length > arena.frames) {
        broken.push('F1 the free list is a cycle')
        return
      }
    }
    if (length !== words[Header.freeCount])
      broken.push(`F2 ${length} frames are free, the count says ${words[Header.freeCount]!}`)
    broken.push(...context.policy.check(), ...context.shares.check())
  })
  return free
}

function checkChains(context: Context, broken: string[]): void {
  const { words, arena } = context
  const { buckets, stripes } = arena.geometry
  const blocks = arena.frames
  for (let stripe = 0; stripe < stripes; stripe++) {
    withMutex(context, context.stripes[stripe]!, broken, () => {
      for (let bucket = stripe; bucket < buckets; bucket += stripes) {
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
          if (++steps > blocks) {
            broken.push(`D1 chain ${bucket} is a cycle`)
            return
          }
        }
      }
    })
  }
}

/** A check without locks. What it finds is rechecked with the latch. */
function looksMisplaced(context: Context, frame: FrameIndex, free: Uint8Array): boolean {
  const at = context.arena.frameAt(frame)
  const { words } = context
  if (words[at + Frame.keyHigh] === 0) return free[frame] === 0 && loanOf(context, frame) < 0
  return (
    words[context.arena.bucketsAt + bucketOf(context, frame)] !== frame + 1 ||
    (isClean(context, at) && !context.policy.has(frame))
  )
}

/** Checks that a frame that is not held is where it belongs. */
function checkPlace(context: Context, frame: FrameIndex, broken: string[]): void {
  const { words, arena, policyMutex } = context
  const at = arena.frameAt(frame)
  if (!enter(context, frame)) return
  try {
    if (words[at + Frame.keyHigh] === 0) {
      withMutex(context, policyMutex, broken, () => {
        let link = words[Header.freeHead]!
        for (let left = arena.frames; link !== 0 && link !== frame + 1 && left > 0; left--) {
          link = words[arena.frameAt(link - 1) + Frame.policySlot]!
        }
        if (link !== frame + 1 && !context.policy.has(frame) && loanOf(context, frame) < 0)
          broken.push(`F1 frame ${frame}: has no key, and is neither free nor in the policy`)
      })
      return
    }
    const bucket = bucketOf(context, frame)
    withMutex(context, stripeOf(context, bucket), broken, () => {
      const found = findUnderStripe(context, bucket, words[at + Frame.keyHigh]!, words[at + Frame.keyLow]!)
      if (found !== frame)
        broken.push(
          `D1 ${context.describe(frame)}: its chain has ${found < 0 ? 'no frame' : `frame ${found}`} for it, not frame ${frame}`,
        )
    })
    withMutex(context, policyMutex, broken, () => {
      if (isStray(context, frame)) broken.push(`P3 ${context.describe(frame)}: clean, and not in the policy`)
    })
  } finally {
    leave(context, frame)
  }
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
function checkLatch(context: Context, frame: FrameIndex, broken: string[]): void {
  const { words, arena } = context
  const latchAt = arena.frameAt(frame) + Frame.latch
  let problem = ''
  for (let tries = 0; tries < 100; tries++) {
    const word = load(words, latchAt)
    if (pinsOf(word) === 0 && writerOf(word) < 0) return
    const pins = journaledPins(arena, frame)
    const writer = writerOf(word)
    if (load(words, latchAt) !== word || pins < 0) continue
    if (writer >= 0 && words[arena.slotAt(writer) + Slot.state] !== SlotState.LIVE) {
      problem = `L2 ${context.describe(frame)}: latched by slot ${writer}, which is not live`
    } else if (pins !== pinsOf(word)) {
      problem = `L1 ${context.describe(frame)}: ${pinsOf(word)} pins, ${pins} in the journals`
    } else {
      return
    }
  }
  if (problem !== '') broken.push(problem)
}

/** Checks until the violation has persisted for long: a thread between two steps may be descheduled. */
function checkMarks(context: Context, frame: FrameIndex, broken: string[]): void {
  const { words, arena } = context
  const latchAt = arena.latchAt(frame)
  const first = load(words, latchAt)
  const isHanded = (first & Latch.HANDED) !== 0
  if (!isHanded && ((first & Latch.MARK_WRITER) === 0 || pinsOf(first) === 0)) return
  for (let looks = 0; looks < MARK_LOOKS; looks++) {
    if (isServed(context, frame) || load(words, latchAt) !== first) return
    const waits = waitsForFrame(arena, frame)
    const isBacked = isHanded
      ? waits.some(({ slot, kind }) => (writerOf(first) < 0 ? kind === 'read' : slot === writerOf(first)))
      : waits.some(({ kind }) => kind === 'modify') || (waits.length > 0 && arena.isAbsent(frame))
    if (isBacked) return
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

function checkGroup(context: Context, group: number, broken: string[]): void {
  locked(`round ${group}`, () => tryLockRound(context, group), () => unlockRound(context, group), broken, () => {
    const { words, arena } = context
    const at = arena.groupAt(group)
    const listed = new Set<FrameIndex>()
    for (let place = 0; place < CLASSES_MAX; place++)
      for (let link = words[at + Group.dirtyHeads + place]!; link !== DirtyLink.END && !listed.has(link - 1); ) {
        listed.add(link - 1)
        const [newest] = imageStamps(context, link - 1)
        if (newest !== undefined && classOf(newest) !== place + 1) broken.push(`W1 ${context.describe(link - 1)}: of class ${classOf(newest)}, in the dirty list of class ${place + 1}`)
        link = words[arena.frameAt(link - 1) + Frame.dirtyNext]!
      }
    if (listed.size !== words[at + Group.dirty]) broken.push(`W2 group ${group}: ${listed.size} dirty frames, the count says ${words[at + Group.dirty]!}`)
    for (const { index, name } of context.partitions.ofGroup(group)) {
      const count = [...listed].filter((frame) => partitionOf(words, arena.frameAt(frame)) === index).length - words[arena.partitionAt(index) + Partition.dirty]!
      if (count !== 0) broken.push(`W2 partition '${name}': ${count} dirty frames more than the count says`)
    }
    const owners = new Map<number, string>()
    const own = (link: number, owner: string) => {
      if (owners.has(link - 1)) broken.push(`W3 spare ${link - 1}: in ${owners.get(link - 1)!} and in ${owner}`)
      owners.set(link - 1, owner)
    }
    for (let link = words[at + Group.spareHead]!; link !== 0 && !owners.has(link - 1); link = words[arena.spareAt(link - 1) + Spare.next]!) own(link, 'the free list')
    for (let frame = 0; frame < arena.frames; frame++) {
      const frameAt = arena.frameAt(frame)
      if (words[frameAt + Frame.keyHigh] === 0 || context.partitions.at(partitionOf(words, frameAt)).group !== group) continue
      const stamps = imageStamps(context, frame)
      if (stamps.length > 0 && !listed.has(frame)) broken.push(`W1 ${context.describe(frame)}: has an unwritten image, but is not in the dirty list`)
      if (stamps.length === 0 && words[frameAt + Frame.saved] === 0 && listed.has(frame)) broken.push(`W1 ${context.describe(frame)}: has no unwritten image, but is in the dirty list`)
      stamps.forEach((stamp, i) => {
        if (i > 0 && isAfter(epochOf(stamp), epochOf(stamps[i - 1]!))) broken.push(`W4 ${context.describe(frame)}: an older image has a newer stamp`)
        if (!hasStage(context, group, stamp)) broken.push(`W7 ${context.describe(frame)}: class ${classOf(stamp)}, epoch ${epochOf(stamp)}`)
        if (isAfter(epochOf(stamp), words[at + Group.epoch]!)) broken.push(`W5 ${context.describe(frame)}: stamped after epoch ${words[at + Group.epoch]!}`)
      })
      // A spare that a thread keeps moves from block to block without the mutex.
      const undo = undoOf(context, frame)
      if (undo >= 0 && !isOwned(context, undo)) own(undo + 1, `the undo image of frame ${frame}`)
      for (let link = words[frameAt + Frame.saved]!; link !== 0; link = words[arena.spareAt(link - 1) + Spare.next]!) own(link, `the saved images of frame ${frame}`)
    }
    for (const spare of sparesOf(context, group)) if (isOwned(context, spare)) own(spare + 1, 'the spares that a thread keeps')
    const perGroup = arena.geometry.spares / arena.geometry.groups
    const lent = checkLoans(context, group, broken)
    if (owners.size !== perGroup + lent) broken.push(`W3 group ${group}: ${owners.size} of ${perGroup + lent} spares have an owner`)
  }) // prettier-ignore
}

/** Checks that loans and the frames that are lent to them agree; returns how many have a frame. @requires round mutex */
function checkLoans(context: Context, group: number, broken: string[]): number {
  const { words, arena } = context
  const at = arena.groupAt(group)
  const loans = loansOf(context, group)
  const lent = loans.filter((loan) => words[arena.spareAt(loan) + Spare.frame] !== 0)
  for (const loan of lent) {
    const frame = words[arena.spareAt(loan) + Spare.frame]! - 1
    if (loanOf(context, frame) !== loan) broken.push(`W6 loan ${loan}: its frame ${frame} is not lent to it`)
    if (words[arena.frameAt(frame) + Frame.keyHigh] !== 0)
      broken.push(`W6 ${context.describe(frame)}: lent, but has a key`)
  }
  let frames = 0
  for (let frame = 0; frame < arena.frames; frame++) {
    const place = loanOf(context, frame) - (loans[0] ?? 0)
    if (loanOf(context, frame) >= 0 && place >= 0 && place < loans.length) frames++
  }
  let empty = 0
  for (
    let link = words[at + Group.loanHead]!;
    link !== 0 && empty <= loans.length;
    link = words[arena.spareAt(link - 1) + Spare.next]!
  )
    empty++
  if (
    frames !== lent.length ||
    words[at + Group.lent] !== lent.length ||
    empty + lent.length !== loans.length
  )
    broken.push(
      `W6 group ${group}: ${lent.length} of ${loans.length} loans have a frame, ${empty} are listed without one; ${frames} frames are lent, the count says ${words[at + Group.lent]!}`,
    )
  return lent.length
}

/** For tests: also checks that no frame is held. */
export function checkQuiet(context: Context): string[] {
  const broken = check(context)
  for (let frame = 0; frame < context.arena.frames; frame++) {
    const at = context.arena.frameAt(frame)
    const word = load(context.words, at + Frame.latch)
    if (pinsOf(word) !== 0 || writerOf(word) >= 0 || (word & (Latch.FROZEN | Latch.HANDED)) !== 0)
      broken.push(`Q1 ${context.describe(frame)}: still held, offered or frozen`)
    if ((context.words[at + Frame.state]! & (State.CHANGING | State.TAKEN)) !== 0)
      broken.push(`Q2 ${context.describe(frame)}: still CHANGING, or its undo image is still taken`)
    if (context.words[at + Frame.released] !== 0)
      broken.push(`Q3 ${context.describe(frame)}: still says what its release does`)
  }
  return broken
}
