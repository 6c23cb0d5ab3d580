/**
 * Write-back: what the flush worker does. A round makes durable everything stamped up to its cut, class by class: all
 * partitions write in parallel, each fsyncs, and only then the next class begins.
 *
 *   IDLE --want after done--> CUT --> STAGE(class 1) --all writers idle, all well--> STAGE(2) ... --> DONE --> IDLE
 *                                       `--one failed--> FENCED: the cut is forgotten, later classes are held --> IDLE
 *
 * A cut is a short section under the round mutex. For each block, the round owes the newest image within the cut: the
 * frame's own, or an aside, or the undo of a change under way. It is judged by stamps alone, never by what was written:
 * an image is owed until it is durable. A held guard never delays a round.
 *
 * A round is a generator that yields while it waits for writers, so that one flush worker runs the rounds of all groups
 * side by side.
 */
import { and, load, notify, store } from '#atomics'
import { Fence, Frame, Group, Header, JobResult, JobState, DelayedKick, Partition } from '../shared/layout.js'
import {
  CLASS_MASK,
  classOf,
  EPOCH_FENCED_MAX,
  epochDistance,
  epochOf,
  isAfter,
  isOwed,
  nextEpoch,
  previousEpoch,
} from '../shared/stamp.js'
import type { FrameIndex } from '../shared/struct.js'
import { TRACE } from '../shared/trace.js'
import { Deadline, runSync } from '../shared/wait.js'
import { blockOf, type Core } from './core.js'
import { dropAsides, imageStamps, LIST_END, unlinkDirty } from './images.js'
import type { PlanSpace } from './plan.js'
import { lockRound, unlockRound } from './rounds.js'

/** What happened to a partition, for the owner's events. */
export interface RoundEvent {
  readonly kind: 'fenced' | 'restored'
  readonly partition: number
  readonly writeClass: number
  readonly errno: number
  readonly syscall: number
}

/** One block that a round owes: where its image is named, and in which job. */
interface Owed {
  readonly frame: FrameIndex
  readonly writeClass: number
  readonly partition: number
  readonly block: number
}

/** Whether the group wants a round now. */
export function isWanted(core: Core, group: number): boolean {
  const at = core.arena.groupAt(group)
  return isAfter(load(core.words, at + Group.want), load(core.words, at + Group.done))
}

/**
 * Runs one round of a group; yields while writers are at work. The flush worker's thread only, one round of a group at
 * a time.
 * @takes round mutex, policy mutex, one after the other
 */
export function* runRound(
  core: Core,
  group: number,
  plans: PlanSpace,
  report: (event: RoundEvent) => void,
): Generator<void, void, void> {
  const { words } = core
  const at = core.arena.groupAt(group)
  const partitions = core.partitions
    .filter((partition) => partition.group === group)
    .map((partition) => partition.index)
  if (isTooOld(core, group)) {
    failRound(core, group)
    return
  }
  const owed = makeCut(core, group)
  const cut = words[at + Group.cut]! - 1
  if (core.tracer.on) core.tracer.record(TRACE['work.cut'], group, owed.length, cut)
  let plan = plans.take(owed.length)
  while (plan < 0) {
    yield
    plan = plans.take(owed.length)
  }
  try {
    owed.forEach(({ frame }, i) => (words[core.arena.planAt + plan + i] = frame))
    for (let start = 0; start < owed.length;) {
      const { writeClass } = owed[start]!
      let end = start
      while (owed[end]?.writeClass === writeClass) end++
      if (core.tracer.on) core.tracer.record(TRACE['work.stage'], group, end - start, writeClass)
      askWriters(core, owed, start, end, plan, writeClass)
      while (!partitions.every((partition) => isIdle(core, partition))) yield
      if (!finishStage(core, group, cut, owed.slice(start, end), partitions, report)) return
      start = end
    }
  } finally {
    plans.give(plan, owed.length)
  }
  finishRound(core, group, partitions, report)
}

/** The cut, and what it owes, sorted by class, partition and block. @takes round mutex */
function makeCut(core: Core, group: number): Owed[] {
  const { words, arena } = core
  const at = arena.groupAt(group)
  runSync(lockRound(core, group, new Deadline()), core.mayBlock)
  const frames = dirtyFrames(core, group)
  const epoch = words[at + Group.epoch]!
  let cut = epoch
  // No cut may span a class change of a block: it ends before the first image whose predecessor has another class.
  for (const newer of classChanges(core, frames)) {
    const limit = previousEpoch(newer)
    if (isAfter(cut, limit)) cut = limit
  }
  if (cut === epoch) words[at + Group.epoch] = nextEpoch(epoch)
  if (isAfter(cut, words[at + Group.bound]!)) words[at + Group.bound] = cut
  words[at + Group.delayed] = DelayedKick.NONE
  const owed: Owed[] = []
  const forgotten: FrameIndex[] = []
  for (const frame of frames) {
    trimAsides(core, group, frame, cut)
    if (unlinkIfClean(core, group, frame)) forgotten.push(frame)
    const stamp = owedStamp(core, frame, cut)
    if (stamp === 0) continue
    const frameAt = arena.frameAt(frame)
    owed.push({
      frame,
      writeClass: classOf(stamp),
      partition: words[frameAt + Frame.partition]! - 1,
      block: blockOf(words, frameAt),
    })
  }
  words[at + Group.cut] = cut + 1
  unlockRound(core, group)
  readmit(core, forgotten)
  return owed.sort((a, b) => a.writeClass - b.writeClass || a.partition - b.partition || a.block - b.block)
}

/** The stamp of the newest image within the cut, 0 if nothing is owed. @requires round mutex */
export function owedStamp(core: Core, frame: FrameIndex, cut: number): number {
  return imageStamps(core, frame).find((stamp) => isOwed(stamp, cut)) ?? 0
}

/** Each block keeps only its newest image within the cut. @requires round mutex */
function trimAsides(core: Core, group: number, frame: FrameIndex, cut: number): void {
  let isCovered = isOwed(load(core.words, core.arena.frameAt(frame) + Frame.state), cut)
  dropAsides(core, group, frame, (stamp) => {
    if ((stamp & CLASS_MASK) === 0) return true
    if (!isOwed(stamp, cut)) return false
    if (isCovered) return true
    isCovered = true
    return false
  })
}

/** Frames with owed images. @requires round mutex */
function dirtyFrames(core: Core, group: number): FrameIndex[] {
  const { words, arena } = core
  const frames: FrameIndex[] = []
  for (let link = words[arena.groupAt(group) + Group.dirtyHead]!; link !== LIST_END;) {
    frames.push(link - 1)
    link = words[arena.frameAt(link - 1) + Frame.dirtyNext]!
  }
  return frames
}

/** The epochs of images whose predecessor on the same block has another class. @requires round mutex */
function* classChanges(core: Core, frames: readonly FrameIndex[]): Generator<number> {
  for (const frame of frames) {
    if (core.words[core.arena.frameAt(frame) + Frame.aside] === 0) continue
    const stamps = imageStamps(core, frame)
    for (let i = 1; i < stamps.length; i++) {
      if (classOf(stamps[i]!) !== classOf(stamps[i - 1]!)) yield epochOf(stamps[i - 1]!)
    }
  }
}

/** Gives each partition its part of a stage; a fenced one fails without being asked. */
function askWriters(
  core: Core,
  owed: readonly Owed[],
  start: number,
  end: number,
  plan: number,
  writeClass: number,
): void {
  const { words, arena } = core
  for (let first = start; first < end;) {
    const { partition } = owed[first]!
    let next = first
    while (next < end && owed[next]!.partition === partition) next++
    const at = arena.partitionAt(partition)
    words[at + Partition.jobStart] = plan + first
    words[at + Partition.jobCount] = next - first
    words[at + Partition.jobClass] = writeClass
    if (load(words, at + Partition.fenced) === Fence.FENCED) {
      words[at + Partition.result] = JobResult.FAILED
    } else {
      words[at + Partition.result] = JobResult.NONE
      store(words, at + Partition.job, JobState.ASKED)
      notify(words, at + Partition.job)
    }
    first = next
  }
}

/** Whether a partition's writer has nothing to do: its result can be read. */
const isIdle = (core: Core, partition: number): boolean =>
  load(core.words, core.arena.partitionAt(partition) + Partition.job) !== JobState.ASKED

/**
 * What was written and fsynced becomes clean, now; if anything failed, its partition is fenced and the round ends.
 * True if the round goes on.
 */
function finishStage(
  core: Core,
  group: number,
  cut: number,
  owed: readonly Owed[],
  partitions: readonly number[],
  report: (event: RoundEvent) => void,
): boolean {
  const { words, arena } = core
  const resultAt = (partition: number) => arena.partitionAt(partition) + Partition.result
  runSync(lockRound(core, group, new Deadline()), core.mayBlock)
  const cleaned: FrameIndex[] = []
  for (const { frame, partition } of owed) {
    if (words[resultAt(partition)] !== JobResult.OK) continue
    dropAsides(core, group, frame, (stamp) => (stamp & CLASS_MASK) === 0 || isOwed(stamp, cut))
    if (markClean(core, group, frame, cut)) cleaned.push(frame)
  }
  const failed = partitions.filter((partition) => words[resultAt(partition)] === JobResult.FAILED)
  for (const partition of partitions) words[resultAt(partition)] = JobResult.NONE
  for (const partition of failed) fence(core, group, partition, report)
  unlockRound(core, group)
  readmit(core, cleaned)
  if (failed.length > 0) failRound(core, group)
  broadcast(core, group)
  return failed.length === 0
}

/** The frame's own image is durable, if it is within the cut. True if the frame left the dirty list. @requires round mutex */
function markClean(core: Core, group: number, frame: FrameIndex, cut: number): boolean {
  const stateAt = core.arena.frameAt(frame) + Frame.state
  // Read-modify-write: whoever has the latch may set CHANGING beside us.
  if (isOwed(load(core.words, stateAt), cut)) and(core.words, stateAt, ~CLASS_MASK)
  return unlinkIfClean(core, group, frame)
}

/** Takes a frame that owes nothing out of the dirty list; true if it was in. @requires round mutex */
function unlinkIfClean(core: Core, group: number, frame: FrameIndex): boolean {
  const { words, arena } = core
  const at = arena.frameAt(frame)
  if ((load(words, at + Frame.state) & CLASS_MASK) !== 0 || words[at + Frame.aside] !== 0) return false
  if (words[at + Frame.dirtyNext] === 0) return false
  unlinkDirty(core, group, frame)
  return true
}

/** Clean frames may be victims again. @takes policy mutex */
function readmit(core: Core, frames: readonly FrameIndex[]): void {
  const { words, arena, policyMutex, policy, slot } = core
  if (frames.length === 0) return
  runSync(policyMutex.lock(slot.index, new Deadline()), core.mayBlock)
  for (const frame of frames) {
    if (words[arena.frameAt(frame) + Frame.partition] !== 0 && !policy.has(frame)) policy.readmit(frame)
  }
  policyMutex.unlock()
}

/** @requires round mutex */
function fence(core: Core, group: number, partition: number, report: (event: RoundEvent) => void): void {
  const { words, arena } = core
  const at = arena.partitionAt(partition)
  const groupAt = arena.groupAt(group)
  const was = words[at + Partition.fenced]!
  words[groupAt + Group.failedPartition] = partition
  words[groupAt + Group.failedClass] = words[at + Partition.jobClass]!
  words[groupAt + Group.failedErrno] = words[at + Partition.errno]!
  words[groupAt + Group.failedSyscall] = words[at + Partition.syscall]!
  if (was === Fence.FENCED) return
  if (was === Fence.OPEN) {
    if (words[groupAt + Group.fences] === 0) words[groupAt + Group.fencedAt] = words[groupAt + Group.epoch]!
    words[groupAt + Group.fences]!++
  }
  store(words, at + Partition.fenced, Fence.FENCED)
  report({
    kind: 'fenced',
    partition,
    writeClass: words[at + Partition.jobClass]!,
    errno: words[at + Partition.errno]!,
    syscall: words[at + Partition.syscall]!,
  })
}

/** The failed round forgets its cut, not its images. @takes round mutex */
function failRound(core: Core, group: number): void {
  const { words, arena } = core
  const at = arena.groupAt(group)
  runSync(lockRound(core, group, new Deadline()), core.mayBlock)
  const frames = dirtyFrames(core, group)
  words[at + Group.cut] = 0
  words[at + Group.want] = words[at + Group.done]!
  words[at + Group.bound] = lastClosed(core, frames, words[at + Group.epoch]!)
  words[at + Group.failures]!++
  words[at + Group.rounds]!++
  unlockRound(core, group)
  if (core.tracer.on)
    core.tracer.record(TRACE['work.failed'], group, frames.length, words[at + Group.failures]!)
  broadcast(core, group)
}

/** The epoch up to which images are kept when no cut is active: before the last class change, else before all there are. */
function lastClosed(core: Core, frames: readonly FrameIndex[], epoch: number): number {
  const oldest = frames.flatMap((frame) => imageStamps(core, frame)).map(epochOf)
  let bound = previousEpoch(oldest.reduce((a, b) => (isAfter(a, b) ? b : a), epoch))
  for (const newer of classChanges(core, frames))
    if (isAfter(previousEpoch(newer), bound)) bound = previousEpoch(newer)
  return bound
}

/** Everything of the cut is durable. @takes round mutex */
function finishRound(
  core: Core,
  group: number,
  partitions: readonly number[],
  report: (event: RoundEvent) => void,
): void {
  const { words, arena } = core
  const at = arena.groupAt(group)
  runSync(lockRound(core, group, new Deadline()), core.mayBlock)
  words[at + Group.done] = words[at + Group.cut]! - 1
  words[at + Group.cut] = 0
  words[at + Group.rounds]!++
  for (const partition of partitions) {
    const fencedAt = arena.partitionAt(partition) + Partition.fenced
    if (words[fencedAt] !== Fence.RETRYING) continue
    store(words, fencedAt, Fence.OPEN)
    words[at + Group.fences]!--
    report({ kind: 'restored', partition, writeClass: 0, errno: 0, syscall: 0 })
  }
  if (words[at + Group.dirty]! > 0 && words[at + Group.delayed] === DelayedKick.NONE) {
    words[at + Group.delayed] = DelayedKick.ASKED
  }
  unlockRound(core, group)
  if (core.tracer.on) core.tracer.record(TRACE['work.done'], group, 0, words[at + Group.done]!)
  broadcast(core, group)
}

/** A fence so old that epochs could wrap past its images: no new cut until it is lifted. */
function isTooOld(core: Core, group: number): boolean {
  const at = core.arena.groupAt(group)
  if (core.words[at + Group.fences] === 0) return false
  return epochDistance(core.words[at + Group.epoch]!, core.words[at + Group.fencedAt]!) > EPOCH_FENCED_MAX
}

function broadcast(core: Core, group: number): void {
  core.turns[group]!.broadcast()
  core.spares[group]!.broadcast()
  if (core.words[Header.freedWaiters] !== 0) core.freed.broadcast()
}
