/**
 * A partition's writer: one write for each run of neighbouring blocks of a job, then one fsync. For every block it takes the
 * image that the round owes:
 *
 *   the frame itself, pinned meanwhile      nobody changes it, and its stamp is within the cut: no mutex is needed
 *
 * and where that is not so, under the round mutex:
 *
 *   an aside within the cut          a spare that nobody changes until the stage is over
 *   else CHANGING                    a copy of the undo image: what the block was at its last release
 *   latched, but not yet CHANGING    somebody is copying its image just now: another block first
 *
 * It writes outside of the mutex, and never waits for a client. Nothing becomes clean here: that is the flush worker's,
 * after the fsync.
 *
 * How a job ends. Only what a call of the device throws is a failure of the device:
 *
 *   OK        written, and fsynced
 *   FAILED    a write or the fsync failed: errno and syscall say how
 *   NONE      the engine stopped meanwhile; the flush worker concludes nothing from it
 *   none      any other exception is a fault of the engine: it ends the thread, and the next writer does the job again
 */
import { add, compareExchange, load } from '#atomics'
import { WRITE_BYTES_DEFAULT } from '../../shared/config.js'
import { tryPinPastMarks } from '../../shared/latch.js'
import { GUARDS_MAX } from '../../shared/layout.js'
import { isUnwritten } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { TRACE } from '../../shared/trace.js'
import { runSync, type Slow } from '../../shared/wait.js'
import { ringBell } from '../wait/bell.js'
import { unpinFrame } from '../blocks/hit.js'
import { blockOf, type Context, type PartitionView } from '../context.js'
import { spareData } from '../changes/images.js'
import { lockRound, unlockRound } from '../changes/rounds.js'
import { WhileRunning } from '../wait/watch.js'
import {
  Counter,
  Frame,
  Group,
  JobResult,
  JobState,
  Journal,
  Partition,
  Spare,
  State,
} from '../../shared/words.js'

/** In place of bytes: somebody is copying the image just now. */
const BUSY = new Uint8Array()

/** What a call of the device threw. */
class DeviceFailure extends Error {
  readonly errno: number
  /** As in Partition.syscall. */
  readonly syscall: number

  constructor(cause: unknown, syscall: number) {
    super('a call of the device failed', { cause })
    this.errno = (cause as NodeJS.ErrnoException).errno ?? EIO
    this.syscall = syscall
  }
}
const EIO = -5

/** How long a latch that is only being copied under is given before its block is tried again. */
const BUSY_MS = 1

export class Writer {
  readonly #context: Context
  readonly #partition: PartitionView
  readonly #at: number
  readonly #groupAt: number
  /** Journal entries, one for each block that a write may have. */
  readonly #entries: readonly number[]
  /** The frames of the run that is being written. */
  readonly #run: Int32Array

  /** `writeBytes`: a write is at most so long, and has as many blocks as a thread can pin. */
  constructor(context: Context, partition: number, writeBytes = WRITE_BYTES_DEFAULT) {
    this.#context = context
    this.#partition = context.partitions[partition]!
    this.#at = context.arena.partitionAt(partition)
    this.#groupAt = context.arena.groupAt(this.#partition.group)
    const most = Math.floor(writeBytes / this.#partition.blockSize)
    const length = Math.max(1, Math.min(GUARDS_MAX, most))
    this.#entries = Array.from({ length }, () => context.slot.takeEntry())
    this.#run = new Int32Array(length)
    // The writer before may have ended inside a call.
    if (this.#isInCall) add(context.words, this.#at + Partition.calls, 1)
  }

  /** Whether the flush worker asks for something. */
  get isAsked(): boolean {
    return load(this.#context.words, this.#at + Partition.job) === JobState.ASKED
  }

  /**
   * Does the job that was asked for, reports, and rings the flush worker.
   * @requires isAsked
   * @throws faults of the engine; the job is still asked for then
   */
  runJob(): void {
    runSync(this.job(), this.#context.mayBlock)
  }

  /** The same, for a thread that has its own way to wait. */
  *job(): Slow<void> {
    const { words } = this.#context
    try {
      yield* this.#writeAll()
      this.#call(1, () => {
        this.#partition.device.syncSync()
      })
      words[this.#at + Partition.result] = JobResult.OK
    } catch (error) {
      if (error instanceof DeviceFailure) {
        words[this.#at + Partition.errno] = error.errno
        words[this.#at + Partition.syscall] = error.syscall
        words[this.#at + Partition.result] = JobResult.FAILED
      } else if (this.#context.isRunning) {
        throw error
      }
    }
    // STOP may stand there by now, and stays.
    compareExchange(words, this.#at + Partition.job, JobState.ASKED, JobState.IDLE)
    ringBell(this.#context)
  }

  /** A call of the device, which those who wait for a flush see as work. @throws DeviceFailure */
  #call(syscall: number, call: () => void): void {
    const { words } = this.#context
    add(words, this.#at + Partition.calls, 1)
    try {
      call()
    } catch (error) {
      throw new DeviceFailure(error, syscall)
    } finally {
      add(words, this.#at + Partition.calls, 1)
    }
  }

  get #isInCall(): boolean {
    return (load(this.#context.words, this.#at + Partition.calls) & 1) !== 0
  }

  *#writeAll(): Slow<void> {
    const context = this.#context
    const { words, arena } = context
    const start = arena.planAt + words[this.#at + Partition.jobStart]!
    let left = Int32Array.from(words.subarray(start, start + words[this.#at + Partition.jobCount]!))
    while (left.length > 0) {
      const busy: FrameIndex[] = []
      for (let next = 0; next < left.length;) next = yield* this.#writeRun(left, next, busy)
      if (busy.length === left.length) {
        context.assertRunning()
        const latchAt = arena.frameAt(busy[0]!) + Frame.latch
        yield { kind: 'wait', words, at: latchAt, value: load(words, latchAt), timeoutMs: BUSY_MS }
      }
      left = Int32Array.from(busy)
    }
  }

  /**
   * Writes what the round owes of neighbouring blocks from `start` on; where the next run begins. Blocks whose image
   * somebody is just copying go to `busy`.
   */
  *#writeRun(frames: Int32Array, start: number, busy: FrameIndex[]): Slow<number> {
    const context = this.#context
    const { group, index, device, blockSize } = this.#partition
    const run = this.#run
    // A new list for each run: what was handed to the system is left alone.
    const sources: Uint8Array[] = []
    let first = -1
    let next = start
    try {
      for (; next < frames.length && sources.length < run.length; next++) {
        const frame = frames[next]!
        const block = blockOf(context.words, context.arena.frameAt(frame))
        if (sources.length === 0) first = block
        else if (block !== first + sources.length) break
        run[sources.length] = frame
        let bytes = this.#pinned(frame, this.#entries[sources.length]!)
        if (bytes === undefined) {
          yield* lockRound(context, group, new WhileRunning(context))
          bytes = this.#image(frame, this.#entries[sources.length]!)
          unlockRound(context, group)
        }
        if (bytes === BUSY) busy.push(frame)
        else if (bytes !== undefined) sources.push(bytes)
      }
      if (sources.length > 0) {
        this.#call(0, () => {
          device.writeSync(sources, first * blockSize)
        })
      }
    } finally {
      for (let i = 0; i < sources.length; i++) {
        const entry = this.#entries[i]!
        if (context.words[entry] !== Journal.FREE) unpinFrame(context, run[i]!, entry)
      }
    }
    const count = sources.length
    if (context.isTraced)
      for (let i = 0; i < count; i++) context.tracer.record(TRACE['work.write'], index, first + i, run[i]!)
    context.slot.count(Counter.diskWrites, count)
    context.slot.count(Counter.diskWriteBytes, count * blockSize)
    add(context.words, this.#groupAt + Group.written, count)
    return next
  }

  /**
   * The bytes of a frame that is simply there, pinned under `entry`; else undefined. No mutex: who has a pin keeps everybody
   * from changing the frame, and its stamp with it, but for the flush worker, who waits for this job.
   */
  #pinned(frame: FrameIndex, entry: number): Uint8Array | undefined {
    const { words, arena } = this.#context
    const at = arena.frameAt(frame)
    const cut = words[this.#groupAt + Group.cut]! - 1
    words[entry] = (frame << 2) | Journal.TAKING
    if (!tryPinPastMarks(words, at + Frame.latch)) {
      words[entry] = Journal.FREE
      return undefined
    }
    words[entry] = (frame << 2) | Journal.HELD
    if (isUnwritten(load(words, at + Frame.state), cut)) return this.#context.view(this.#partition, frame)
    unpinFrame(this.#context, frame, entry)
    return undefined
  }

  /**
   * The image that the round owes of a frame, whoever is in it; BUSY where it can't be had now, undefined if none is owed.
   * @requires round mutex
   */
  #image(frame: FrameIndex, entry: number): Uint8Array | undefined {
    const { words, arena } = this.#context
    const at = arena.frameAt(frame)
    const cut = words[this.#groupAt + Group.cut]! - 1
    const state = load(words, at + Frame.state)
    if (!isUnwritten(state, cut)) {
      for (
        let link = words[at + Frame.saved]!;
        link !== 0;
        link = words[arena.spareAt(link - 1) + Spare.next]!
      ) {
        if (isUnwritten(words[arena.spareAt(link - 1) + Spare.stamp]!, cut)) return this.#spareBytes(link - 1)
      }
      return undefined
    }
    if ((state & State.CHANGING) !== 0) return this.#undoBytes(frame)
    return this.#pinned(frame, entry) ?? BUSY
  }

  #spareBytes(spare: number): Uint8Array {
    const { arena } = this.#context
    const start = arena.offset(spareData(this.#context, spare))
    return arena.segment(spareData(this.#context, spare)).subarray(start, start + this.#partition.blockSize)
  }

  /**
   * A copy of the undo as a whole block. That of a declared range is put together with the bytes around it, which do not
   * change while its holder has the latch. Copied under the mutex: a holder that releases the block unchanged frees its undo
   * under it, and the next change may take that spare. Costs one copy of a block that is held during the round.
   */
  #undoBytes(frame: FrameIndex): Uint8Array {
    const { words, arena } = this.#context
    const spare = words[arena.frameAt(frame) + Frame.undo]! - 1
    const start = words[arena.spareAt(spare) + Spare.start]!
    const length = words[arena.spareAt(spare) + Spare.length]!
    if (length >= this.#partition.blockSize) return new Uint8Array(this.#spareBytes(spare))
    const whole = new Uint8Array(this.#context.view(this.#partition, frame))
    whole.set(this.#spareBytes(spare).subarray(start, start + length), start)
    return whole
  }
}
