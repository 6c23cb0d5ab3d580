/**
 * Listeners to the events of one cache, and subscribers to the channels, which are told the same and more (channels.ts). If a
 * listener throws, its error is thrown again outside, as an uncaught exception of the process; the other listeners and the
 * engine are not affected.
 */
import { EventEmitter } from 'node:events'
import type { BlockCache, CacheEvents } from '../shared/interface.js'
import { publish } from './channels.js'
import type { Context } from '../core/context.js'
import { type CacheEvent, eventOf, isRound } from './events.js'
import { publishRecord } from './round-news.js'

export class Listeners {
  readonly #cache: BlockCache
  readonly #emitter = new EventEmitter()
  /** By slot: the last thread whose end was reported. */
  readonly #lastDead: number[] = []
  #wasOpened = false

  constructor(cache: BlockCache) {
    this.#cache = cache
  }

  on<E extends keyof CacheEvents>(event: E, listener: (info: CacheEvents[E]) => void): void {
    this.#emitter.on(event, listener)
  }

  off<E extends keyof CacheEvents>(event: E, listener: (info: CacheEvents[E]) => void): void {
    this.#emitter.off(event, listener)
  }

  /**
   * Tells an event to its channel and its listeners. The end of a thread is told once, even if this is called several times.
   */
  tell({ name, info }: CacheEvent): void {
    if (name === 'workerDied' && this.#isTold(info)) return
    this.#publish({ name, info } as CacheEvent)
    for (const listener of this.#emitter.listeners(name)) {
      try {
        ;(listener as (info: CacheEvent['info']) => void)(info)
      } catch (error) {
        process.nextTick(() => {
          throw error
        })
      }
    }
  }

  /** Tells what the flush worker has reported. */
  hear(context: Context, record: readonly number[]): void {
    if (isRound(record)) publishRecord(context, record)
    else this.tell(eventOf(context, record))
  }

  /** `openCache` is about to resolve. */
  opened(): void {
    this.#wasOpened = true
    publish('dcache:opened', { cache: this.#cache })
  }

  /** The engine has stopped. Tells nothing of a cache that was never opened. */
  closed(): void {
    if (this.#wasOpened) publish('dcache:closed', { cache: this.#cache })
  }

  retried(partition: string): void {
    publish('dcache:retry', { cache: this.#cache, partition })
  }

  /** A thread of the engine has ended, or could not be started. */
  readonly failed = (thread: string, error: unknown, failures: number): void => {
    publish('dcache:threadFailed', { cache: this.#cache, thread, failures, error })
  }

  broken(error: unknown): void {
    publish('dcache:broken', { cache: this.#cache, error })
  }

  #publish(event: CacheEvent): void {
    const cache = this.#cache
    // Apart, so that each message has the type of its channel.
    if (event.name === 'fenced') publish('dcache:fenced', { cache, ...event.info })
    else if (event.name === 'restored') publish('dcache:restored', { cache, ...event.info })
    else if (event.name === 'recovered') publish('dcache:recovered', { cache, ...event.info })
    else publish('dcache:workerDied', { cache, ...event.info })
  }

  #isTold({ threadId, slot }: CacheEvents['workerDied']): boolean {
    const isTold = this.#lastDead[slot] === threadId
    this.#lastDead[slot] = threadId
    return isTold
  }
}
