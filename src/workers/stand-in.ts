/**
 * The flush worker as a writer. A job waits for its writer to start, but only the owner's event loop can start one, and that
 * may be busy for long, or the system may refuse a thread. So after STAND_IN_MS the flush worker does the job itself.
 *
 * A writer is the thread that has the writer's slot. The flush worker takes that slot for one job, so that
 * no other thread can do the job concurrently: a writer that starts at that moment is refused the slot, and is started again.
 * If the flush worker dies in the job, the slot becomes DEAD with its thread, and the job stays ASKED.
 *
 * Cost: rounds and recovery stop for the duration of the job.
 */
import { performance } from 'node:perf_hooks'
import { load, store, wait } from '#atomics'
import type { Context } from '../core/context.js'
import { reapDead } from '../core/recovery/reaper.js'
import { Writer } from '../core/write-back/writer.js'
import type { CacheHandle } from '../shared/interface.js'
import { attachSlot, detachSlot, type ThreadSlot } from '../shared/slot.js'
import { threadId } from 'node:worker_threads'
import { writerSlot } from '../shared/layout.js'
import { contextOf } from './attach.js'
import { Header, Job, JobState, Slot, SlotState } from '../shared/words.js'

/** Milliseconds that a job waits for its writer. Longer than a thread takes to start on an idle machine. */
const STAND_IN_MS = 200
/** Longest slice of a wait in a job; then dead slots are recovered, because the job may wait for what a dead thread holds. */
const LOOK_MS = 1
/** The flush worker answers no rings during a job, so it answers this many in advance. */
const RINGS_AHEAD = 2 ** 30

export class StandIn {
  readonly #context: Context
  readonly #handle: CacheHandle
  readonly #writeBytes: number
  /** By writer: when its job began to wait for a thread. */
  readonly #waitsSinceMs: (number | undefined)[]

  /** `context` is the flush worker's. */
  constructor(context: Context, handle: CacheHandle, writeBytes: number) {
    this.#context = context
    this.#handle = handle
    this.#writeBytes = writeBytes
    this.#waitsSinceMs = new Array<undefined>(context.arena.geometry.writers).fill(undefined)
  }

  /** Does the jobs that have waited too long. Returns the milliseconds until the next will have; Infinity if none waits. */
  look(): number {
    let dueMs = Infinity
    for (let writer = 0; writer < this.#waitsSinceMs.length; writer++) {
      if (!this.#waits(writer)) {
        this.#waitsSinceMs[writer] = undefined
        continue
      }
      const nowMs = performance.now()
      const leftMs = (this.#waitsSinceMs[writer] ??= nowMs) + STAND_IN_MS - nowMs
      if (leftMs > 0) dueMs = Math.min(dueMs, leftMs)
      else this.#standIn(writer)
    }
    return dueMs
  }

  /** Whether the writer has a job, and no thread. */
  #waits(writer: number): boolean {
    const { words, arena } = this.#context
    return (
      load(words, arena.jobAt(writer) + Job.state) === JobState.ASKED &&
      load(words, arena.slotAt(writerSlot(writer)) + Slot.state) === SlotState.FREE
    )
  }

  #standIn(index: number): void {
    const { arena, words } = this.#context
    const slot = this.#takeSlot(index)
    if (slot === undefined) return
    store(words, Header.heartbeat, (load(words, Header.bell) + RINGS_AHEAD) | 0)
    const context = contextOf(this.#handle, arena, slot, true)
    const writer = new Writer(context, index, this.#writeBytes)
    if (writer.isAsked) this.#run(writer)
    detachSlot(arena, slot)
  }

  #takeSlot(writer: number): ThreadSlot | undefined {
    const slot = writerSlot(writer)
    try {
      return attachSlot(this.#context.arena, slot, slot + 1, threadId, 'flush worker as a writer')
    } catch {
      return undefined // the writer took it first
    }
  }

  #run(writer: Writer): void {
    for (const step of writer.job()) {
      reapDead(this.#context)
      if (step.kind === 'wait') wait(step.words, step.at, step.value, Math.min(step.timeoutMs, LOOK_MS))
      else if (step.kind === 'io') step.sync()
    }
  }
}
