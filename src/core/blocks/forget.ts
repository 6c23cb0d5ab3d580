/**
 * Dropping blocks: `forget` for blocks that no longer matter, dirty or not, and `evictClean` for all that can be had
 * from the disk again. Neither waits: a block that somebody is in stays as it is.
 */
import { store } from '#atomics'
import { keyLowOf, keyHighOf } from '../../shared/key.js'
import type { Mutex } from '../../shared/mutex.js'
import { isUnwritten } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { Deadline, runSync } from '../../shared/wait.js'
import { blockOf, type Context, enter, leave, partitionOf, type PartitionView } from '../context.js'
import { find } from './directory.js'
import { freeFrame, isClean } from './frames.js'
import { dropSaved, imageStamps, unlinkDirty } from '../changes/images.js'
import { catchUp, unlockRound } from '../changes/rounds.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { DirtyLink, Frame, Group, State } from '../../shared/words.js'

const SOON_MS = 20

/** Forgets every clean block that nobody is in; how many. Any thread. @takes stripes, policy mutex */
export function evictClean(context: Context): number {
  let count = 0
  for (let frame = 0; frame < context.arena.geometry.blocks; frame++) if (freeFrame(context, frame)) count++
  context.freed.signal()
  return count
}

/** Drops a range of blocks. Any thread. @takes policy mutex, round mutex */
export function forget(context: Context, partition: PartitionView, block: number, count: number): void {
  const { blocks } = context.arena.geometry
  if (count <= blocks) {
    for (let i = block; i < block + count; i++)
      forgetFrame(context, partition, find(context, keyHighOf(partition.index, i), keyLowOf(i)), block, count)
  } else {
    for (let frame = 0; frame < blocks; frame++) forgetFrame(context, partition, frame, block, count)
  }
  context.rounds[partition.group]!.signal()
  context.freed.signal()
}

/** Drops a frame's block if it is one of these. Its name stays, its contents and its claims on the disk go. */
function forgetFrame(
  context: Context,
  partition: PartitionView,
  frame: FrameIndex,
  first: number,
  count: number,
): void {
  if (frame < 0) return
  const { words } = context
  const at = context.arena.frameAt(frame)
  const isOneOf = () => {
    const block = blockOf(words, at)
    return partitionOf(words, at) === partition.index && block >= first && block < first + count
  }
  if (!isOneOf() || !enter(context, frame)) return
  // The policy's mutex first, by rank: a block that the search for victims found dirty has to come back to it.
  if (isOneOf() && lockSoon(context, context.policyMutex)) {
    if (lockSoon(context, context.roundMutexes[partition.group]!)) {
      catchUp(context, partition.group)
      dropContents(context, partition.group, frame)
      unlockRound(context, partition.group)
      if (isClean(context, at) && !context.policy.has(frame)) context.policy.readmit(frame)
    }
    context.policyMutex.unlock()
  }
  leave(context, frame)
}

/**
 * A thread that may block waits for the mutex; the others try for longer than a section lasts: it is held that long only
 * while its holder has lost its processor.
 */
function lockSoon(context: Context, mutex: Mutex): boolean {
  if (context.mayBlock) {
    try {
      runSync(waitForMutex(context, mutex, new Deadline()), true)
      return true
    } catch {
      return false // too long: the block stays as it is
    }
  }
  for (const deadline = new Deadline(SOON_MS); deadline.leftMs() > 0;)
    if (mutex.tryLock(context.slot.index)) return true
  return false
}

/**
 * Nothing of the frame is owed any more; but what a round is writing is left to it: a writer may be reading these very
 * images.
 * @requires round mutex, the frame's latch, not CHANGING
 */
function dropContents(context: Context, group: number, frame: FrameIndex): void {
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const cut = words[arena.groupAt(group) + Group.cut]! - 1
  if (cut >= 0 && imageStamps(context, frame).some((stamp) => isUnwritten(stamp, cut))) return
  dropSaved(context, group, frame, () => true)
  store(words, at + Frame.state, State.ABSENT)
  if (words[at + Frame.dirtyNext] !== DirtyLink.NONE) unlinkDirty(context, group, frame)
}
