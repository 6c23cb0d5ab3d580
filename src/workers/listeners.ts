/**
 * Listeners to the events of one cache. If a listener throws, its error is thrown again outside, as an uncaught exception of
 * the process; the other listeners and the engine are not affected.
 */
import { EventEmitter } from 'node:events'
import type { CacheEvents } from '../shared/interface.js'
import type { CacheEvent } from './events.js'

export class Listeners {
  readonly #emitter = new EventEmitter()
  /** By slot: the last thread whose end was reported. */
  readonly #lastDead: number[] = []

  on<E extends keyof CacheEvents>(event: E, listener: (info: CacheEvents[E]) => void): void {
    this.#emitter.on(event, listener)
  }

  off<E extends keyof CacheEvents>(event: E, listener: (info: CacheEvents[E]) => void): void {
    this.#emitter.off(event, listener)
  }

  /** Calls the listeners of an event. The end of a thread is reported once, even if this is called several times. */
  tell({ name, info }: CacheEvent): void {
    if (name === 'workerDied' && this.#isTold(info)) return
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

  #isTold({ threadId, slot }: CacheEvents['workerDied']): boolean {
    const isTold = this.#lastDead[slot] === threadId
    this.#lastDead[slot] = threadId
    return isTold
  }
}
