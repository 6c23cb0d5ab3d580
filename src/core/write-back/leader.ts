/**
 * A thread that flushes runs a small round itself: it writes and fsyncs on its own stack, so no other thread has to wake up.
 * It is then the leader of its group. Threads that flush in the meantime wait until it is over, and one of them leads the next
 * round, for all of them. A partial round (partial.ts) is led in the same way; its word is `Group.partial`.
 *
 *   Group.leader   NONE --begin, under the round mutex, with the cut--> slot + 1
 *                  slot + 1 --all durable, with the cut--------------> NONE
 *                           --a call of the device failed------------> FAILED    the flush worker fences, and ends the round
 *                           --any other exception--------------------> GAVE_UP   the flush worker drops the cut
 *                           --the thread dies------------------------> NONE      the reaper drops the cut
 *
 * `take` says which rounds a thread leads. The flush worker begins no round of a group that has a leader, and a thread leads
 * none while the flush worker runs one, or is asked for one: so a group has one round at a time. A leader takes mutexes as any
 * client does, because only the flush worker may steal one.
 */
import { performance } from 'node:perf_hooks'
import { load, store } from '#atomics'
import type { Slow } from '../../shared/wait.js'
import { type RoundKind, TRACE } from '../../shared/trace.js'
import { ringBell } from '../wait/bell.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { WhileRunning } from '../wait/watch.js'
import type { Context } from '../context.js'
import { roundEnd, roundStart, spanEnd, spanStart } from '../spans.js'
import { lockRound, type Part, type RoundLeader, unlockRound } from '../changes/rounds.js'
import { concludeRound, markAllClean, readmit } from './clean.js'
import { beginCut, type Cut, listUnwritten } from './cut.js'
import type { Job } from './order.js'
import { DeviceFailure } from './device-failure.js'
import { noteFailure } from './fence.js'
import { ImageWriter, type WriteMeans } from './image-writer.js'
import { PartitionSink, type WriteDevice } from './partition-sink.js'
import {
  beginRecordCut,
  concludeRecordRound,
  concludeWriting,
  markRecorded,
  type RecordCut,
} from './record-cut.js'
import { RecordWriter } from './record-writer.js'
import { awaitsOthers, noteRecordTime } from '../changes/gather.js'
import { hasJournal } from '../changes/recorded.js'
import { beginPartial, concludePartial, isPassed, type PartialCut } from './partial.js'
import { wantedThrough } from '../changes/through.js'
import { Group, Led } from '../../shared/words.js'

/** The most blocks of a round that a thread leads. More are worth the hops, and are written by all partitions in parallel. */
const BLOCKS_MAX = 16
/** The most blocks of a record that a thread writes: one file has them all, so there is nothing to do in parallel. */
const RECORD_BLOCKS_MAX = 128

export class Leader implements RoundLeader {
  readonly #context: Context
  readonly #writers: { readonly images: ImageWriter; readonly sink: PartitionSink }[] = []
  readonly #records: RecordWriter
  /** Journal entries, which the slot lends during a round. */
  readonly #entries: number[] = []
  readonly #means: WriteMeans
  #cut: Cut | PartialCut | RecordCut | undefined
  /** What is being written, for the report of a failure. */
  #job: Job | undefined
  /** How long writing the record took. */
  #recordMs = 0

  /** `context`: that of a thread that may block. */
  constructor(context: Context) {
    this.#context = context
    this.#means = {
      writeBytes: BLOCKS_MAX * context.arena.geometry.frameSize,
      entries: this.#entries,
      staging: undefined,
    }
    this.#records = new RecordWriter(context, this.#means, (device) => counted(context, device))
  }

  /**
   * What the calling thread does for a round of a group. If it leads, the cut is made, and `run` must follow. It does not lead
   * if much is unwritten, or an older image of a block; if the group has a fence; or if the flush worker runs a round or is
   * asked for one. It leads a partial round while the full one is past its classes.
   * @requires round mutex
   */
  take(group: number, through: number | undefined, hasGathered: boolean): Part {
    const context = this.#context
    context.roundMutexes[group]!.assertHeld(context.slot.index)
    const { words, arena } = context
    const at = arena.groupAt(group)
    if (hasJournal(context, group)) return this.#takeRecord(group, hasGathered)
    if (words[at + Group.leader]! > 0 || words[at + Group.partial]! > 0) return 'follow'
    if (words[at + Group.leader] !== Led.NONE || words[at + Group.partial] !== Led.NONE) return 'ask'
    if (words[at + Group.fences] !== 0 || !context.isRunning) return 'ask'
    if (through !== undefined) return this.#takePartial(group, through)
    if (words[at + Group.cut] !== 0 || words[at + Group.dirty]! > BLOCKS_MAX) return 'ask'
    if (context.rounds[group]!.isWanted) return 'ask'
    const { unwritten, layered } = listUnwritten(context, group)
    if (layered.length > 0 || !this.#lendsEntries()) return 'ask'
    const number = words[at + Group.epoch]!
    // The leader first: a cut without one is the flush worker's, and no thread would lead before its next round.
    store(words, at + Group.leader, context.slot.index + 1)
    beginCut(context, group, number)
    this.#cut = { number, spokeFor: number, ...unwritten.sorted() }
    return 'lead'
  }

  /** With a journal: a record may be written while blocks of earlier ones are written in place. @requires round mutex */
  #takeRecord(group: number, hasGathered: boolean): Part {
    const context = this.#context
    const { words, arena } = context
    const at = arena.groupAt(group)
    if (words[at + Group.leader]! > 0) return 'follow'
    const isFree = words[at + Group.leader] === Led.NONE && words[at + Group.cut] === 0
    if (!isFree || words[at + Group.fences] !== 0 || !context.isRunning || context.rounds[group]!.isWanted)
      return 'ask'
    if (awaitsOthers(context, group, hasGathered)) return 'gather'
    if (!this.#lendsEntries()) return 'ask'
    this.#cut = beginRecordCut(context, group, RECORD_BLOCKS_MAX, context.slot.index + 1)
    if (this.#cut !== undefined) return 'lead'
    context.slot.takeBackEntries(this.#entries)
    return 'ask'
  }

  #takePartial(group: number, through: number): Part {
    const context = this.#context
    if (!isPassed(context, group, through)) return 'follow'
    if (!this.#lendsEntries()) return 'ask'
    this.#cut = beginPartial(context, group, through, context.slot.index + 1, BLOCKS_MAX)
    if (this.#cut !== undefined) return 'lead'
    context.slot.takeBackEntries(this.#entries)
    return 'ask'
  }

  mayTake(group: number, through?: number): boolean {
    const { words, arena } = this.#context
    const at = arena.groupAt(group)
    if (load(words, at + Group.leader) > Led.NONE) return false
    if (hasJournal(this.#context, group)) return true
    if (load(words, at + Group.partial) > Led.NONE) return false
    return through === undefined || isPassed(this.#context, group, through)
  }

  #lendsEntries(): boolean {
    this.#context.slot.lendEntries(this.#entries, BLOCKS_MAX)
    return this.#entries.length > 0
  }

  /**
   * Runs the round. If a call of the device fails, the flush worker ends the round, and the caller waits for that.
   * @takes round mutex, policy mutex, one after the other
   * @throws the error of notOpenError, if the engine stops
   */
  *run(group: number): Slow<void> {
    const context = this.#context
    const cut = this.#cut!
    const startMs = roundStart(context)
    let isDone = false
    try {
      if (context.isTraced) context.tracer.record(TRACE['work.cut'], group, cut.frames.length, cut.number)
      if ('isLast' in cut) yield* this.#record(group, cut)
      else for (let first = 0; first < cut.jobs.length;) first = yield* this.#stage(group, cut, first)
      yield* lockRound(context, group, new WhileRunning(context))
      if ('isLast' in cut) {
        concludeWriting(context, group, cut)
        markRecorded(context, group, cut.frames, cut.number)
        concludeRecordRound(context, group, cut)
        if (cut.contents) noteRecordTime(context, group, this.#recordMs)
        this.#leave(group, Led.NONE)
      } else if ('boundBefore' in cut) {
        concludePartial(context, group, cut)
      } else {
        concludeRound(context, group, cut.number)
        this.#leave(group, Led.NONE)
      }
      unlockRound(context, group)
      isDone = true
      if (context.isTraced) context.tracer.record(TRACE['work.done'], group, 0, cut.number)
    } catch (error) {
      if (!(error instanceof DeviceFailure) || !context.isRunning) {
        this.#leave(group, Led.GAVE_UP)
        throw context.isRunning ? error : context.notOpen()
      }
      this.#noteFailure(group, error)
      this.#leave(group, Led.FAILED)
    } finally {
      context.slot.takeBackEntries(this.#entries)
      this.#tell(group)
      roundEnd(context, startMs, group, cut, kindOf(cut), isDone)
    }
  }

  *#record(group: number, cut: RecordCut): Slow<void> {
    this.#job = cut.jobs[0]
    const startMs = performance.now()
    if (cut.contents) yield* this.#records.write(group, cut.frames, cut.number, cut.contents)
    this.#recordMs = performance.now() - startMs
  }

  /** Writes the class of this job, and makes its blocks clean. Returns the first job of the next class. */
  *#stage(group: number, cut: Cut, first: number): Slow<number> {
    const context = this.#context
    const { frames, jobs } = cut
    const startMs = spanStart(context)
    let next = first
    for (; jobs[next]?.writeClass === jobs[first]!.writeClass; next++) {
      const job = (this.#job = jobs[next]!)
      yield* this.#writerOf(job.partition).images.writeAll(frames.subarray(job.start, job.end), cut.number)
    }
    for (const job of jobs.slice(first, next)) {
      this.#job = job
      this.#writerOf(job.partition).sink.sync()
    }
    yield* lockRound(context, group, new WhileRunning(context))
    const cleaned = markAllClean(context, group, cut, jobs[first]!.start, jobs[next - 1]!.end)
    unlockRound(context, group)
    const { policyMutex, slot } = context
    if (!policyMutex.tryLock(slot.index)) yield* waitForMutex(context, policyMutex, new WhileRunning(context))
    readmit(context, cleaned)
    policyMutex.unlock()
    const { start, writeClass } = jobs[first]!
    spanEnd(context, 'work.stage', startMs, group, jobs[next - 1]!.end - start, writeClass)
    return next
  }

  #writerOf(partition: number): { readonly images: ImageWriter; readonly sink: PartitionSink } {
    const known = this.#writers[partition]
    const view = this.#context.partitions.at(partition)
    if (known?.images.partition === view) return known
    const sink = new PartitionSink(this.#context, view, counted(this.#context, view.device))
    const images = new ImageWriter(this.#context, view, this.#means, sink)
    return (this.#writers[partition] = { images, sink })
  }

  #noteFailure(group: number, failure: DeviceFailure): void {
    const { words, arena } = this.#context
    const { partition, writeClass } = this.#job!
    noteFailure(this.#context, partition, writeClass, failure)
    words[arena.groupAt(group) + (this.#isPartial ? Group.partialPartition : Group.failedPartition)] =
      partition
  }

  get #isPartial(): boolean {
    return this.#cut?.through !== undefined
  }

  #leave(group: number, led: Led): void {
    const { words, arena } = this.#context
    store(words, arena.groupAt(group) + (this.#isPartial ? Group.partial : Group.leader), led)
  }

  /**
   * Wakes the threads that waited for this round. Rings the flush worker if the round's end is left to it, or if it was asked for
   * a round in the meantime, which it could not begin.
   */
  #tell(group: number): void {
    const context = this.#context
    context.rounds[group]!.signal()
    context.spareFreed[group]!.signal()
    context.freed.signal()
    const { words, arena } = context
    const at = arena.groupAt(group)
    const isLeft = load(words, at + Group.leader) < 0 || load(words, at + Group.partial) < 0
    const isAwaited =
      context.rounds[group]!.isWanted ||
      load(words, at + Group.yields) !== 0 ||
      // Blocks of the older half of a journal could not all be written in place before this.
      load(words, at + Group.owes) === 1
    if (isLeft || isAwaited || wantedThrough(context, group) > 0) ringBell(context)
  }
}

const kindOf = (cut: Cut | PartialCut | RecordCut): RoundKind =>
  'isLast' in cut ? 'record' : 'boundBefore' in cut ? 'partial' : 'full'

/** A device whose calls are counted, so that `close` keeps the file open until they return; none begins after that. */
function counted(context: Context, device: WriteDevice): WriteDevice {
  const count = (call: () => void) => {
    context.slot.enterIo()
    try {
      context.assertRunning()
      call()
    } finally {
      context.slot.leaveIo()
    }
  }
  return {
    writeSync: (sources, position) => {
      count(() => {
        device.writeSync(sources, position)
      })
    },
    syncSync: () => {
      count(() => {
        device.syncSync()
      })
    },
  }
}
