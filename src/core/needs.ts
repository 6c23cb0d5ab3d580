/**
 * Which threads of the engine are needed. A partition needs its writer from its first change on; the cache needs its reader
 * from the first hint on. The flush worker detects both, and calls the owner, which starts the thread.
 *
 *   Partition.changed   set at the first change (images.ts), under the round mutex; the thread that sets it rings the bell
 *   Header.hintBell     not 0 after the first hint (hints.ts), which also rings the flush worker
 *
 * Both are never reset, and the owner ignores a call for a thread that it has started already. So if the flush worker ends,
 * no need is lost: its successor calls again.
 */
import { load } from '#atomics'
import type { Context } from './context.js'
import { Header, Partition } from '../shared/words.js'

/** A message from the flush worker to the owner. */
export type Call = { readonly calls: 'writer'; readonly partition: number } | { readonly calls: 'reader' }

export class Needs {
  readonly #context: Context
  readonly #call: (call: Call) => void
  /** Partitions that have not been changed yet. */
  readonly #unchanged: Set<number>
  #hasCalledReader = false

  constructor(context: Context, call: (call: Call) => void) {
    this.#context = context
    this.#call = call
    this.#unchanged = new Set(context.partitions.keys())
  }

  /**
   * Calls for the threads that are needed now. To be called after each ring of the bell. One load per unchanged partition.
   */
  look(): void {
    const { words, arena } = this.#context
    for (const partition of this.#unchanged) {
      if (load(words, arena.partitionAt(partition) + Partition.changed) === 0) continue
      this.#unchanged.delete(partition)
      this.#call({ calls: 'writer', partition })
    }
    if (this.#hasCalledReader || load(words, Header.hintBell) === 0) return
    this.#hasCalledReader = true
    this.#call({ calls: 'reader' })
  }
}
