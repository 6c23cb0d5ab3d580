/**
 * A writer: does the jobs that the flush worker gives it, one at a time: blocks of one partition to its file (image-writer.ts), or the
 * record of a group to its journal (record-writer.ts).
 *
 *   Job.state   IDLE --the flush worker, for a lane of a round--> ASKED --the writer--> IDLE, with a result
 *               IDLE --the writer, after a quiet time--> LEAVING --its slot is free--> IDLE
 *               any  --the owner--> STOP
 *
 * How a job ends. Only what a call of the device throws is a failure of the device:
 *
 *   OK        written and fsynced
 *   FAILED    a write or the fsync failed; see errno and syscall
 *   NONE      the engine stopped in the meantime; the flush worker draws no conclusion
 *   none      any other exception is a fault of the engine: it ends the thread, and the next writer repeats the job
 */
import { add, compareExchange, load } from '#atomics'
import { WRITE_BYTES_DEFAULT } from '../../shared/config.js'
import { BLOCK_SIZE_MIN, GUARDS_MAX } from '../../shared/layout.js'
import { runSync, type Slow } from '../../shared/wait.js'
import { ringBell } from '../wait/bell.js'
import type { Context, PartitionView } from '../context.js'
import { DeviceFailure } from './device-failure.js'
import { ImageWriter, type WriteMeans } from './image-writer.js'
import { PartitionSink } from './partition-sink.js'
import { RecordWriter } from './record-writer.js'
import { Job, JobResult, JobState, Partition } from '../../shared/words.js'

export class Writer {
  readonly #context: Context
  readonly #at: number
  readonly #means: WriteMeans
  readonly #records: RecordWriter

  /** `writer`: which one, from 0. `writeBytes`: the longest write, in bytes. Takes journal entries for good. */
  constructor(context: Context, writer: number, writeBytes = WRITE_BYTES_DEFAULT) {
    this.#context = context
    this.#at = context.arena.jobAt(writer)
    const length = Math.max(1, Math.min(GUARDS_MAX, Math.floor(writeBytes / BLOCK_SIZE_MIN)))
    const entries = Array.from({ length }, () => context.slot.takeEntry())
    this.#means = { writeBytes, entries, staging: undefined }
    this.#records = new RecordWriter(context, this.#means)
  }

  /** Whether the flush worker has a job for this writer. */
  get isAsked(): boolean {
    return load(this.#context.words, this.#at + Job.state) === JobState.ASKED
  }

  /**
   * Leaves, unless there is a job: calls `returnSlot`, after which another thread may take this writer's place. Returns
   * whether it did. The flush worker gives no job in the meantime, and is rung, because a lane of a round may wait for a writer.
   */
  leaves(returnSlot: () => void): boolean {
    const { words } = this.#context
    const at = this.#at + Job.state
    if (compareExchange(words, at, JobState.IDLE, JobState.LEAVING) !== JobState.IDLE) return false
    returnSlot()
    this.stays()
    ringBell(this.#context)
    return true
  }

  /** Ends what a former writer began that was terminated on its way out. */
  stays(): void {
    compareExchange(this.#context.words, this.#at + Job.state, JobState.LEAVING, JobState.IDLE)
  }

  /**
   * Does the job, stores the result, and rings the flush worker.
   * @requires isAsked
   * @throws on faults of the engine; the job is still asked for then
   */
  runJob(): void {
    runSync(this.job(), this.#context.mayBlock)
  }

  /** As `runJob`, for a thread that has its own way to wait. */
  *job(): Slow<void> {
    const { words, arena, partitions } = this.#context
    const partition = partitions.at(words[this.#at + Job.partition]!)
    try {
      const start = arena.planAt + words[this.#at + Job.start]!
      const frames = words.subarray(start, start + words[this.#at + Job.count]!)
      const cut = words[this.#at + Job.cut]!
      if (words[this.#at + Job.record] === 1) yield* this.#records.write(partition.group, frames, cut)
      else yield* this.#inPlace(partition, frames, cut)
      words[this.#at + Job.result] = JobResult.OK
    } catch (error) {
      if (error instanceof DeviceFailure) {
        words[this.#at + Job.errno] = error.errno
        words[this.#at + Job.syscall] = error.syscall
        words[this.#at + Job.result] = JobResult.FAILED
      } else if (this.#context.isRunning) {
        throw error
      }
    }
    // If the state is STOP by now, it stays.
    compareExchange(words, this.#at + Job.state, JobState.ASKED, JobState.IDLE)
    ringBell(this.#context)
  }

  /** Writes blocks of a partition to its file, and syncs it. @throws DeviceFailure */
  *#inPlace(partition: PartitionView, frames: Int32Array, cut: number): Slow<void> {
    const { words, arena } = this.#context
    const callsAt = arena.partitionAt(partition.index) + Partition.calls
    // A former writer may have ended inside a call; no other thread writes to the partition now.
    if ((load(words, callsAt) & 1) !== 0) add(words, callsAt, 1)
    const sink = new PartitionSink(this.#context, partition)
    yield* new ImageWriter(this.#context, partition, this.#means, sink).writeAll(frames, cut)
    sink.sync()
  }
}
