/**
 * The reader's loop, without its thread: fills the blocks that hints ask for (hints.ts), one run of neighbouring absent
 * blocks at a time, slot by slot. It never waits: a held block is skipped, and if the device fails, or no frame is available
 * after some attempts, the rest of the hint is dropped. What it fills is a clean block like any other.
 */
import { load, loadInOrder } from '#atomics'
import { writerOf } from '../../shared/latch.js'
import { keyLowOf, keyHighOf } from '../../shared/key.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Context, PartitionView } from '../context.js'
import { isStanding, standingError } from '../standing.js'
import { find } from '../blocks/directory.js'
import { takeHint } from './hints.js'
import { fillAhead } from '../blocks/fill.js'
import { type MissPath, missPath } from '../blocks/miss-path.js'
import type { Purpose } from '../blocks/victims.js'
import { Counter } from '../../shared/counter-words.js'
import { EngineState, Frame, Header, State } from '../../shared/words.js'

/** The rest of a hint. */
interface Job {
  readonly partition: PartitionView
  block: number
  readonly end: number
  readonly purpose: Purpose
  /** How often nothing was available. */
  tries: number
}

const TRIES_MAX = 20

export class Reader {
  readonly #context: Context
  readonly #misses: MissPath
  /** By slot. */
  readonly #jobs: (Job | undefined)[]

  constructor(context: Context) {
    this.#context = context
    this.#misses = missPath(context)
    this.#jobs = new Array<Job | undefined>(context.arena.geometry.slots)
  }

  /** Fills up to one run for each slot. Returns false if there was no progress, or the engine is not open. */
  step(): boolean {
    let hasMoved = false
    for (let slot = 0; slot < this.#jobs.length; slot++) {
      if (loadInOrder(this.#context.words, Header.state) !== EngineState.OPEN) return false
      const job = (this.#jobs[slot] ??= this.#next(slot))
      if (job === undefined) continue
      if (this.#run(job)) hasMoved = true
      if (job.block === job.end) this.#jobs[slot] = undefined
    }
    return hasMoved
  }

  /** Whether a hint is not finished: call `step` again, after a pause if there was no progress. */
  get isBusy(): boolean {
    return this.#jobs.some((job) => job !== undefined)
  }

  #next(slot: number): Job | undefined {
    const wanted = takeHint(this.#context, slot)
    if (wanted === undefined) return undefined
    const { partition, block, count, purpose } = wanted
    const view = this.#context.partitions.find(partition)
    // The number may belong to another partition by now, or the partition may be smaller.
    if (view === undefined || standingError(this.#context, view, block + count - 1) !== undefined)
      return undefined
    return { partition: view, block, end: block + count, purpose, tries: 0 }
  }

  /** Fills the next absent blocks of a job. Returns false if that is not possible now. */
  #run(job: Job): boolean {
    const { partition, end, purpose } = job
    if (!isStanding(this.#context, partition) && standingError(this.#context, partition, end - 1)) {
      job.block = end
      return true
    }
    while (job.block < end && this.#hasContents(this.#frameOf(job))) job.block++
    if (job.block === end) return true
    const count = fillAhead(this.#context, this.#misses, partition, job.block, end - job.block, purpose)
    job.block += count
    if (count > 0) {
      job.tries = 0
      return true
    }
    const frame = this.#frameOf(job)
    if (frame >= 0 && (this.#hasContents(frame) || this.#isLatched(frame))) {
      job.block++ // another thread fills it
      return true
    }
    // A key without contents: the disk fails. No key: there is no frame, or a lock is held by a thread that is descheduled.
    if (frame < 0 && ++job.tries < TRIES_MAX) return false
    this.#context.slot.count(Counter.prefetchDropped, end - job.block)
    job.block = end
    return true
  }

  #frameOf({ partition, block }: Job): FrameIndex {
    return find(this.#context, keyHighOf(partition.index, block), keyLowOf(block))
  }

  #hasContents(frame: FrameIndex): boolean {
    const { words, arena } = this.#context
    return frame >= 0 && (words[arena.frameAt(frame) + Frame.state]! & State.ABSENT) === 0
  }

  #isLatched(frame: FrameIndex): boolean {
    return writerOf(load(this.#context.words, this.#context.arena.frameAt(frame) + Frame.latch)) >= 0
  }
}
