/**
 * The writers, as the flush worker sees them: any idle one can be given any job. So there are as many jobs at a time as
 * partitions that rounds write at the same time, up to the number of writers; other lanes wait for their turn. A writer keeps
 * the partition that it had last: with no more partitions than writers each has its own. Of those without a thread the first is
 * chosen, which is also the one that needs.ts calls first.
 */
import { compareExchange, load, notify } from '#atomics'
import { writerSlot } from '../../shared/layout.js'
import { ringBell } from '../wait/bell.js'
import type { Context } from '../context.js'
import type { Inherited } from './plan.js'
import { Job, JobResult, JobState, Slot, SlotState } from '../../shared/words.js'

export const NO_WRITER = -1

export class WriterPool {
  readonly #context: Context
  /** Writers whose job, or its result, a lane has not finished with. */
  readonly #taken = new Set<number>()
  /** Whether a lane found no writer. */
  #isAwaited = false

  /** `context`: the flush worker's. */
  constructor(context: Context) {
    this.#context = context
    // The former flush worker may have ended before it notified a writer of its job.
    for (const writer of this.#all()) notify(context.words, context.arena.jobAt(writer) + Job.state)
  }

  /** Whether a writer has no job, so that the result of its last one can be read. */
  isIdle(writer: number): boolean {
    return load(this.#context.words, this.#context.arena.jobAt(writer) + Job.state) !== JobState.ASKED
  }

  /** Whether a writer has a job for a partition of this group, perhaps of a former flush worker. */
  isBusyFor(group: number): boolean {
    const { words, arena, partitions } = this.#context
    return this.#all().some(
      (writer) =>
        !this.isIdle(writer) && partitions.at(words[arena.jobAt(writer) + Job.partition]!).group === group,
    )
  }

  /** The lists of the jobs that a former flush worker gave, and that are not over. To be called before the first job is given. */
  inherited(): Inherited[] {
    const { words, arena } = this.#context
    return this.#all()
      .filter((writer) => !this.isIdle(writer))
      .map((writer) => ({
        start: words[arena.jobAt(writer) + Job.start]!,
        count: words[arena.jobAt(writer) + Job.count]!,
        isOver: () => this.isIdle(writer),
      }))
  }

  /** The writer for the next job of a partition: first one that had it and has a thread, then one that has one; or NO_WRITER. */
  choose(partition: number): number {
    const { words, arena } = this.#context
    let [best, bestRank] = [NO_WRITER, -1]
    for (const writer of this.#all()) {
      const at = arena.jobAt(writer)
      const state = load(words, at + Job.state)
      if (this.#taken.has(writer) || (state !== JobState.IDLE && state !== JobState.STOP)) continue
      const isManned = load(words, arena.slotAt(writerSlot(writer)) + Slot.state) === SlotState.LIVE
      const rank = isManned ? (words[at + Job.partition] === partition ? 2 : 1) : 0
      if (rank > bestRank) [best, bestRank] = [writer, rank]
    }
    if (best === NO_WRITER) this.#isAwaited = true
    return best
  }

  /**
   * Gives a writer a job: `count` blocks from `plan` on in the plan region, as of a cut. With `isRecord` they are a record of the
   * partition's group. Returns false if it is just leaving. If the engine stops, it gets none, and the job has no result.
   */
  asks(
    writer: number,
    partition: number,
    plan: number,
    count: number,
    cut: number,
    isRecord = false,
  ): boolean {
    const { words, arena } = this.#context
    const at = arena.jobAt(writer)
    words[at + Job.partition] = partition
    words[at + Job.start] = plan
    words[at + Job.count] = count
    words[at + Job.cut] = cut
    words[at + Job.record] = isRecord ? 1 : 0
    words[at + Job.result] = JobResult.NONE
    const was = compareExchange(words, at + Job.state, JobState.IDLE, JobState.ASKED)
    if (was === JobState.IDLE) notify(words, at + Job.state)
    if (was === JobState.LEAVING) return false
    this.#taken.add(writer)
    return true
  }

  /**
   * Called when the result of a job has been read: the writer may be given another one. Rings the flush worker if a lane waits,
   * because that lane may have had its turn in this step already: if a writer that was leaving refused its job.
   */
  give(writer: number): void {
    this.#taken.delete(writer)
    if (!this.#isAwaited) return
    this.#isAwaited = false
    ringBell(this.#context)
  }

  #all(): number[] {
    return Array.from({ length: this.#context.arena.geometry.writers }, (_, writer) => writer)
  }
}
