/**
 * What a failed write or fsync does: the partition is fenced, the round drops its cut, and later classes are held back on
 * every partition of the group. Images stay unwritten; the next round makes a new cut.
 */
import { store } from '#atomics'
import { EPOCH_FENCED_MAX, epochDistance, epochOf, isAfter, previousEpoch } from '../../shared/stamp.js'
import type { FrameIndex, SlotIndex } from '../../shared/indices.js'
import { Counter } from '../../shared/counter-words.js'
import { TRACE } from '../../shared/trace.js'
import type { Context } from '../context.js'
import { classChanges } from './cut.js'
import { dirtyFrames, isFlipped } from '../changes/dirty-lists.js'
import { imageStamps } from '../changes/images.js'
import type { DeviceFailure } from './device-failure.js'
import { failThroughs } from '../changes/through.js'
import { failPartial } from './partial.js'
import { failRecordRound } from './record-cut.js'
import { hasJournal } from '../changes/recorded.js'
import { seizeRound } from '../recovery/seize.js'
import { unlockRound } from '../changes/rounds.js'
import { Fence, Group, Led, Partition } from '../../shared/words.js'

/** Reported to the owner, which emits events. */
export type EngineEvent = RoundEvent | DeathEvent

/** An attached thread has ended. */
export interface DeathEvent {
  readonly kind: 'died'
  readonly slot: SlotIndex
  readonly threadId: number
}

/** A partition was fenced or restored. */
export interface RoundEvent {
  readonly kind: 'fenced' | 'restored'
  readonly partition: number
  readonly writeClass: number
  readonly errno: number
  readonly syscall: number
}

/** Notes what failed in a partition, for `fence` and for errors. @requires the turn to write to the partition */
export function noteFailure(
  { words, arena }: Context,
  partition: number,
  writeClass: number,
  { errno, syscall }: Pick<DeviceFailure, 'errno' | 'syscall'>,
): void {
  const at = arena.partitionAt(partition)
  words[at + Partition.failedClass] = writeClass
  words[at + Partition.errno] = errno
  words[at + Partition.syscall] = syscall
}

/**
 * Fences a partition after a failure: it is not written until it is retried. `wasAsked`: whether it failed in this round; else
 * it was found fenced.
 * @requires round mutex
 */
export function fence(
  context: Context,
  group: number,
  partition: number,
  wasAsked: boolean,
  report: (event: RoundEvent) => void,
): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.partitionAt(partition)
  const groupAt = arena.groupAt(group)
  const was = words[at + Partition.fenced]!
  // The retry came while a round was running that had found the partition fenced and not asked its writer: the retry is still
  // due.
  if (was === Fence.RETRYING && !wasAsked) return
  words[groupAt + Group.failedPartition] = partition
  words[groupAt + Group.failedClass] = words[at + Partition.failedClass]!
  words[groupAt + Group.failedErrno] = words[at + Partition.errno]!
  words[groupAt + Group.failedSyscall] = words[at + Partition.syscall]!
  if (was === Fence.FENCED) return
  if (was === Fence.OPEN) {
    if (words[groupAt + Group.fences] === 0) words[groupAt + Group.fencedAt] = words[groupAt + Group.epoch]!
    words[groupAt + Group.fences]!++
  }
  store(words, at + Partition.fenced, Fence.FENCED)
  context.slot.count(Counter.fences)
  report({
    kind: 'fenced',
    partition,
    writeClass: words[at + Partition.failedClass]!,
    errno: words[at + Partition.errno]!,
    syscall: words[at + Partition.syscall]!,
  })
}

/**
 * Ends a failed round: drops its cut, but not its images. `spokeFor`: the newest epoch when it began. The caller broadcasts
 * after it has unlocked.
 * @requires round mutex
 */
export function failRound(context: Context, group: number, spokeFor: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  const frames = dirtyFrames(context, group)
  store(words, at + Group.cut, 0)
  store(words, at + Group.stage, 0)
  context.rounds[group]!.fail(spokeFor)
  // No partial round comes before one of these is over.
  if (isFlipped(context, group)) failThroughs(context, group, spokeFor)
  const bound = lastClosed(context, frames, words[at + Group.epoch]!)
  const partial = words[at + Group.partialCut]! - 1
  words[at + Group.bound] = partial >= 0 && isAfter(partial, bound) ? partial : bound
  words[at + Group.rounds]!++
  if (context.isTraced)
    context.tracer.record(TRACE['work.failed'], group, frames.length, context.rounds[group]!.failures)
}

/**
 * Ends the rounds of leaders that met a failure (leader.ts), as a failed round of the flush worker ends. The threads left the
 * words of the failure.
 * @takes round mutex
 */
export function endFailedLeads(context: Context, group: number, report: (event: RoundEvent) => void): void {
  const { words } = context
  const at = context.arena.groupAt(group)
  seizeRound(context, group)
  if (words[at + Group.leader] === Led.FAILED) {
    fence(context, group, words[at + Group.failedPartition]!, true, report)
    const fail = hasJournal(context, group) ? failRecordRound : failRound
    fail(context, group, words[at + Group.cut]! - 1)
    store(words, at + Group.leader, Led.NONE)
  }
  if (words[at + Group.partial] === Led.FAILED) {
    fence(context, group, words[at + Group.partialPartition]!, true, report)
    failPartial(context, group, words[at + Group.partialCut]! - 1)
  }
  unlockRound(context, group)
  broadcast(context, group)
}

/**
 * The epoch up to which images are kept while no cut is active. If a change of class is unwritten, this is everything before
 * the current epoch, because the next cut ends before that change and needs each block's image of that time; else nothing.
 */
function lastClosed(context: Context, frames: readonly FrameIndex[], epoch: number): number {
  if (classChanges(context, frames).next().done !== true) return previousEpoch(epoch)
  const epochs = frames.flatMap((frame) => imageStamps(context, frame)).map(epochOf)
  return previousEpoch(epochs.reduce((oldest, other) => (isAfter(oldest, other) ? other : oldest), epoch))
}

/**
 * Fails the round, without a cut, if a fence is so old that epochs could wrap past its images; returns whether it did. `fail` is
 * failRound or failPartial.
 * @takes round mutex
 */
export function failsForAge(context: Context, group: number, fail: typeof failRound): boolean {
  const at = context.arena.groupAt(group)
  const epoch = context.words[at + Group.epoch]!
  if (context.words[at + Group.fences] === 0) return false
  if (epochDistance(epoch, context.words[at + Group.fencedAt]!) <= EPOCH_FENCED_MAX) return false
  seizeRound(context, group)
  fail(context, group, context.words[at + Group.epoch]!)
  unlockRound(context, group)
  broadcast(context, group)
  return true
}

/** Wakes all threads that wait for this group's rounds or spares, or for frames. */
export function broadcast(context: Context, group: number): void {
  context.rounds[group]!.broadcast()
  context.spareFreed[group]!.broadcast()
  context.freed.signal()
}
