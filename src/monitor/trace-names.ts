/**
 * What the numbers of trace records stand for: names of threads, partitions, groups and write classes, as they are now. A
 * partition that was dropped, or a thread that has ended, is shown by its number.
 */
import type { BlockCache, CacheClient, CacheStats, TraceRecord } from '../index.js'
import { ROUND_KINDS } from '../shared/trace.js'

/** The arguments of an event, by name. */
export type TraceArguments = Readonly<Record<string, string | number | boolean>>

/** As in `TraceRecord`. */
const MODES = ['read', 'modify', 'overwrite']
const MUTEXES = ['', 'latch', 'stripe', 'policy', 'round']
const ROUND_MUTEX = 4
/** The classes of stages of a group with a journal. */
const JOURNAL_CLASSES: Readonly<Record<number, string>> = { 2: 'journal', 3: 'place' }

export class Names {
  readonly #threads: ReadonlyMap<number, string>
  readonly #partitions: ReadonlyMap<number, string>
  readonly #groups: ReadonlyMap<number, { readonly name: string; readonly hasJournal: boolean }>
  /** The owner's client knows them. */
  readonly #writeOrder: readonly string[]

  constructor(cache: CacheClient, { partitions, groups }: CacheStats = cache.stats()) {
    this.#threads = new Map(
      cache.threads().map(({ slot, name, threadId }) => [slot, name === '' ? `thread ${threadId}` : name]),
    )
    this.#partitions = new Map(Object.entries(partitions).map(([name, { index }]) => [index, name]))
    this.#groups = new Map(
      Object.entries(groups).map(([name, { index, journal }]) => [
        index,
        { name, hasJournal: journal !== undefined },
      ]),
    )
    this.#writeOrder = (cache as Partial<BlockCache>).handle?.writeOrder ?? []
  }

  /** The slots of threads that are there now. */
  get slots(): Iterable<number> {
    return this.#threads.keys()
  }

  thread(slot: number): string {
    return this.#threads.get(slot) ?? `slot ${slot}`
  }

  /** What an event says of a record. */
  argsOf({ point, partition, block, value }: TraceRecord): TraceArguments {
    switch (point) {
      case 'block.acquire':
        return { ...this.#block(partition, block), mode: MODES[value] ?? value }
      case 'block.load':
        return { ...this.#block(partition, block), blocks: value }
      case 'block.release':
      case 'block.dirty':
        return { ...this.#block(partition, block), ...(value > 0 && { class: this.#class(value) }) }
      case 'block.evict':
      case 'work.write':
        return { ...this.#block(partition, block), frame: value }
      case 'wait.latch':
        return { ...this.#block(partition, block), heldBy: value < 0 ? 'readers' : this.thread(value) }
      case 'wait.frame':
      case 'wait.dirty':
      case 'wait.spare':
        return this.#block(partition, block)
      case 'wait.flush':
        return { ...this.#group(partition), ...(value > 0 && { through: this.#class(value) }) }
      case 'wait.mutex':
        return {
          mutex: MUTEXES[value] ?? value,
          ...(value === ROUND_MUTEX && this.#group(partition)),
        }
      case 'disk.read':
      case 'disk.write':
        return { ...this.#block(partition, block), bytes: value }
      case 'disk.fsync':
        return { partition: this.#partition(partition) }
      case 'journal.write':
        return { ...this.#group(partition), blocks: block, bytes: value }
      case 'journal.fsync':
        return this.#group(partition)
      case 'work.round':
        return {
          ...this.#group(partition),
          blocks: block,
          kind: ROUND_KINDS[Math.abs(value)] ?? value,
          failed: value < 0,
        }
      case 'work.stage':
        return { ...this.#group(partition), blocks: block, class: this.#stageClass(partition, value) }
      case 'work.cut':
        return { ...this.#group(partition), blocks: block, cut: value }
      case 'work.done':
        return { ...this.#group(partition), cut: value }
      case 'work.failed':
        return { ...this.#group(partition), dirty: block, failures: value }
      default:
        return {}
    }
  }

  #block(partition: number, block: number) {
    return { partition: this.#partition(partition), block }
  }

  #partition(index: number): string {
    return this.#partitions.get(index) ?? `partition ${index}`
  }

  #group(index: number) {
    return { group: this.#groups.get(index)?.name ?? `group ${index}` }
  }

  #class(number: number): string | number {
    return this.#writeOrder[number - 1] ?? number
  }

  #stageClass(group: number, number: number): string | number {
    const isPlace = this.#groups.get(group)?.hasJournal === true
    return (isPlace ? JOURNAL_CLASSES[number] : undefined) ?? this.#class(number)
  }
}
