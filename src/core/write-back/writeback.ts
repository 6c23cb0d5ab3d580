/**
 * Write-back: what the flush worker does. A round makes durable everything stamped up to its cut, class by class: all
 * partitions write in parallel, each fsyncs, and only then the next class begins.
 *
 *   IDLE --wanted, or due--> CUT --> STAGE(class 1) --all written, all well--> STAGE(2) ... --> DONE --> IDLE
 *                                     `--one failed--> FENCED: the cut is forgotten, later classes are held --> IDLE
 *
 * Within a stage each partition has a lane of its own: its blocks in one job, or in parts, each with an fsync after which
 * its blocks are clean (pace.ts says how many, and when).
 *
 *   lane   WAITS --pace lets it--> ASKED --writer idle, OK--> its blocks clean; WAITS, or OVER after the last
 *                                        |--writer idle, FAILED--> FAILED
 *                                        `--the writer stopped, with the engine--> never over
 *          WAITS --partition is fenced--> FAILED
 *
 * An image is owed until it is durable (cut.ts); a held guard never delays a round.
 *
 * A round is a generator that yields while it waits for writers or for its pace, so that one flush worker runs the rounds
 * of all groups side by side.
 */
import { performance } from 'node:perf_hooks'
import { and, compareExchange, load, notify, store } from '#atomics'
import { isUnwritten } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { TRACE } from '../../shared/trace.js'
import type { Context } from '../context.js'
import { type Cut, makeCut } from './cut.js'
import { broadcast, failRound, failsForAge, fence, type RoundEvent } from './fence.js'
import { dropSaved, unlinkDirty } from '../changes/images.js'
import type { Job } from './order.js'
import type { Pace } from './pace.js'
import type { PlanSpace } from './plan.js'
import { seizePolicy, seizeRound } from '../recovery/seize.js'
import { unlockRound } from '../changes/rounds.js'
import {
  DelayedKick,
  Fence,
  Frame,
  Group,
  JobResult,
  JobState,
  Partition,
  State,
} from '../../shared/words.js'

/** Frames that become clean under one hold of the round mutex: releases of changes wait for it. */
const CLEAN_MAX = 1024

/**
 * Runs one round of a group; yields while writers are at work, or its pace has it wait. The flush worker's thread only, one
 * round of a group at a time.
 * @takes round mutex, policy mutex, one after the other
 */
export function* runRound(
  context: Context,
  group: number,
  plans: PlanSpace,
  pace: Pace,
  report: (event: RoundEvent) => void,
): Generator<void, void, void> {
  if (failsForAge(context, group)) return
  const cut = makeCut(context, group, pace.isDue)
  const { frames, jobs } = cut
  if (context.isTraced) context.tracer.record(TRACE['work.cut'], group, frames.length, cut.number)
  for (let first = 0; first < jobs.length;) {
    let next = first
    while (jobs[next]?.writeClass === jobs[first]!.writeClass) next++
    const stage = jobs.slice(first, next)
    if (context.isTraced) {
      const blocks = stage.at(-1)!.end - stage[0]!.start
      context.tracer.record(TRACE['work.stage'], group, blocks, stage[0]!.writeClass)
    }
    const lanes = stage.map((job) => new Lane(context, group, cut, job, plans))
    // All of them, before it is asked whether all are over.
    while (!lanes.map((lane) => lane.goOn(pace)).every((isOver) => isOver)) yield
    if (!endStage(context, group, cut, lanes, report)) return
    first = next
  }
  finishRound(context, group, cut, report)
}

/** One partition's part of a stage. */
class Lane {
  readonly partition: number
  /** Its last job did not go well. What was made durable before it is clean. */
  hasFailed = false
  readonly #context: Context
  readonly #group: number
  readonly #cut: Cut
  readonly #job: Job
  readonly #plans: PlanSpace
  /** In the cut's frames: up to `#done` they are clean, from there up to `#asked` the writer has them. */
  #done: number
  #asked: number
  /** Where the writer finds them; undefined: it was not asked. */
  #plan: number | undefined
  /** How many the pace has let go, which found no room in the plan yet. */
  #granted = 0
  #askedAtMs = 0
  /** When the last job was over, and how long it took. */
  #overAtMs = -Infinity
  #tookMs = 0
  /** The writer was not asked, because the partition is fenced. */
  #isFenced = false

  constructor(context: Context, group: number, cut: Cut, job: Job, plans: PlanSpace) {
    this.partition = job.partition
    this.#context = context
    this.#group = group
    this.#cut = cut
    this.#job = job
    this.#plans = plans
    this.#done = this.#asked = job.start
  }

  /** Takes it as far as it goes without waiting; true when it is over. */
  goOn(pace: Pace): boolean {
    while (!this.#isOver) {
      if (this.#plan !== undefined) {
        if (!isIdle(this.#context, this.partition) || this.#hasStopped()) return false
        this.#conclude(this.#plan)
      } else {
        const { blockSize } = this.#context.partitions[this.partition]!
        const left = this.#job.end - this.#done
        if (this.#granted === 0) this.#granted = pace.blocksNow(left, blockSize, this.#overAtMs, this.#tookMs)
        const plan = this.#granted === 0 ? -1 : this.#plans.take(this.#granted)
        if (plan < 0) return false
        this.#ask(plan, this.#granted)
      }
    }
    return true
  }

  get #isOver(): boolean {
    return this.hasFailed || this.#done === this.#job.end
  }

  /** A fenced partition fails without being asked. */
  #ask(plan: number, count: number): void {
    const { words, arena } = this.#context
    const at = arena.partitionAt(this.partition)
    this.#askedAtMs = performance.now()
    this.#asked = this.#done + count
    this.#plan = plan
    this.#granted = 0
    words.set(this.#cut.frames.subarray(this.#done, this.#asked), arena.planAt + plan)
    words[at + Partition.jobStart] = plan
    words[at + Partition.jobCount] = count
    words[at + Partition.jobClass] = this.#job.writeClass
    words[at + Partition.result] = JobResult.NONE
    this.#isFenced = load(words, at + Partition.fenced) === Fence.FENCED
    if (this.#isFenced) return
    if (compareExchange(words, at + Partition.job, JobState.IDLE, JobState.ASKED) === JobState.IDLE)
      notify(words, at + Partition.job)
  }

  /** The writer ended without a result, or was not there any more: the engine stops. That is no failure of the device. */
  #hasStopped(): boolean {
    const { words, arena } = this.#context
    return !this.#isFenced && words[arena.partitionAt(this.partition) + Partition.result] === JobResult.NONE
  }

  /** What was written and fsynced becomes clean, now. @requires that its writer is idle */
  #conclude(plan: number): void {
    const { words, arena } = this.#context
    this.#plans.give(plan, this.#asked - this.#done)
    this.#plan = undefined
    const isWell = words[arena.partitionAt(this.partition) + Partition.result] === JobResult.OK
    this.#overAtMs = performance.now()
    this.#tookMs = this.#overAtMs - this.#askedAtMs
    if (isWell) clean(this.#context, this.#group, this.#cut, this.#done, this.#asked)
    this.hasFailed = !isWell
    this.#done = this.#asked
  }
}

/** Whether a partition's writer has nothing to do: its result can be read. */
export const isIdle = (context: Context, partition: number): boolean =>
  load(context.words, context.arena.partitionAt(partition) + Partition.job) !== JobState.ASKED

/** Frames of the cut whose images are durable. @takes round mutex, policy mutex, one after the other */
function clean(context: Context, group: number, cut: Cut, from: number, to: number): void {
  const { words, arena } = context
  const isDurable = (stamp: number) => isUnwritten(stamp, cut.number)
  for (let start = from; start < to; start += CLEAN_MAX) {
    const cleaned: FrameIndex[] = []
    seizeRound(context, group)
    for (let i = start; i < Math.min(to, start + CLEAN_MAX); i++) {
      const frame = cut.frames[i]!
      if (words[arena.frameAt(frame) + Frame.saved] !== 0) dropSaved(context, group, frame, isDurable)
      if (markClean(context, group, frame, cut.number)) cleaned.push(frame)
    }
    unlockRound(context, group)
    readmit(context, cleaned)
    broadcast(context, group)
  }
}

/** Whoever did not say that all went well is fenced, and the round ends. True if it goes on. */
function endStage(
  context: Context,
  group: number,
  cut: Cut,
  lanes: readonly Lane[],
  report: (event: RoundEvent) => void,
): boolean {
  const failed = lanes.filter(({ hasFailed }) => hasFailed)
  if (failed.length === 0) return true
  seizeRound(context, group)
  for (const { partition } of failed) fence(context, group, partition, report)
  failRound(context, group, cut.spokeFor)
  unlockRound(context, group)
  broadcast(context, group)
  return false
}

/** The frame's own image is durable, if it is within the cut. True if the frame left the dirty list. @requires round mutex */
function markClean(context: Context, group: number, frame: FrameIndex, cut: number): boolean {
  const stateAt = context.arena.frameAt(frame) + Frame.state
  // Read-modify-write: whoever has the latch may set CHANGING beside us.
  if (isUnwritten(load(context.words, stateAt), cut)) and(context.words, stateAt, ~State.CLASS_MASK)
  const isClean = (load(context.words, stateAt) & State.CLASS_MASK) === 0
  if (isClean) unlinkDirty(context, group, frame)
  return isClean
}

/** Clean frames may be victims again. @takes policy mutex */
function readmit(context: Context, frames: readonly FrameIndex[]): void {
  const { words, arena, policyMutex, policy } = context
  if (frames.length === 0) return
  seizePolicy(context)
  for (const frame of frames) {
    if (words[arena.frameAt(frame) + Frame.keyHigh] !== 0 && !policy.has(frame)) policy.readmit(frame)
  }
  policyMutex.unlock()
}

/** Everything of the cut is durable. @takes round mutex */
function finishRound(context: Context, group: number, cut: Cut, report: (event: RoundEvent) => void): void {
  const { words, arena } = context
  const at = arena.groupAt(group)
  seizeRound(context, group)
  context.rounds[group]!.finish(cut.number)
  words[at + Group.cut] = 0
  words[at + Group.rounds]!++
  for (const { index: partition, group: of } of context.partitions) {
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
  unlockRound(context, group)
  if (context.isTraced) context.tracer.record(TRACE['work.done'], group, 0, cut.number)
  broadcast(context, group)
}
