/**
 * The reader's loop, without its thread: loads what hints ask for (hints.ts), a run of neighbouring absent blocks at a time,
 * the slots in turn. It waits for nobody: a block that somebody is in is passed over, and where no frame is to be had, or
 * the device fails, the rest of the hint is dropped. What it loads is a clean block like any other.
 */
import { COUNTER } from '../shared/slot.js'
import { lowOf, placeOf } from '../shared/name.js'
import { EngineState, Frame, Header } from '../shared/layout.js'
import { ABSENT } from '../shared/stamp.js'
import type { FrameIndex } from '../shared/struct.js'
import { type Core, leave, type PartitionView } from './core.js'
import { find } from './directory.js'
import { takeHint } from './hints.js'
import { loadSync, takeRun } from './load.js'

/** What is left of a hint. */
interface Job {
  readonly partition: PartitionView
  block: number
  readonly end: number
}

export class Reader {
  readonly #core: Core
  /** By slot. */
  readonly #jobs: (Job | undefined)[]

  constructor(core: Core) {
    this.#core = core
    this.#jobs = new Array<Job | undefined>(core.arena.geometry.slots)
  }

  /** At most one run for every slot; false when there was nothing to do, or the engine is not open. */
  step(): boolean {
    let hasMore = false
    for (let slot = 0; slot < this.#jobs.length; slot++) {
      if (this.#core.words[Header.state] !== EngineState.OPEN) return false
      const job = (this.#jobs[slot] ??= this.#next(slot))
      if (job === undefined) continue
      hasMore = true
      this.#run(job)
      if (job.block === job.end) this.#jobs[slot] = undefined
    }
    return hasMore
  }

  #next(slot: number): Job | undefined {
    const wanted = takeHint(this.#core, slot)
    if (wanted === undefined) return undefined
    const { partition, block, count } = wanted
    return { partition: this.#core.partitions[partition]!, block, end: block + count }
  }

  /** Loads the next absent blocks of a job. */
  #run(job: Job): void {
    const core = this.#core
    const { partition, end } = job
    while (job.block < end && this.#hasContents(this.#frameOf(job))) job.block++
    if (job.block === end) return
    const first = job.block
    const frames = takeRun(core, partition, first, end - first, true)
    if (frames.length === 0) {
      // Somebody is in, and may well be loading it; or there is no frame.
      if (this.#frameOf(job) >= 0) job.block++
      else this.#drop(job)
      return
    }
    try {
      loadSync(core, partition, first, frames)
      core.slot.count(COUNTER.prefetched, frames.length)
      job.block += frames.length
    } catch {
      this.#drop(job) // who wants the block will be told
    } finally {
      for (const frame of frames) leave(core, frame)
    }
  }

  #frameOf({ partition, block }: Job): FrameIndex {
    return find(this.#core, placeOf(partition.index, block), lowOf(block))
  }

  #hasContents(frame: FrameIndex): boolean {
    const { words, arena } = this.#core
    return frame >= 0 && (words[arena.frameAt(frame) + Frame.state]! & ABSENT) === 0
  }

  #drop(job: Job): void {
    this.#core.slot.count(COUNTER.prefetchDropped, job.end - job.block)
    job.block = job.end
  }
}
