/**
 * Dropping blocks: `forget` for blocks that no longer matter, dirty or not, and `evictClean` for all that can be had
 * from the disk again. Neither waits: a block that somebody is in stays as it is.
 */
import { store } from '#atomics'
import { lowOf, placeOf } from '../../shared/name.js'
import type { Mutex } from '../../shared/mutex.js'
import { isOwed } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { Deadline, runSync } from '../../shared/wait.js'
import { blockOf, type Core, enter, leave, partitionOf, type PartitionView } from '../context.js'
import { find } from './directory.js'
import { freeFrame, isClean } from './frames.js'
import { dropAsides, imageStamps, unlinkDirty } from '../changes/images.js'
import { catchUp, unlockRound } from '../changes/rounds.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { DirtyLink, Frame, Group, State } from '../../shared/words.js'

const SOON_MS = 20

/** Forgets every clean block that nobody is in; how many. Any thread. @takes stripes, policy mutex */
export function evictClean(core: Core): number {
  let count = 0
  for (let frame = 0; frame < core.arena.geometry.blocks; frame++) if (freeFrame(core, frame)) count++
  core.freed.signal()
  return count
}

/** Drops a range of blocks. Any thread. @takes policy mutex, round mutex */
export function forget(core: Core, partition: PartitionView, block: number, count: number): void {
  const { blocks } = core.arena.geometry
  if (count <= blocks) {
    for (let i = block; i < block + count; i++)
      forgetFrame(core, partition, find(core, placeOf(partition.index, i), lowOf(i)), block, count)
  } else {
    for (let frame = 0; frame < blocks; frame++) forgetFrame(core, partition, frame, block, count)
  }
  core.turns[partition.group]!.signal()
  core.freed.signal()
}

/** Drops a frame's block if it is one of these. Its name stays, its contents and its claims on the disk go. */
function forgetFrame(
  core: Core,
  partition: PartitionView,
  frame: FrameIndex,
  first: number,
  count: number,
): void {
  if (frame < 0) return
  const { words } = core
  const at = core.arena.frameAt(frame)
  const isOneOf = () => {
    const block = blockOf(words, at)
    return partitionOf(words, at) === partition.index && block >= first && block < first + count
  }
  if (!isOneOf() || !enter(core, frame)) return
  // The policy's mutex first, by rank: a block that the search for victims found dirty has to come back to it.
  if (isOneOf() && lockSoon(core, core.policyMutex)) {
    if (lockSoon(core, core.rounds[partition.group]!)) {
      catchUp(core, partition.group)
      dropContents(core, partition.group, frame)
      unlockRound(core, partition.group)
      if (isClean(core, at) && !core.policy.has(frame)) core.policy.readmit(frame)
    }
    core.policyMutex.unlock()
  }
  leave(core, frame)
}

/**
 * A thread that may block waits for the mutex; the others try for longer than a section lasts: it is held that long only
 * while its holder has lost its processor.
 */
function lockSoon(core: Core, mutex: Mutex): boolean {
  if (core.mayBlock) {
    try {
      runSync(waitForMutex(core, mutex, new Deadline()), true)
      return true
    } catch {
      return false // too long: the block stays as it is
    }
  }
  for (const deadline = new Deadline(SOON_MS); deadline.leftMs() > 0;)
    if (mutex.tryLock(core.slot.index)) return true
  return false
}

/**
 * Nothing of the frame is owed any more; but what a round is writing is left to it: a writer may be reading these very
 * images.
 * @requires round mutex, the frame's latch, not CHANGING
 */
function dropContents(core: Core, group: number, frame: FrameIndex): void {
  const { words, arena } = core
  const at = arena.frameAt(frame)
  const cut = words[arena.groupAt(group) + Group.cut]! - 1
  if (cut >= 0 && imageStamps(core, frame).some((stamp) => isOwed(stamp, cut))) return
  dropAsides(core, group, frame, () => true)
  store(words, at + Frame.state, State.ABSENT)
  if (words[at + Frame.dirtyNext] !== DirtyLink.NONE) unlinkDirty(core, group, frame)
}
