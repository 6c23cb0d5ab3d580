/**
 * Write-back: what the flush worker does. A round makes durable everything stamped up to its cut, class by class: all
 * partitions write in parallel, each fsyncs, and only then the next class begins.
 *
 *   IDLE --want after done--> CUT --> STAGE(class 1) --all writers idle, all well--> STAGE(2) ... --> DONE --> IDLE
 *                                       `--one failed--> FENCED: the cut is forgotten, later classes are held --> IDLE
 *
 * An image is owed until it is durable (cut.ts); a held guard never delays a round.
 *
 * A round is a generator that yields while it waits for writers, so that one flush worker runs the rounds of all groups
 * side by side.
 */
import { and, load, notify, store } from '#atomics'
import { DelayedKick, Fence, Frame, Group, JobResult, JobState, Partition } from '../shared/layout.js'
import { CLASS_MASK, isOwed } from '../shared/stamp.js'
import type { FrameIndex } from '../shared/struct.js'
import { TRACE } from '../shared/trace.js'
import { blockOf, type Core } from './core.js'
import { makeCut, type Owed, readmit, unlinkIfClean } from './cut.js'
import { broadcast, failRound, fence, isTooOld, type RoundEvent } from './fence.js'
import { dropAsides } from './images.js'
import type { PlanSpace } from './plan.js'
import { seizeRound } from './repair.js'
import { unlockRound } from './rounds.js'

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
export const isIdle = (core: Core, partition: number): boolean =>
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
  seizeRound(core, group)
  const cleaned: FrameIndex[] = []
  for (const { frame, partition, block } of owed) {
    if (words[resultAt(partition)] !== JobResult.OK || !isStillOwed(core, frame, partition, block)) continue
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

/**
 * Whether a frame is still what the plan meant. A block may have been forgotten meanwhile, and its frame may have got one
 * of another group, whose stamps mean nothing here. A frame in the dirty list keeps its name while we have the mutex, so
 * the list is looked at first.
 * @requires round mutex
 */
export function isStillOwed(core: Core, frame: FrameIndex, partition: number, block: number): boolean {
  const { words, arena } = core
  const at = arena.frameAt(frame)
  return (
    load(words, at + Frame.dirtyNext) !== 0 &&
    words[at + Frame.partition] === partition + 1 &&
    blockOf(words, at) === block
  )
}

/** The frame's own image is durable, if it is within the cut. True if the frame left the dirty list. @requires round mutex */
function markClean(core: Core, group: number, frame: FrameIndex, cut: number): boolean {
  const stateAt = core.arena.frameAt(frame) + Frame.state
  // Read-modify-write: whoever has the latch may set CHANGING beside us.
  if (isOwed(load(core.words, stateAt), cut)) and(core.words, stateAt, ~CLASS_MASK)
  return unlinkIfClean(core, group, frame)
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
  seizeRound(core, group)
  const cut = words[at + Group.cut]! - 1
  core.turns[group]!.finish(cut)
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
  if (core.tracer.on) core.tracer.record(TRACE['work.done'], group, 0, cut)
  broadcast(core, group)
}
