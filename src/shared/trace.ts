/**
 * Trace points: what every thread did, in order, in a ring in the shared buffer that keeps the newest records. Off
 * (no entries) it costs a test of a constant. A record may be overwritten while it is read; its sequence tells.
 *
 *   ring     next sequence number, 16 words, then the records
 *   record   sequence + 1 (written last; WRITING before that), point, slot, partition, block, value, time
 */
import { add, compareExchange, load, store } from '#atomics'
import type { Arena } from './arena.js'
import type { TraceRecord } from './interface.js'
import { TRACE_WORDS } from './layout.js'
import { clockMs } from './clock.js'

/** Grouped as in the ancestor: block (a thread and a block), proc (life of the engine), work (what a round does). */
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
const WRITING = -1

export class Tracer {
  readonly on: boolean
  readonly #arena: Arena
  readonly #slot: number

  constructor(arena: Arena, slot: number) {
    this.#arena = arena
    this.#slot = slot
    this.on = arena.geometry.traceEntries > 0
  }

  /** @requires `on`: callers test it first, so that a trace point costs nothing when tracing is off */
  record(point: number, partition: number, block: number, value: number): void {
    const { words, traceAt, geometry } = this.#arena
    const sequence = add(words, traceAt, 1)
    const at = traceAt + RECORDS + (sequence & (geometry.traceEntries - 1)) * TRACE_WORDS
    const mark = load(words, at)
    // Overtaken by a whole lap, or it is one: the place belongs to another writer, and this record is lost.
    if (mark === WRITING || ((mark - sequence) | 0) > 0 || compareExchange(words, at, mark, WRITING) !== mark)
      return
    words[at + 1] = point
    words[at + 2] = this.#slot
    words[at + 3] = partition
    words[at + 4] = block
    words[at + 5] = value
    words[at + 6] = clockMs()
    store(words, at, (sequence + 1) | 0)
  }
}

export function readTrace(arena: Arena): TraceRecord[] {
  const { words, traceAt } = arena
  const { traceEntries } = arena.geometry
  if (traceEntries === 0) return []
  const end = load(words, traceAt)
  const records: TraceRecord[] = []
  for (let sequence = Math.max(0, end - traceEntries); sequence < end; sequence++) {
    const at = traceAt + RECORDS + (sequence & (traceEntries - 1)) * TRACE_WORDS
    if (load(words, at) !== sequence + 1) continue
    const [, point, slot, partition, block, value, atMs] = words.subarray(at, at + 7)
    if (load(words, at) !== sequence + 1) continue
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
