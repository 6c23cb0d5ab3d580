/**
 * Which threads of the engine are needed. A partition needs a writer from its first change on, until it was quiet for QUIET_MS;
 * a job needs the thread of its writer; the cache needs its reader from the first hint on. The flush worker detects all three,
 * and calls the owner, which starts the thread.
 *
 *   Partition.changed   set at the first change (images.ts), under the round mutex; the thread that sets it rings the bell. Reset
 *                       by the flush worker when no block of the partition was dirty or written for some time
 *   Job.state           ASKED, while no thread has the writer's slot
 *   Header.hintBell     not 0 after the first hint (hints.ts), which also rings the flush worker
 *
 * The owner ignores a call for a thread that is there. So if the flush worker ends, no need is lost: its successor calls again.
 */
import { performance } from 'node:perf_hooks'
import { load } from '#atomics'
import { writerSlot } from '../../shared/layout.js'
import { seizeRound } from '../recovery/seize.js'
import { unlockRound } from '../changes/rounds.js'
import type { Context } from '../context.js'
import { Header, Job, JobState, Partition, Slot, SlotState } from '../../shared/words.js'

/** Milliseconds after which a partition needs no writer: none of its blocks was dirty or written. A writer without a job leaves. */
export const QUIET_MS = 10_000

/** A message from the flush worker to the owner. */
export type Call = { readonly calls: 'writer'; readonly writer: number } | { readonly calls: 'reader' }

export class Needs {
  readonly #context: Context
  readonly #call: (call: Call) => void
  /** Partitions that are being changed, and when each was last seen at work. */
  readonly #busy = new Map<number, { sinceMs: number; calls: number }>()
  /** Writers that were called and have not been seen since. */
  readonly #called = new Set<number>()
  #hasCalledReader = false

  /** `context`: the flush worker's. */
  constructor(context: Context, call: (call: Call) => void) {
    this.#context = context
    this.#call = call
  }

  /** Calls for the threads that are needed now. To be called after each ring of the bell. A load for each partition. */
  look(): void {
    const nowMs = performance.now()
    for (const partition of this.#busy.keys())
      if (this.#context.partitions.find(partition) === undefined) this.#busy.delete(partition)
    const known = this.#busy.size
    for (const { index, group } of this.#context.partitions.all()) this.#lookAt(index, group, nowMs)
    this.#callWriters(this.#busy.size - known)
    if (this.#hasCalledReader || load(this.#context.words, Header.hintBell) === 0) return
    this.#hasCalledReader = true
    this.#call({ calls: 'reader' })
  }

  /** Milliseconds until the next call of `look` is due without a ring of the bell. */
  idleMs(): number {
    const oldestMs = Math.min(...Array.from(this.#busy.values(), ({ sinceMs }) => sinceMs))
    return Math.max(0, oldestMs + QUIET_MS - performance.now())
  }

  #lookAt(partition: number, group: number, nowMs: number): void {
    const { words, arena } = this.#context
    const at = arena.partitionAt(partition)
    if (load(words, at + Partition.changed) === 0) {
      this.#busy.delete(partition) // of the partition that had this number before
      return
    }
    const busy = this.#busy.get(partition)
    const calls = load(words, at + Partition.calls)
    if (busy?.calls !== calls || load(words, at + Partition.dirty) > 0)
      this.#busy.set(partition, { sinceMs: nowMs, calls })
    else if (nowMs - busy.sinceMs >= QUIET_MS) this.#rest(partition, group)
  }

  /** The next change of the partition calls for a writer again. @takes round mutex */
  #rest(partition: number, group: number): void {
    const { words, arena } = this.#context
    const at = arena.partitionAt(partition)
    seizeRound(this.#context, group)
    if (words[at + Partition.dirty] === 0) {
      words[at + Partition.changed] = 0
      this.#busy.delete(partition)
    }
    unlockRound(this.#context, group)
  }

  /**
   * The writer of each job, and one for each of `more` partitions that begin to be changed, unless there are enough. A writer
   * that has left is not called again only because its partition is still busy: a thread that leads rounds may write all of it.
   */
  #callWriters(more: number): void {
    const { words, arena } = this.#context
    const unmanned: number[] = []
    for (let writer = 0; writer < arena.geometry.writers; writer++) {
      const isFree = load(words, arena.slotAt(writerSlot(writer)) + Slot.state) === SlotState.FREE
      const job = load(words, arena.jobAt(writer) + Job.state)
      if (!isFree) this.#called.delete(writer)
      else if (job === JobState.ASKED) this.#callWriter(writer)
      // One that is just leaving gets no job, so another would be called for that.
      else if (job !== JobState.LEAVING && !this.#called.has(writer)) unmanned.push(writer)
    }
    const missing = Math.min(more, this.#busy.size - (arena.geometry.writers - unmanned.length))
    for (const writer of unmanned.slice(0, Math.max(0, missing))) this.#callWriter(writer)
  }

  #callWriter(writer: number): void {
    this.#called.add(writer)
    this.#call({ calls: 'writer', writer })
  }
}
