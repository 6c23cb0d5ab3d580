/**
 * Retries exports whose disk failed. Such an export is fenced: it is served from memory, and requests that need the
 * disk fail. Recovery retries automatically with growing delays, until the disk works again (for example when space was
 * freed or a path is back).
 */
import type { BlockCache } from '../index.js'
import { entry, type Log } from './log.js'

const FIRST_MS = 1000
const LAST_MS = 30_000

export class Recovery {
  readonly #cache: BlockCache
  readonly #log: Log
  /** The fenced partitions, each with its retry that waits or is in progress. */
  readonly #tries = new Map<string, { timer: NodeJS.Timeout; running: Promise<void> | undefined }>()
  #isStopping = false

  constructor(cache: BlockCache, log: Log) {
    this.#cache = cache
    this.#log = log
    cache.on('fenced', ({ partition, error }) => {
      const code = (error as NodeJS.ErrnoException).code ?? null
      log(
        entry(
          'error',
          'fenced',
          `export '${partition}' can't be written: ${error.message}; retrying automatically`,
          {
            export: partition,
            code,
          },
        ),
      )
      if (!this.#tries.has(partition)) this.#tryLater(partition, FIRST_MS)
    })
    cache.on('restored', ({ partition }) => {
      log(
        entry('info', 'restored', `export '${partition}' is restored: all its changes are on the disk`, {
          export: partition,
        }),
      )
    })
  }

  /** The export is removed, with all its changes on the disk. */
  forget(partition: string): void {
    clearTimeout(this.#tries.get(partition)?.timer)
    this.#tries.delete(partition)
  }

  /** Stops retrying, and waits for retries in progress. */
  async stop(): Promise<void> {
    this.#isStopping = true
    for (const { timer, running } of this.#tries.values()) {
      clearTimeout(timer)
      await running
    }
  }

  #tryLater(partition: string, delayMs: number): void {
    const timer = setTimeout(() => {
      const running = this.#try(partition, delayMs)
      const entryOf = this.#tries.get(partition)
      if (entryOf) entryOf.running = running
    }, delayMs)
    this.#tries.set(partition, { timer, running: undefined })
  }

  async #try(partition: string, delayMs: number): Promise<void> {
    try {
      await this.#cache.retry(partition)
      this.#tries.delete(partition)
    } catch (error) {
      if (this.#isStopping) return
      const nextMs = Math.min(2 * delayMs, LAST_MS)
      this.#log(
        entry('warn', 'fenced', `export '${partition}' still can't be written: ${(error as Error).message}`, {
          export: partition,
          nextMs,
        }),
      )
      this.#tryLater(partition, nextMs)
    }
  }
}
