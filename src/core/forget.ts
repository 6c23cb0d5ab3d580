/**
 * Dropping blocks: `forget` for blocks that no longer matter, dirty or not, and `evictClean` for all that can be had
 * from the disk again. Neither waits: a block that somebody is in stays as it is.
 */
import { load, store } from '#atomics'
import { tryLatch } from '../shared/latch.js'
import { Frame, Group, Spare } from '../shared/layout.js'
import { ABSENT, CLASS_MASK } from '../shared/stamp.js'
import type { FrameIndex } from '../shared/struct.js'
import { type Core, leave, type PartitionView } from './core.js'
import { find, isNamed } from './directory.js'
import { freeFrame, isClean } from './frames.js'
import { dropAsides, unlinkDirty } from './images.js'
import { tryLockRound, unlockRound } from './rounds.js'
import { highOf, lowOf } from './hit.js'

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
      forgetFrame(core, partition, find(core, partition.index, lowOf(i), highOf(i)), block, count)
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
  const { words, slot } = core
  const at = core.arena.frameAt(frame)
  const isOneOf = () => {
    const block = (words[at + Frame.blockLow]! >>> 0) + words[at + Frame.blockHigh]! * 2 ** 32
    return (
      block >= first &&
      block < first + count &&
      isNamed(core, at, partition.index, lowOf(block), highOf(block))
    )
  }
  if (!isOneOf() || !tryLatch(words, at + Frame.latch, slot.index)) return
  // The policy's mutex first, by rank: a block that the search for victims found dirty has to come back to it.
  if (isOneOf() && core.policyMutex.tryLock(slot.index)) {
    if (tryLockRound(core, partition.group)) {
      dropImages(core, partition.group, frame)
      store(words, at + Frame.state, ABSENT)
      unlockRound(core, partition.group)
      if (isClean(core, at) && !core.policy.has(frame)) core.policy.readmit(frame)
    }
    core.policyMutex.unlock()
  }
  leave(core, frame)
}

/**
 * Nothing of the frame is owed any more. An aside that a writer may be reading stays in its list, unowed, until the
 * round is over; the frame is not evicted before that.
 * @requires round mutex, the frame's latch, not CHANGING
 */
function dropImages(core: Core, group: number, frame: FrameIndex): void {
  const { words, arena } = core
  const at = arena.frameAt(frame)
  if (words[arena.groupAt(group) + Group.cut] === 0) dropAsides(core, group, frame, () => true)
  for (let link = words[at + Frame.aside]!; link !== 0; link = words[arena.spareAt(link - 1) + Spare.next]!) {
    words[arena.spareAt(link - 1) + Spare.stamp] = 0
  }
  store(words, at + Frame.state, load(words, at + Frame.state) & ~CLASS_MASK)
  if (words[at + Frame.aside] === 0 && words[at + Frame.dirtyNext] !== 0) unlinkDirty(core, group, frame)
}
