/**
 * Repair: rebuilds what a mutex guards after its holder died in the middle of a change. The free list, the policy, the
 * chains, the spares and the dirty list are all derived from the frames, which contain the truth.
 */
import { load, store } from '#atomics'
import { writerOf } from '../../shared/latch.js'
import { isAfter, previousEpoch } from '../../shared/stamp.js'
import type { FrameIndex, SlotIndex } from '../../shared/indices.js'
import { type Context, partitionOf } from '../context.js'
import { hashOf } from '../../shared/hash.js'
import { chain, hasKey } from '../blocks/directory.js'
import { pushFree } from '../blocks/victims.js'
import { clearDirty, linkDirty } from '../changes/dirty-lists.js'
import { disposeUndo } from '../changes/images.js'
import { loanOf, loansOf, putLoan } from '../changes/loans.js'
import { freeSpare, isOwned, sparesOf } from '../changes/spares.js'
import { settleChain } from '../changes/pending.js'
import {
  DirtyLink,
  Fence,
  Frame,
  Group,
  Header,
  Partition,
  Slot,
  SlotState,
  Spare,
  State,
} from '../../shared/words.js'

export const isDead = (context: Context, slot: SlotIndex): boolean =>
  load(context.words, context.arena.slotAt(slot) + Slot.state) === SlotState.DEAD

/**
 * Rebuilds the free list and the policy. A frame without a key is free, unless a live thread is moving it or it is lent; every other
 * frame is in the policy, dirty ones until the search for a victim finds them.
 * @requires policy mutex
 */
export function repairPolicy(context: Context): void {
  context.policyMutex.assertHeld(context.slot.index)
  const { words, arena, policy } = context
  policy.reset()
  context.shares.repair() // first: a frame that becomes free leaves a loop that may be half-linked
  words[Header.freeHead] = 0
  words[Header.freeCount] = 0
  for (let frame = arena.frames - 1; frame >= 0; frame--) {
    const at = arena.frameAt(frame)
    const writer = writerOf(load(words, at + Frame.latch))
    const isMoving = writer >= 0 && !isDead(context, writer)
    if (loanOf(context, frame) >= 0) continue
    if (words[at + Frame.keyHigh] === 0 && !isMoving) pushFree(context, frame)
    else policy.readmit(frame)
  }
}

/**
 * Rebuilds the chains of one stripe from the keys of the frames. Keys that belong to this stripe change only under it. Other
 * keys may change concurrently, so a key counts only if two reads of it agree.
 * @requires the stripe
 */
export function repairStripe(context: Context, stripe: number): void {
  context.stripes[stripe]!.assertHeld(context.slot.index)
  const { arena } = context
  const { buckets, stripes } = arena.geometry
  for (let bucket = stripe; bucket < buckets; bucket += stripes)
    store(context.words, arena.bucketsAt + bucket, 0)
  for (let frame = 0; frame < arena.frames; frame++) {
    const name = keyOf(context, frame)
    if (name.keyHigh === 0) continue
    const bucket = hashOf(buckets, name.keyHigh, name.keyLow)
    if ((bucket & (stripes - 1)) === stripe) chain(context, frame, bucket, name.keyHigh, name.keyLow)
  }
}

function keyOf(context: Context, frame: FrameIndex): { keyHigh: number; keyLow: number } {
  const { words } = context
  const at = context.arena.frameAt(frame)
  for (;;) {
    const keyHigh = load(words, at + Frame.keyHigh)
    const keyLow = load(words, at + Frame.keyLow)
    if (keyHigh === 0 || hasKey(context, at, keyHigh, keyLow)) return { keyHigh, keyLow }
  }
}

/**
 * Rebuilds the images of a group, in this order: undo images that were becoming saved images, the free spares, the bound, the
 * dirty list, the fences; then finishes the releases that the dead holder was settling.
 * @requires round mutex
 */
export function repairRound(context: Context, group: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  const frames = framesOf(context, group)
  for (const frame of frames) if (isHalfDisposed(context, frame)) finishDisposal(context, group, frame)
  repairSpares(context, group, frames)
  // The dead thread may have ended an epoch and not moved the bound yet.
  const bound = previousEpoch(words[at + Group.epoch]!)
  if (isAfter(bound, words[at + Group.bound]!)) words[at + Group.bound] = bound
  clearDirty(context, group)
  const partitions = context.partitions.ofGroup(group)
  for (const { index } of partitions) words[arena.partitionAt(index) + Partition.dirty] = 0
  for (const frame of frames) {
    const frameAt = arena.frameAt(frame)
    const link = words[frameAt + Frame.dirtyNext]!
    const isDirty = (load(words, frameAt + Frame.state) & State.CLASS_MASK) !== 0
    // Only a frame that looks dirty keeps its key: any other may be evicted at this moment, and lent to another group.
    if ((link === DirtyLink.NONE && !isDirty) || !isOfGroup(context, group, frame)) continue
    words[frameAt + Frame.dirtyNext] = DirtyLink.NONE
    words[frameAt + Frame.dirtyPrevious] = DirtyLink.NONE
    const hasUnwritten =
      (load(words, frameAt + Frame.state) & State.CLASS_MASK) !== 0 || words[frameAt + Frame.saved] !== 0
    if (hasUnwritten) linkDirty(context, group, frame)
  }
  words[at + Group.fences] = partitions.filter(
    ({ index }) => words[arena.partitionAt(index) + Partition.fenced] !== Fence.OPEN,
  ).length
  finishSettling(context, group)
}

/** The frames that hold a block of the group. */
function framesOf(context: Context, group: number): FrameIndex[] {
  return Array.from({ length: context.arena.frames }, (_, frame) => frame).filter((frame) =>
    isOfGroup(context, group, frame),
  )
}

const isOfGroup = ({ words, arena, partitions }: Context, group: number, frame: FrameIndex): boolean =>
  partitions.find(partitionOf(words, arena.frameAt(frame)))?.group === group

/** Latched by a dead thread, with an undo image, but not CHANGING: the change has not begun, or was committed. */
function isHalfDisposed(context: Context, frame: FrameIndex): boolean {
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const writer = writerOf(load(words, at + Frame.latch))
  const isReleased = words[at + Frame.released] !== 0
  const isDone = words[at + Frame.undo] !== 0 && (load(words, at + Frame.state) & State.CHANGING) === 0
  return isDone && writer >= 0 && (isReleased || isDead(context, writer))
}

function finishDisposal(context: Context, group: number, frame: FrameIndex): void {
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const spare = words[at + Frame.undo]!
  for (let link = words[at + Frame.saved]!; link !== 0; link = words[arena.spareAt(link - 1) + Spare.next]!) {
    if (link !== spare) continue
    words[at + Frame.undo] = 0
    return
  }
  disposeUndo(context, group, frame)
}

/**
 * Rebuilds the lists: free are all spares of the group that no frame refers to and no slot keeps, and all loans with a frame to
 * which no frame refers. @requires round mutex
 */
function repairSpares(context: Context, group: number, frames: readonly FrameIndex[]): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  const used = new Set<number>()
  for (const frame of frames) {
    const frameAt = arena.frameAt(frame)
    used.add(words[frameAt + Frame.undo]! - 1)
    for (
      let link = words[frameAt + Frame.saved]!;
      link !== 0;
      link = words[arena.spareAt(link - 1) + Spare.next]!
    )
      used.add(link - 1)
  }
  words[at + Group.spareHead] = 0
  words[at + Group.spareCount] = 0
  for (const spare of sparesOf(context, group)) {
    if (!used.has(spare) && !isOwned(context, spare)) freeSpare(context, group, spare)
  }
  repairLoans(context, group, used)
  context.spareFreedDue = true
}

function repairLoans(context: Context, group: number, used: ReadonlySet<number>): void {
  const { words, arena } = context
  const at = arena.groupAt(group)
  const lent = new Map<number, FrameIndex>()
  for (let frame = 0; frame < arena.frames; frame++) lent.set(loanOf(context, frame), frame)
  words[at + Group.loanHead] = 0
  words[at + Group.lent] = 0
  for (const loan of loansOf(context, group)) {
    const frame = lent.get(loan)
    if (frame === undefined) {
      putLoan(context, group, loan)
      continue
    }
    words[arena.spareAt(loan) + Spare.frame] = frame + 1
    words[at + Group.lent]!++
    if (!used.has(loan)) freeSpare(context, group, loan)
  }
}

/** Finishes the releases that the dead holder had taken off the stack. If it had not yet, they are still on the stack. */
function finishSettling(context: Context, group: number): void {
  const { words, arena } = context
  const at = arena.groupAt(group)
  const anchor = words[at + Group.settling]!
  if (anchor === 0) return
  for (
    let link = load(words, at + Group.pending);
    link !== 0;
    link = words[arena.frameAt(link - 1) + Frame.pendingNext]!
  ) {
    if (link !== anchor) continue
    words[at + Group.settling] = 0
    return
  }
  settleChain(context, group)
}
