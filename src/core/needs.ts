/**
 * Which threads of the engine are needed. A partition needs its writer from its first change on, the cache its reader from
 * the first hint on. The flush worker sees both, and calls the owner, which can start threads.
 *
 *   Partition.changed   set with the first change (images.ts), under the round mutex; the thread that sets it rings the bell
 *   Header.hintBell     not 0 after the first hint (hints.ts), which rings the flush worker too
 *
 * Both stay as they are for good, and the owner ignores a call for a thread that it has started. So nothing is lost where a
 * flush worker dies: its successor calls again.
 */
import { load } from '#atomics'
import type { Context } from './context.js'
import { Header, Partition } from '../shared/words.js'

/** A message to the owner. */
export type Call = { readonly calls: 'writer'; readonly partition: number } | { readonly calls: 'reader' }

export class Needs {
  readonly #context: Context
  readonly #call: (call: Call) => void
  /** Partitions that nothing was changed in yet. */
  readonly #unchanged: Set<number>
  #hasCalledReader = false

  constructor(context: Context, call: (call: Call) => void) {
    this.#context = context
    this.#call = call
    this.#unchanged = new Set(context.partitions.keys())
  }

  /** Calls for what is needed by now. After each ring of the bell; one load for each unchanged partition. */
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
