/**
 * Write-back, the work of the flush worker. A round makes everything durable that is stamped up to its cut, class by class:
 * all partitions write in parallel, each fsyncs, and only then does the next class begin.
 *
 *   IDLE --wanted, or due--> CUT --> STAGE(class 1) --all succeeded--> STAGE(2) ... --> DONE --> IDLE
 *                                     `--one failed--> FENCED: the cut is dropped, later classes are held back --> IDLE
 *
 * Within a stage each partition has a lane: its blocks are written in one job, or in parts, each followed by an fsync after
 * which its blocks are clean (pace.ts decides how many, and when). Any writer can do any job (writer-pool.ts).
 *
 *   lane   WAITS --pace allows it, a writer is idle--> ASKED --writer idle, OK--> its blocks clean; WAITS, or OVER after the last
 *                                                        |--writer idle, FAILED--> FAILED
 *                                                        `--the writer stopped, with the engine--> never over
 *          WAITS --partition is fenced--> FAILED
 *
 * An image is unwritten until it is durable (cut.ts). A held guard never delays a round.
 *
 * A round is a generator that yields while it waits for writers or for its pace, so that one flush worker can run the rounds
 * of all groups concurrently.
 */
import { performance } from 'node:perf_hooks'
import { load, store } from '#atomics'
import type { FrameIndex } from '../../shared/indices.js'
import { TRACE } from '../../shared/trace.js'
import type { Context } from '../context.js'
import { roundEnd, roundStart, spanEnd, spanStart } from '../spans.js'
import { concludeRound, markAllClean, readmit } from './clean.js'
import { type Cut, makeCut } from './cut.js'
import { broadcast, failRound, failsForAge, fence, noteFailure, type RoundEvent } from './fence.js'
import type { Job } from './order.js'
import type { Pace } from './pace.js'
import type { PlanSpace } from './plan.js'
import { NO_WRITER, type WriterPool } from './writer-pool.js'
import { seizePolicy, seizeRound } from '../recovery/seize.js'
import { unlockRound } from '../changes/rounds.js'
import { beginPartial, BY_FLUSH_WORKER, concludePartial, failPartial } from './partial.js'
import { hasJournal } from '../changes/recorded.js'
import { finishThrough } from '../changes/through.js'
import { Fence, Frame, Group, Job as JobWord, JobResult, Led, Partition, State } from '../../shared/words.js'

/** Frames that become clean in one critical section of the round mutex; releases of changes wait for it. */
export const CLEAN_MAX = 1024

/** What the rounds of all groups share. */
export interface RoundMeans {
  readonly plans: PlanSpace
  readonly writers: WriterPool
}

/**
 * Runs one round of a group; yields while writers are at work, or the pace requires a rest. Called by the flush worker, for
 * one round per group at a time.
 * @takes round mutex, policy mutex, one after the other
 */
export function* runRound(
  context: Context,
  group: number,
  means: RoundMeans,
  pace: Pace,
  report: (event: RoundEvent) => void,
): Generator<void, void, void> {
  if (failsForAge(context, group, failRound)) return
  const startMs = roundStart(context)
  const cut = makeCut(context, group, pace.isDue)
  if (cut === undefined) return
  const failed = yield* runStages(context, group, cut, means, pace)
  const isDone = failed.length === 0
  if (isDone) {
    pace.hot = cut.frames.reduce((hot, frame) => (isDirty(context, frame) ? hot + 1 : hot), 0)
    finishRound(context, group, cut, report)
  } else endFailed(context, group, cut, failed, report)
  roundEnd(context, startMs, group, cut, 'full', isDone)
}

/**
 * Runs a partial round (partial.ts), at the device's speed. Returns false if it may not begin yet. Called as `runRound`, which may
 * be under way.
 */
export function* runPartial(
  context: Context,
  group: number,
  through: number,
  means: RoundMeans,
  report: (event: RoundEvent) => void,
): Generator<void, boolean, void> {
  if (failsForAge(context, group, failPartial)) return true
  const startMs = roundStart(context)
  seizeRound(context, group)
  const isFree = context.words[context.arena.groupAt(group) + Group.partial] === Led.NONE
  const cut = isFree ? beginPartial(context, group, through, BY_FLUSH_WORKER) : undefined
  unlockRound(context, group)
  if (cut === undefined) return false
  const failed = yield* runStages(context, group, cut, means, AT_ONCE)
  const isDone = failed.length === 0
  if (isDone) {
    seizeRound(context, group)
    concludePartial(context, group, cut)
    unlockRound(context, group)
    if (context.isTraced) context.tracer.record(TRACE['work.done'], group, 0, cut.number)
    broadcast(context, group)
  } else endFailed(context, group, cut, failed, report)
  roundEnd(context, startMs, group, cut, 'partial', isDone)
  return true
}

/** The pace of a partial round: all at once. */
const AT_ONCE: Pick<Pace, 'blocksNow'> = { blocksNow: (left) => left }

/** Writes a cut, class by class. Returns the lanes that failed; the classes after theirs are not written. */
export function* runStages(
  context: Context,
  group: number,
  cut: Cut,
  { plans, writers }: RoundMeans,
  pace: Pick<Pace, 'blocksNow'>,
): Generator<void, Lane[], void> {
  const { frames, jobs } = cut
  if (context.isTraced) context.tracer.record(TRACE['work.cut'], group, frames.length, cut.number)
  for (let first = 0; first < jobs.length;) {
    let next = first
    while (jobs[next]?.writeClass === jobs[first]!.writeClass) next++
    const stage = jobs.slice(first, next)
    const startMs = spanStart(context)
    if (cut.through === undefined && !hasJournal(context, group)) beginStage(context, group, cut, first)
    const lanes = stage.map((job) => new Lane(context, group, cut, job, plans, writers))
    // Continue all lanes before asking whether all are over.
    while (!lanes.map((lane) => lane.goOn(pace)).every((isOver) => isOver)) yield
    const blocks = stage.at(-1)!.end - stage[0]!.start
    spanEnd(context, 'work.stage', startMs, group, blocks, stage[0]!.writeClass)
    const failed = lanes.filter(({ hasFailed }) => hasFailed)
    if (failed.length > 0) return failed
    first = next
  }
  return []
}

/** Begins a stage of a full round: earlier classes are durable, and a partial round may write them. @takes round mutex */
function beginStage(context: Context, group: number, cut: Cut, first: number): void {
  const { words, arena } = context
  const { writeClass } = cut.jobs[first]!
  const left = new Set(cut.jobs.slice(first).map(({ partition }) => partition))
  seizeRound(context, group)
  for (const { index } of context.partitions.ofGroup(group))
    words[arena.partitionAt(index) + Partition.inRound] = left.has(index) ? 1 : 0
  finishThrough(context, group, writeClass - 1, cut.number)
  store(words, arena.groupAt(group) + Group.stage, writeClass)
  unlockRound(context, group)
  context.rounds[group]!.broadcast()
}

export const isDirty = ({ words, arena }: Context, frame: FrameIndex): boolean =>
  (load(words, arena.frameAt(frame) + Frame.state) & State.CLASS_MASK) !== 0

/** One partition's share of a stage. */
class Lane {
  readonly partition: number
  /** Whether its last job failed. Blocks of earlier jobs are clean. */
  hasFailed = false
  readonly #context: Context
  readonly #group: number
  readonly #cut: Cut
  readonly #job: Job
  readonly #plans: PlanSpace
  readonly #writers: WriterPool
  /** Positions in the cut's frames: those up to `#done` are clean, those from there up to `#asked` are with the writer. */
  #done: number
  #asked: number
  /** Where the plan of the current job is, and the writer that has it; NO_WRITER if there is no job. */
  #plan = 0
  #writer = NO_WRITER
  /** Number of blocks that the pace has allowed and that the plan region had no room for yet. */
  #granted = 0
  #askedAtMs = 0
  /** When the last job ended, and how long it took. */
  #overAtMs = -Infinity
  #tookMs = 0
  /** Whether a writer was asked; not if the partition was found fenced. */
  wasAsked = false

  constructor(context: Context, group: number, cut: Cut, job: Job, plans: PlanSpace, writers: WriterPool) {
    this.partition = job.partition
    this.#context = context
    this.#group = group
    this.#cut = cut
    this.#job = job
    this.#plans = plans
    this.#writers = writers
    this.#done = this.#asked = job.start
  }

  /** Continues as far as possible without waiting; returns whether the lane is over. */
  goOn(pace: Pick<Pace, 'blocksNow'>): boolean {
    while (!this.#isOver) {
      if (this.#writer !== NO_WRITER) {
        if (!this.#writers.isIdle(this.#writer) || this.#hasStopped()) return false
        this.#conclude()
      } else {
        const { blockSize } = this.#context.partitions.at(this.partition)
        const left = this.#job.end - this.#done
        if (this.#granted === 0) this.#granted = pace.blocksNow(left, blockSize, this.#overAtMs, this.#tookMs)
        if (this.#granted === 0) return false
        if (this.#isFenced()) {
          this.hasFailed = true
          return true
        }
        if (!this.#asks(this.#granted)) return false
      }
    }
    return true
  }

  get #isOver(): boolean {
    return this.hasFailed || this.#done === this.#job.end
  }

  #isFenced(): boolean {
    const { words, arena } = this.#context
    return load(words, arena.partitionAt(this.partition) + Partition.fenced) === Fence.FENCED
  }

  /** Gives a writer a job; returns false if none is idle, or the plan region has no room. */
  #asks(count: number): boolean {
    const { words, arena } = this.#context
    const writer = this.#writers.choose(this.partition)
    if (writer === NO_WRITER) return false
    const plan = this.#plans.take(count)
    if (plan < 0) return false
    words.set(this.#cut.frames.subarray(this.#done, this.#done + count), arena.planAt + plan)
    if (!this.#writers.asks(writer, this.partition, plan, count, this.#cut.number)) {
      this.#plans.give(plan, count)
      return false // it rings when it has left
    }
    this.#askedAtMs = performance.now()
    this.#asked = this.#done + count
    this.#plan = plan
    this.#granted = 0
    this.wasAsked = true
    this.#writer = writer
    return true
  }

  /** Whether the writer ended without a result, because the engine stops. That is not a failure of the device. */
  #hasStopped(): boolean {
    const { words, arena } = this.#context
    return words[arena.jobAt(this.#writer) + JobWord.result] === JobResult.NONE
  }

  /** Makes what was written and fsynced clean. @requires that the writer is idle */
  #conclude(): void {
    const { words, arena } = this.#context
    const at = arena.jobAt(this.#writer)
    this.#plans.give(this.#plan, this.#asked - this.#done)
    const isWell = words[at + JobWord.result] === JobResult.OK
    this.#overAtMs = performance.now()
    this.#tookMs = this.#overAtMs - this.#askedAtMs
    if (isWell) clean(this.#context, this.#group, this.#cut, this.#done, this.#asked)
    else {
      const failure = { errno: words[at + JobWord.errno]!, syscall: words[at + JobWord.syscall]! }
      noteFailure(this.#context, this.partition, this.#job.writeClass, failure)
    }
    this.#writers.give(this.#writer)
    this.#writer = NO_WRITER
    this.hasFailed = !isWell
    this.#done = this.#asked
  }
}

/** Makes frames of the cut clean whose images are durable. @takes round mutex, policy mutex, one after the other */
function clean(context: Context, group: number, cut: Cut, from: number, to: number): void {
  for (let start = from; start < to; start += CLEAN_MAX) {
    seizeRound(context, group)
    const cleaned = markAllClean(context, group, cut, start, Math.min(to, start + CLEAN_MAX))
    unlockRound(context, group)
    if (cleaned.length > 0) {
      seizePolicy(context)
      readmit(context, cleaned)
      context.policyMutex.unlock()
    }
    broadcast(context, group)
  }
}

/** Ends a round after a failure: fences the partitions of the lanes that failed. @takes round mutex */
function endFailed(
  context: Context,
  group: number,
  cut: Cut,
  lanes: readonly Lane[],
  report: (event: RoundEvent) => void,
): void {
  seizeRound(context, group)
  for (const { partition, wasAsked } of lanes) fence(context, group, partition, wasAsked, report)
  if (cut.through === undefined) failRound(context, group, cut.spokeFor)
  else failPartial(context, group, cut.spokeFor)
  unlockRound(context, group)
  broadcast(context, group)
}

/** Ends a round in which everything of the cut became durable. @takes round mutex */
function finishRound(context: Context, group: number, cut: Cut, report: (event: RoundEvent) => void): void {
  seizeRound(context, group)
  concludeRound(context, group, cut.number)
  restoreFences(context, group, report)
  unlockRound(context, group)
  if (context.isTraced) context.tracer.record(TRACE['work.done'], group, 0, cut.number)
  broadcast(context, group)
}

/** Lowers the fences that `retry` lifted for an attempt: it went well. @requires round mutex */
export function restoreFences(context: Context, group: number, report: (event: RoundEvent) => void): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  for (const { index: partition } of context.partitions.ofGroup(group)) {
    const fencedAt = arena.partitionAt(partition) + Partition.fenced
    if (words[fencedAt] !== Fence.RETRYING) continue
    store(words, fencedAt, Fence.OPEN)
    words[arena.groupAt(group) + Group.fences]!--
    report({ kind: 'restored', partition, writeClass: 0, errno: 0, syscall: 0 })
  }
}
