/**
 * The events of a cache, kept for viewers: the newest of them, each with a number. In the owner's thread they come from the
 * channels of diagnostics_channel. Another attached thread gets none; there they are found by comparing samples.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { CacheClient } from '../shared/interface.js'
import type { MonitorEvent, MonitorSample } from './protocol.js'

export interface NumberedEvent extends MonitorEvent {
  /** From 1. */
  readonly number: number
}

const CHANNELS = [
  'dcache:fenced',
  'dcache:retry',
  'dcache:restored',
  'dcache:recovered',
  'dcache:workerDied',
  'dcache:threadFailed',
  'dcache:broken',
  'dcache:closed',
] as const
const KEPT_MAX = 100

export class CacheEventLog {
  readonly #cache: CacheClient
  readonly #told: (event: NumberedEvent) => void
  readonly #isOwner: boolean
  readonly #kept: NumberedEvent[] = []
  #count = 0
  #before: MonitorSample | undefined

  /** `told` is called for each event. */
  constructor(cache: CacheClient, told: (event: NumberedEvent) => void) {
    this.#cache = cache
    this.#told = told
    this.#isOwner = 'on' in cache
    if (this.#isOwner) for (const name of CHANNELS) subscribe(name, this.#heard)
  }

  add(name: string, info: MonitorEvent['info'] = {}): void {
    const event = { name, info, timeMs: Date.now(), number: ++this.#count }
    this.#kept.push(event)
    if (this.#kept.length > KEPT_MAX) this.#kept.shift()
    this.#told(event)
  }

  /** The kept events with larger numbers than this. */
  after(number: number): readonly NumberedEvent[] {
    return this.#kept.filter((event) => event.number > number)
  }

  /** Finds events in a sample if there are no channels. */
  look(sample: MonitorSample): void {
    const before = this.#before
    this.#before = sample
    if (this.#isOwner || before === undefined) return
    for (const [partition, { isFenced }] of Object.entries(sample.stats.partitions)) {
      const wasFenced = before.stats.partitions[partition]?.isFenced ?? false
      if (isFenced !== wasFenced) this.add(isFenced ? 'fenced' : 'restored', { partition })
    }
    const dead = new Set(before.threads.filter(({ alive }) => !alive).map(keyOf))
    for (const thread of sample.threads)
      if (!thread.alive && !dead.has(keyOf(thread)))
        this.add('workerDied', { threadId: thread.threadId, slot: thread.slot })
    if (sample.stats.state === 'broken' && before.stats.state !== 'broken') this.add('broken')
  }

  /** In a later step: a channel that tells just now would skip the subscriber after this one. */
  end(): void {
    queueMicrotask(() => {
      for (const name of CHANNELS) unsubscribe(name, this.#heard)
    })
  }

  readonly #heard = (message: unknown, channel: string | symbol): void => {
    const { cache, ...info } = message as { readonly cache: unknown } & Record<string, unknown>
    if (cache !== this.#cache) return
    const plain = Object.entries(info).map(([key, value]) => [key, plainOf(value)])
    this.add(String(channel).replace('dcache:', ''), Object.fromEntries(plain) as MonitorEvent['info'])
  }
}

const keyOf = ({ slot, threadId }: { slot: number; threadId: number }): string => `${slot} ${threadId}`

/** An error has no fields that JSON would keep. */
function plainOf(value: unknown): unknown {
  if (!(value instanceof Error)) return value
  const { message, code } = value as NodeJS.ErrnoException
  return { message, code }
}
