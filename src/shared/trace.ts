/**
 * Trace points: what every thread did, in order, in a ring in the shared buffer that keeps the newest records. When tracing
 * is off, a trace point costs a test of a constant. A record may be overwritten while it is read; its sequence number shows
 * that.
 *
 *   ring     next sequence number, 16 words, then the records
 *   record   sequence, point, slot, partition, block, value, time, state: EMPTY, WRITING or WRITTEN (stored last)
 *
 * Sequence numbers wrap; only their differences are meaningful.
 */
import { add, compareExchange, load, store, type Words } from '#atomics'
import type { Arena } from './arena.js'
import type { TraceRecord } from './reports.js'
import { TRACE_WORDS } from './layout.js'
import { clockMs } from './clock.js'

/** In three groups: block (a thread and a block), proc (threads of the engine), work (steps of a round). */
export const TRACE_POINTS = [
  'block.acquire',
  'block.load',
  'block.evict',
  'block.release',
  'block.dirty',
  'proc.attach',
  'proc.detach',
  'proc.start',
  'proc.stop',
  'work.cut',
  'work.stage',
  'work.write',
  'work.done',
  'work.failed',
] as const
export type TracePoint = (typeof TRACE_POINTS)[number]
export const TRACE = Object.freeze(Object.fromEntries(TRACE_POINTS.map((name, i) => [name, i]))) as Readonly<
  Record<TracePoint, number>
>

const RECORDS = 16
const STATE = 7
const EMPTY = 0
const WRITING = 1
const WRITTEN = 2

export class Tracer {
  readonly #arena: Arena
  readonly #slot: number

  constructor(arena: Arena, slot: number) {
    this.#arena = arena
    this.#slot = slot
  }

  /** @requires a ring with entries; callers test `isTraced` first, so that a trace point costs nothing when tracing is off */
  record(point: number, partition: number, block: number, value: number): void {
    const { words, traceAt, geometry } = this.#arena
    const sequence = add(words, traceAt, 1)
    const at = traceAt + RECORDS + (sequence & (geometry.traceEntries - 1)) * TRACE_WORDS
    const state = load(words, at + STATE)
    if (state === WRITING || compareExchange(words, at + STATE, state, WRITING) !== state) return
    if (state !== EMPTY && ((words[at]! - sequence) | 0) > 0) {
      // Overtaken by a whole lap: the place has a newer record, so this one is dropped.
      store(words, at + STATE, state)
      return
    }
    words[at] = sequence
    words[at + 1] = point
    words[at + 2] = this.#slot
    words[at + 3] = partition
    words[at + 4] = block
    words[at + 5] = value
    words[at + 6] = clockMs()
    store(words, at + STATE, WRITTEN)
  }
}

export function readTrace(arena: Arena): TraceRecord[] {
  const { words, traceAt } = arena
  const { traceEntries } = arena.geometry
  if (traceEntries === 0) return []
  const end = load(words, traceAt)
  const records: TraceRecord[] = []
  for (let i = 0; i < traceEntries; i++) {
    const sequence = (end - traceEntries + i) | 0
    const at = traceAt + RECORDS + (sequence & (traceEntries - 1)) * TRACE_WORDS
    if (!isWritten(words, at, sequence)) continue
    const [, point, slot, partition, block, value, atMs] = words.subarray(at, at + 7)
    if (!isWritten(words, at, sequence)) continue
    records.push({
      point: TRACE_POINTS[point!]!,
      slot: slot!,
      partition: partition!,
      block: block! >>> 0,
      value: value!,
      atMs: atMs!,
    })
  }
  return records
}

const isWritten = (words: Words, at: number, sequence: number): boolean =>
  load(words, at + STATE) === WRITTEN && words[at] === sequence
