/**
 * The flush worker as a writer. A job waits for its writer to start, and only the owner's event loop can start one: that loop
 * may be busy for long, or the system may refuse a thread. So after STAND_IN_MS the flush worker does the job itself.
 *
 * The writer of a partition is the thread that has the writer's slot. The flush worker takes that slot for one job, so no
 * other thread can do the job meanwhile: a writer that starts just then is refused the slot, and is started again. If the
 * flush worker dies at it, the slot becomes DEAD with its thread, and the job is still ASKED.
 *
 * Cost: rounds and reaping stand still for the length of one job.
 */
import { performance } from 'node:perf_hooks'
import { load, store, wait } from '#atomics'
import type { Context } from '../core/context.js'
import { reapDead } from '../core/recovery/reaper.js'
import { Writer } from '../core/write-back/writer.js'
import type { CacheHandle } from '../shared/interface.js'
import { attachSlot, detachSlot, type ThreadSlot } from '../shared/slot.js'
import { threadId } from 'node:worker_threads'
import { contextOf, writerSlot } from './attach.js'
import { Header, JobState, Partition, Slot, SlotState } from '../shared/words.js'

/** How long a job waits for its writer. Longer than a thread takes to start on an idle machine. */
const STAND_IN_MS = 200
/** A wait of a job, until the dead are looked for again: what it waits for may be a dead thread's. */
const LOOK_MS = 1
/** While it is in a job the flush worker answers no ring: so many are answered ahead. */
const RINGS_AHEAD = 2 ** 30

export class StandIn {
  readonly #context: Context
  readonly #handle: CacheHandle
  readonly #writeBytes: number
  /** By partition: since when its job waits for a writer. */
  readonly #waitsSinceMs: (number | undefined)[]

  /** `context`: the flush worker's. */
  constructor(context: Context, handle: CacheHandle, writeBytes: number) {
    this.#context = context
    this.#handle = handle
    this.#writeBytes = writeBytes
    this.#waitsSinceMs = context.partitions.map(() => undefined)
  }

  /** Does the jobs that have waited too long; milliseconds until the next has, Infinity where none waits. */
  look(): number {
    let dueMs = Infinity
    for (const { index } of this.#context.partitions) {
      if (!this.#waits(index)) {
        this.#waitsSinceMs[index] = undefined
        continue
      }
      const nowMs = performance.now()
      const leftMs = (this.#waitsSinceMs[index] ??= nowMs) + STAND_IN_MS - nowMs
      if (leftMs > 0) dueMs = Math.min(dueMs, leftMs)
      else this.#standIn(index)
    }
    return dueMs
  }

  /** A job is asked for, and there is no thread to do it. */
  #waits(partition: number): boolean {
    const { words, arena } = this.#context
    return (
      load(words, arena.partitionAt(partition) + Partition.job) === JobState.ASKED &&
      load(words, arena.slotAt(writerSlot(partition)) + Slot.state) === SlotState.FREE
    )
  }

  #standIn(partition: number): void {
    const { arena, words } = this.#context
    const slot = this.#takeSlot(partition)
    if (slot === undefined) return
    store(words, Header.heartbeat, (load(words, Header.bell) + RINGS_AHEAD) | 0)
    const context = contextOf(this.#handle, arena, slot, true)
    const writer = new Writer(context, partition, this.#writeBytes)
    if (writer.isAsked) this.#run(writer)
    detachSlot(arena, slot)
  }

  #takeSlot(partition: number): ThreadSlot | undefined {
    const slot = writerSlot(partition)
    try {
      return attachSlot(this.#context.arena, slot, slot + 1, threadId, 'flush worker as a writer')
    } catch {
      return undefined // its writer was faster
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
