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
import { and, compareExchange, load, notify, store } from '#atomics'
import { DelayedKick, Fence, Frame, Group, JobResult, JobState, Partition } from '../shared/layout.js'
import { CLASS_MASK, isOwed } from '../shared/stamp.js'
import type { FrameIndex } from '../shared/struct.js'
import { TRACE } from '../shared/trace.js'
import type { Core } from './core.js'
import { type Cut, makeCut, type Owed } from './cut.js'
import { broadcast, failRound, failsForAge, fence, type RoundEvent } from './fence.js'
import { dropAsides, unlinkDirty } from './images.js'
import type { PlanSpace } from './plan.js'
import { seizePolicy, seizeRound } from './repair.js'
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
  if (failsForAge(core, group)) return
  const cut = makeCut(core, group)
  const { owed } = cut
  if (core.tracer.on) core.tracer.record(TRACE['work.cut'], group, owed.length, cut.number)
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
      const stage = { owed: owed.slice(start, end), plan: plan + start, writeClass }
      const asked = askWriters(core, stage)
      while (!asked.every((partition) => isIdle(core, partition))) yield
      if (!finishStage(core, group, cut, stage, asked, report)) return
      start = end
    }
  } finally {
    plans.give(plan, owed.length)
  }
  finishRound(core, group, cut, report)
}

/** The blocks of one class. */
interface Stage {
  readonly owed: readonly Owed[]
  /** Where they stand in the plan. */
  readonly plan: number
  readonly writeClass: number
}

/** Gives each partition its part of a stage; which. A fenced one fails without being asked, as one that stops. */
function askWriters(core: Core, { owed, plan, writeClass }: Stage): number[] {
  const { words, arena } = core
  const asked: number[] = []
  for (let first = 0; first < owed.length;) {
    const { partition } = owed[first]!
    let next = first
    while (next < owed.length && owed[next]!.partition === partition) next++
    const at = arena.partitionAt(partition)
    words[at + Partition.jobStart] = plan + first
    words[at + Partition.jobCount] = next - first
    words[at + Partition.jobClass] = writeClass
    words[at + Partition.result] = JobResult.NONE
    asked.push(partition)
    const isFenced = load(words, at + Partition.fenced) === Fence.FENCED
    if (
      !isFenced &&
      compareExchange(words, at + Partition.job, JobState.IDLE, JobState.ASKED) === JobState.IDLE
    ) {
      notify(words, at + Partition.job)
    }
    first = next
  }
  return asked
}

/** Whether a partition's writer has nothing to do: its result can be read. */
export const isIdle = (core: Core, partition: number): boolean =>
  load(core.words, core.arena.partitionAt(partition) + Partition.job) !== JobState.ASKED

/**
 * What was written and fsynced becomes clean, now; whoever did not say that all went well has failed: its partition is
 * fenced and the round ends. True if the round goes on.
 */
function finishStage(
  core: Core,
  group: number,
  cut: Cut,
  { owed }: Stage,
  asked: readonly number[],
  report: (event: RoundEvent) => void,
): boolean {
  const { words, arena } = core
  const isWell = (partition: number) =>
    words[arena.partitionAt(partition) + Partition.result] === JobResult.OK
  const failed = asked.filter((partition) => !isWell(partition))
  seizeRound(core, group)
  const cleaned: FrameIndex[] = []
  for (const { frame, partition } of owed) {
    if (!isWell(partition)) continue
    dropAsides(core, group, frame, (stamp) => isOwed(stamp, cut.number))
    if (markClean(core, group, frame, cut.number)) cleaned.push(frame)
  }
  for (const partition of failed) fence(core, group, partition, report)
  if (failed.length > 0) failRound(core, group, cut.spokeFor)
  unlockRound(core, group)
  readmit(core, cleaned)
  broadcast(core, group)
  return failed.length === 0
}

/** The frame's own image is durable, if it is within the cut. True if the frame left the dirty list. @requires round mutex */
function markClean(core: Core, group: number, frame: FrameIndex, cut: number): boolean {
  const stateAt = core.arena.frameAt(frame) + Frame.state
  // Read-modify-write: whoever has the latch may set CHANGING beside us.
  if (isOwed(load(core.words, stateAt), cut)) and(core.words, stateAt, ~CLASS_MASK)
  const isClean = (load(core.words, stateAt) & CLASS_MASK) === 0
  if (isClean) unlinkDirty(core, group, frame)
  return isClean
}

/** Clean frames may be victims again. @takes policy mutex */
function readmit(core: Core, frames: readonly FrameIndex[]): void {
  const { words, arena, policyMutex, policy } = core
  if (frames.length === 0) return
  seizePolicy(core)
  for (const frame of frames) {
    if (words[arena.frameAt(frame) + Frame.place] !== 0 && !policy.has(frame)) policy.readmit(frame)
  }
  policyMutex.unlock()
}

/** Everything of the cut is durable. @takes round mutex */
function finishRound(core: Core, group: number, cut: Cut, report: (event: RoundEvent) => void): void {
  const { words, arena } = core
  const at = arena.groupAt(group)
  seizeRound(core, group)
  core.turns[group]!.finish(cut.number)
  words[at + Group.cut] = 0
  words[at + Group.rounds]!++
  for (const { index: partition, group: of } of core.partitions) {
    if (of !== group) continue
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
  if (core.tracer.on) core.tracer.record(TRACE['work.done'], group, 0, cut.number)
  broadcast(core, group)
}
