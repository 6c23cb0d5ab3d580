/**
 * The rounds of a group with a journal, as the flush worker runs them (decision D78). There are two kinds, which run at the same time:
 *
 *   record   cut --> a writer writes the record, and syncs it --> flushes return     one at a time, by the flush worker or a leader
 *   places   blocks that are in durable records are written in place, each partition is synced --> clean     one at a time
 *
 * A record that has no room in its half begins the other one, and waits until that is free: the round of places writes the blocks that
 * the older half owes, as they were recorded, from memory. Nothing of that waits for a record, so there is always a way.
 *
 * A failure of the journal fences the first partition of the record; a failure in place, the partition. While a partition is fenced,
 * records fail, and so do flushes; blocks are written in place only for a partition that is retried.
 */
import { store } from '#atomics'
import type { Context } from '../context.js'
import { roundEnd, roundStart } from '../spans.js'
import { seizeRound } from '../recovery/seize.js'
import { unlockRound } from '../changes/rounds.js'
import { isAfter } from '../../shared/stamp.js'
import { TRACE } from '../../shared/trace.js'
import { CLASSES_MAX } from '../../shared/layout.js'
import { broadcast, failsForAge, fence, noteFailure, type RoundEvent } from './fence.js'
import type { Pace } from './pace.js'
import { BY_FLUSH_WORKER } from './partial.js'
import {
  beginRecordCut,
  concludeRecordRound,
  concludeWriting,
  failRecordRound,
  hasFence,
  markRecorded,
  placeCut,
  type RecordCut,
} from './record-cut.js'
import { CLEAN_MAX, isDirty, restoreFences, type RoundMeans, runStages } from './writeback.js'
import { NO_WRITER } from './writer-pool.js'
import { DelayedKick, Fence, Group, Job, JobResult, Led } from '../../shared/words.js'

/** Runs a round that writes a record. Returns false if it could not begin, and must be tried again. @takes round mutex */
export function* runRecordRound(
  context: Context,
  group: number,
  means: RoundMeans,
  report: (event: RoundEvent) => void,
): Generator<void, boolean, void> {
  if (failsForAge(context, group, failRecordRound)) return true
  const { words } = context
  const at = context.arena.groupAt(group)
  const startMs = roundStart(context)
  seizeRound(context, group)
  let cut: RecordCut | undefined
  const hasFailed = hasFence(context, group, Fence.FENCED)
  if (hasFailed) failRecordRound(context, group, words[at + Group.epoch]!)
  else if (words[at + Group.leader] === Led.NONE) cut = beginRecordCut(context, group)
  unlockRound(context, group)
  if (hasFailed) broadcast(context, group)
  if (cut === undefined) return hasFailed
  if (context.isTraced) context.tracer.record(TRACE['work.cut'], group, cut.frames.length, cut.number)
  const result = cut.frames.length === 0 ? JobResult.OK : yield* writeRecord(context, cut, means)
  if (result === JobResult.OK) conclude(context, group, cut)
  else endFailed(context, group, cut, report)
  broadcast(context, group)
  roundEnd(context, startMs, group, cut, 'record', result === JobResult.OK)
  return true
}

/** Has a writer write the record; returns the result. */
function* writeRecord(
  context: Context,
  { frames, jobs, number }: RecordCut,
  { plans, writers }: RoundMeans,
): Generator<void, JobResult, void> {
  const { words, arena } = context
  const { partition } = jobs[0]!
  let plan: number
  while ((plan = plans.take(frames.length)) < 0) yield
  words.set(frames, arena.planAt + plan)
  let writer: number
  for (;;) {
    writer = writers.choose(partition)
    if (writer !== NO_WRITER && writers.asks(writer, partition, plan, frames.length, number, true)) break
    yield
  }
  const at = arena.jobAt(writer)
  // Without a result the engine stops; nothing is concluded.
  do yield
  while (!writers.isIdle(writer) || words[at + Job.result] === JobResult.NONE)
  plans.give(plan, frames.length)
  const result = words[at + Job.result]!
  if (result === JobResult.FAILED) {
    const failure = { errno: words[at + Job.errno]!, syscall: words[at + Job.syscall]! }
    noteFailure(context, partition, jobs[0]!.writeClass, failure)
  }
  writers.give(writer)
  return result
}

/** @takes round mutex, as often as releases need it */
function conclude(context: Context, group: number, cut: RecordCut): void {
  seizeRound(context, group)
  concludeWriting(context, group, cut)
  for (let start = 0; start < cut.frames.length; start += CLEAN_MAX) {
    if (start > 0) {
      unlockRound(context, group)
      seizeRound(context, group)
    }
    markRecorded(context, group, cut.frames.subarray(start, start + CLEAN_MAX), cut.number)
  }
  concludeRecordRound(context, group, cut)
  unlockRound(context, group)
  if (context.isTraced) context.tracer.record(TRACE['work.done'], group, 0, cut.number)
}

/** @takes round mutex */
function endFailed(
  context: Context,
  group: number,
  cut: RecordCut,
  report: (event: RoundEvent) => void,
): void {
  seizeRound(context, group)
  fence(context, group, cut.jobs[0]!.partition, true, report)
  failRecordRound(context, group, cut.spokeFor)
  unlockRound(context, group)
}

/** Writes recorded blocks in place; yields as `runRound`. @takes round mutex, policy mutex, one after the other */
export function* runPlaces(
  context: Context,
  group: number,
  means: RoundMeans,
  pace: Pace,
  report: (event: RoundEvent) => void,
): Generator<void, void, void> {
  const { words } = context
  const at = context.arena.groupAt(group)
  const startMs = roundStart(context)
  seizeRound(context, group)
  store(words, at + Group.places, 0)
  words[at + Group.delayed] = DelayedKick.NONE
  const cut = placeCut(context, group)
  // Of a record that is being written nothing is in this cut.
  const owedTo = words[at + Group.owedTo]!
  const isDurable = words[at + Group.cut] === 0 || !isAfter(owedTo, cut.number)
  const frees = words[at + Group.owes] === 1 && cut.isAll && isDurable
  // Its blocks are not dropped from the cache while a writer may have them (blocks/forget.ts).
  store(words, at + Group.partial, BY_FLUSH_WORKER)
  words[at + Group.partialThrough] = CLASSES_MAX
  store(words, at + Group.partialCut, cut.number + 1)
  unlockRound(context, group)
  const failed = yield* runStages(context, group, cut, means, pace)
  seizeRound(context, group)
  for (const { partition, wasAsked } of failed) fence(context, group, partition, wasAsked, report)
  // Threads that wait for frames or spares are told. Flushes are not: what they waited for is in the journal.
  if (failed.length > 0) context.rounds[group]!.countFailure()
  else {
    // What the older half had when the cut was made is durable, or was changed and is in a record of the half in use.
    if (frees && words[at + Group.owedTo] === owedTo) words[at + Group.owes] = 0
    restoreFences(context, group, report)
    pace.hot = cut.frames.reduce((hot, frame) => (isDirty(context, frame) ? hot + 1 : hot), 0)
  }
  store(words, at + Group.partialCut, 0)
  store(words, at + Group.partial, Led.NONE)
  if (words[at + Group.dirty]! > 0 && words[at + Group.delayed] === DelayedKick.NONE)
    words[at + Group.delayed] = DelayedKick.ASKED
  unlockRound(context, group)
  broadcast(context, group)
  roundEnd(context, startMs, group, cut, 'places', failed.length === 0)
}
