/**
 * Dropping blocks: `forget` for blocks that no longer matter, dirty or not, and `evictClean` for all blocks that can be read
 * from the disk again. A block that is pinned or latched is left as it is.
 */
import { store } from '#atomics'
import { keyLowOf, keyHighOf } from '../../shared/key.js'
import type { Mutex } from '../../shared/mutex.js'
import type { FrameIndex } from '../../shared/indices.js'
import { CLASSES_MAX } from '../../shared/layout.js'
import { classOf } from '../../shared/stamp.js'
import { Deadline } from '../../shared/wait.js'
import {
  blockOf,
  type Context,
  enter,
  leave,
  partitionOf,
  type PartitionView,
  assertLatched,
} from '../context.js'
import { assertStanding } from '../standing.js'
import { find } from './directory.js'
import { freeFrame } from './frames.js'
import { isClean } from './victims.js'
import { unlinkDirty } from '../changes/dirty-lists.js'
import { dropSaved } from '../changes/images.js'
import { imageToWrite } from '../changes/to-write.js'
import { catchUp, unlockRound } from '../changes/rounds.js'
import { lockSoon } from '../wait/lock-soon.js'
import { DirtyLink, Frame, Group, State } from '../../shared/words.js'

/** All frames together: a thread that holds a mutex may be descheduled, or running its code for the first time. */
const EVICT_MS = 1000

/** Evicts every clean block that is not held; returns how many. Any thread. @takes stripes, policy mutex */
export function evictClean(context: Context): number {
  const deadline = new Deadline(EVICT_MS)
  const lock = (mutex: Mutex) => lockSoon(context, mutex, deadline)
  let count = 0
  for (let frame = 0; frame < context.arena.frames; frame++) if (freeFrame(context, frame, lock)) count++
  context.freed.signal()
  return count
}

/** Drops a range of blocks. Any thread. @takes policy mutex, round mutex */
export function forget(context: Context, partition: PartitionView, block: number, count: number): void {
  const blocks = context.arena.frames
  const end = block + count
  const forgetIn = (frame: FrameIndex) => {
    forgetFrame(context, partition, frame, block, end, () => {
      assertStanding(context, partition, end - 1)
    })
  }
  if (count <= blocks) {
    for (let i = block; i < end; i++) forgetIn(find(context, keyHighOf(partition.index, i), keyLowOf(i)))
  } else {
    for (let frame = 0; frame < blocks; frame++) forgetIn(frame)
  }
  context.rounds[partition.group]!.signal()
  context.freed.signal()
}

/** Drops a frame's block if it is of a partition that is being dropped, or beyond its new end `first`. */
export function forgetBlock(
  context: Context,
  partition: PartitionView,
  frame: FrameIndex,
  first: number,
): void {
  forgetFrame(context, partition, frame, first, Infinity, () => undefined)
}

/**
 * Drops a frame's block if it is in the range. The frame keeps its key, but neither contents nor unwritten images. `assertMay`:
 * called under the latch, may throw.
 */
function forgetFrame(
  context: Context,
  partition: PartitionView,
  frame: FrameIndex,
  first: number,
  end: number,
  assertMay: () => void,
): void {
  if (frame < 0) return
  const { words } = context
  const at = context.arena.frameAt(frame)
  const isOneOf = () => {
    const block = blockOf(words, at)
    return partitionOf(words, at) === partition.index && block >= first && block < end
  }
  if (!isOneOf() || !enter(context, frame)) return
  // The policy mutex first, by rank: a dirty block that the search for victims removed must be readmitted.
  try {
    assertMay()
    if (isOneOf() && lockSoon(context, context.policyMutex)) {
      if (lockSoon(context, context.roundMutexes[partition.group]!)) {
        catchUp(context, partition.group)
        dropContents(context, partition.group, frame)
        unlockRound(context, partition.group)
        if (isClean(context, at) && !context.policy.has(frame)) context.policy.readmit(frame)
      }
      context.policyMutex.unlock()
    }
  } finally {
    leave(context, frame)
  }
}

/**
 * Drops a frame's contents and all its unwritten images, unless a round is writing one of them: a writer may be reading it.
 * @requires round mutex, the frame's latch, not CHANGING
 */
function dropContents(context: Context, group: number, frame: FrameIndex): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  assertLatched(context, frame)
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const groupAt = arena.groupAt(group)
  if (isToWrite(context, frame, words[groupAt + Group.cut]!, CLASSES_MAX)) return
  if (isToWrite(context, frame, words[groupAt + Group.partialCut]!, words[groupAt + Group.partialThrough]!))
    return
  dropSaved(context, group, frame, () => true)
  store(words, at + Frame.state, State.ABSENT)
  if (words[at + Frame.dirtyNext] !== DirtyLink.NONE) unlinkDirty(context, group, frame)
}

/** Whether a round with this cut, plus one, writes the block; 0 is no round. @requires round mutex */
function isToWrite(context: Context, frame: FrameIndex, cut: number, through: number): boolean {
  const image = cut === 0 ? undefined : imageToWrite(context, frame, cut - 1)
  return image !== undefined && classOf(image.stamp) <= through
}
