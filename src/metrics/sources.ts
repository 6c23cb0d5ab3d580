/**
 * The caches whose metrics one registry or meter shows, each with labels of its own. A cache that is closed, or whose owner's
 * thread has ended, leaves at the next look, so that a scrape never fails because of it.
 */
import type { CacheClient } from '../shared/interface.js'
import type { CacheStats } from '../shared/reports.js'
import { refuse, show } from '../shared/values.js'
import type { Labels } from './table.js'

/** What a registration returns. */
export interface MetricsRegistration extends Disposable {
  /** Takes the metrics of the cache away. A second call does nothing. */
  remove(): void
}

export interface Reading {
  readonly labels: Labels
  readonly stats: CacheStats
}

interface Source {
  readonly cache: CacheClient
  readonly labels: Labels
}

export class Sources {
  readonly #what: string
  readonly #emptied: () => void
  readonly #sources = new Set<Source>()

  /** `what`: registry or meter, for messages. `emptied` is called when the last cache has left. */
  constructor(what: string, emptied: () => void) {
    this.#what = what
    this.#emptied = emptied
  }

  /** @throws ERR_DCACHE_BAD_OPTION for a cache that is there, or another one with the same labels */
  add(cache: CacheClient, labels: Labels): MetricsRegistration {
    this.#assertNew(cache, labels)
    const source = { cache, labels }
    this.#sources.add(source)
    const remove = () => {
      if (this.#sources.delete(source) && this.#sources.size === 0) this.#emptied()
    }
    return { remove, [Symbol.dispose]: remove }
  }

  /** The statistics of each cache. Costs a call of `stats` for each. */
  read(): Reading[] {
    return [...this.#sources].flatMap((source) => {
      const stats = this.#statsOf(source)
      return stats === undefined ? [] : [{ labels: source.labels, stats }]
    })
  }

  /** Undefined if the cache has ended; then it leaves. */
  #statsOf(source: Source): CacheStats | undefined {
    const stats = source.cache.stats()
    if (stats.state !== 'closed' && stats.state !== 'orphaned') return stats
    this.#sources.delete(source)
    // In a later step: a meter goes through its list of callbacks just now.
    queueMicrotask(() => {
      if (this.#sources.size === 0) this.#emptied()
    })
    return undefined
  }

  #assertNew(cache: CacheClient, labels: Labels): void {
    for (const source of [...this.#sources]) {
      const isSame = source.cache === cache
      if (!isSame && keyOf(source.labels) !== keyOf(labels)) continue
      if (this.#statsOf(source) === undefined) continue
      if (isSame)
        refuse(`this ${this.#what} has the metrics of this cache already; call remove() of that first`)
      refuse(
        `this ${this.#what} has the metrics of another cache with the labels ${show(labels)}; give each cache ` +
          "labels of its own, such as { cache: 'main' }",
      )
    }
  }
}

const keyOf = (labels: Labels): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
