/**
 * Messages from the flush worker to the owner, as records in a ring in the shared buffer, which the owner's event loop reads.
 * Only the flush worker writes records.
 */
import type { Context } from '../core/context.js'
import { syscallName, systemError } from '../core/wait/failure.js'
import type { EngineEvent } from '../core/write-back/fence.js'
import type { RoundNews } from '../shared/channel-messages.js'
import type { CacheEvents } from '../shared/interface.js'
import type { Ring } from '../shared/ring.js'
import { SLICE_MS } from '../shared/wait.js'
import { roundRecord } from './round-news.js'

const KINDS = ['fenced', 'restored', 'died', 'round'] as const
const ROUND = KINDS.indexOf('round')

/** An event, as it is passed to listeners. */
export type CacheEvent = {
  [E in keyof CacheEvents]: { readonly name: E; readonly info: CacheEvents[E] }
}[keyof CacheEvents]

/** The flush worker's end of the ring. Records that find no room are kept, and sent when the owner has read some. */
export class EventSender {
  readonly #ring: Ring
  readonly #kept: number[][] = []
  /** Rounds that found no room since the last that did. */
  #untold = 0

  constructor(ring: Ring) {
    this.#ring = ring
    ring.mend()
  }

  send(event: EngineEvent): void {
    this.#kept.push(recordOf(event))
    this.sendKept()
  }

  /** A round is not kept: the owner's thread may be busy for as long as thousands of them. */
  sendRound(round: RoundNews): void {
    const record = [ROUND, ...roundRecord(round, this.#untold)]
    const isSent = this.#kept.length === 0 && this.#ring.tryPush(...record)
    this.#untold = isSent ? 0 : this.#untold + 1
  }

  sendKept(): void {
    while (this.#kept.length > 0 && this.#ring.tryPush(...this.#kept[0]!)) this.#kept.shift()
  }

  /** Milliseconds until `sendKept` is due; Infinity if nothing is kept. */
  get idleMs(): number {
    return this.#kept.length > 0 ? SLICE_MS : Infinity
  }
}

function recordOf(event: EngineEvent): number[] {
  const kind = KINDS.indexOf(event.kind)
  return event.kind === 'died'
    ? [kind, event.slot, event.threadId]
    : [kind, event.partition, event.writeClass, event.errno, event.syscall]
}

/** Whether a record is a round, for its channel. All others are events. */
export const isRound = (record: readonly number[]): boolean => record[0] === ROUND

/** Converts a record to an event. */
export function eventOf(context: Context, record: readonly number[]): CacheEvent {
  const [kind, index, second, errno, syscall] = record
  if (KINDS[kind!] === 'died') return { name: 'workerDied', info: { slot: index!, threadId: second! } }
  const view = context.partitions.find(index!)
  const partition = view?.name ?? '' // dropped since
  if (KINDS[kind!] === 'restored') return { name: 'restored', info: { partition } }
  const error = systemError(errno!, syscallName(syscall!))
  const writeClass = view === undefined ? '' : context.className(view.group, second!)
  return { name: 'fenced', info: { partition, writeClass, error } }
}
