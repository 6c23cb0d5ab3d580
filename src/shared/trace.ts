/**
 * The flight recorder: what every thread did, in a ring in the shared buffer that keeps the newest records. A record is an
 * instant, or a span that is written when it ends, with the time at which it began. When tracing is off, a trace point costs a
 * test of a constant. A record may be overwritten while it is read; its sequence number shows that.
 *
 *   ring     next sequence number; 1 if the points of single blocks are recorded; what has to be added to times, 2 words;
 *            in all 16 words, then the records
 *   record   sequence, point, slot, partition, block, value, began, duration; last the state: EMPTY, WRITING or WRITTEN
 *            (stored last). Block, began and duration take two words each; times are in microseconds
 *
 * A record has 16 words, a cache line. Threads write neighbouring records at the same time: with two records in a line they
 * would take it from each other, and a record is written into one line only. An entry costs 64 bytes, and a record a reading or two
 * of the clock and three atomic operations.
 *
 * A thread that is terminated while it writes a record leaves its place as WRITING: that place has no records any more.
 * Sequence numbers wrap; only their differences are meaningful.
 */
import { performance } from 'node:perf_hooks'
import { add, compareExchange, load, loadInOrder, store, type Words } from '#atomics'
import type { Arena } from './arena.js'
import type { TraceOptions, TraceRecord } from './reports.js'
import { TRACE_WORDS } from './layout.js'
import { clockUs } from './clock.js'

/**
 * By what they are about: block (a thread and a block), wait (a call waits), disk and journal (a call of the system), proc
 * (threads of the engine), work (steps of a round). `TraceRecord` says what the fields of each mean.
 */
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
  'work.round',
  'wait.latch',
  'wait.frame',
  'wait.dirty',
  'wait.spare',
  'wait.flush',
  'wait.mutex',
  'disk.read',
  'disk.write',
  'disk.fsync',
  'journal.write',
  'journal.fsync',
] as const
export type TracePoint = (typeof TRACE_POINTS)[number]
export const TRACE = Object.freeze(Object.fromEntries(TRACE_POINTS.map((name, i) => [name, i]))) as Readonly<
  Record<TracePoint, number>
>

/** The value of `work.round` is the place of what the round was; negative if it failed. */
export const ROUND_KINDS = ['', 'full', 'partial', 'record', 'places'] as const
export type RoundKind = Exclude<(typeof ROUND_KINDS)[number], ''>

const RECORDS = 16
/** Words of the ring. */
const HAS_BLOCKS = 1
const OFFSET = 2
/** Words of a record. */
const POINT = 1
const SLOT = 2
const PARTITION = 3
const BLOCK = 4
const VALUE = 6
const BEGAN = 7
const DURATION = 9
const STATE = 15
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

  /**
   * Records an instant.
   * @requires a ring with entries; callers test `isTraced` or `tracesBlocks` first, so that a trace point costs nothing when
   *   tracing is off
   */
  record(point: number, partition: number, block: number, value: number): void {
    this.#write(point, partition, block, value, clockUs(), 0)
  }

  /**
   * Records a span that ends now. `startMs`: when it began, as `performance.now()` of this thread. Both ends are rounded down to
   * a microsecond, so a span within another one stays within it.
   * @requires as `record`
   */
  span(
    point: number,
    partition: number,
    block: number,
    value: number,
    startMs: number,
    endMs = performance.now(),
  ): void {
    const beganUs = clockUs(startMs)
    this.#write(point, partition, block, value, beganUs, clockUs(endMs) - beganUs)
  }

  #write(
    point: number,
    partition: number,
    block: number,
    value: number,
    beganUs: number,
    durationUs: number,
  ): void {
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
    words[at + POINT] = point
    words[at + SLOT] = this.#slot
    words[at + PARTITION] = partition
    put(words, at + BLOCK, block)
    words[at + VALUE] = value
    put(words, at + BEGAN, beganUs)
    put(words, at + DURATION, durationUs)
    store(words, at + STATE, WRITTEN)
  }
}

/**
 * Formats an empty ring. Times are kept on the monotonic clock, and read on the system's clock as it was set now: a step of that
 * clock must not turn the order of records around.
 */
export function formatTrace({ words, traceAt, geometry }: Arena, hasBlocks: boolean): void {
  if (geometry.traceEntries === 0) return
  words[traceAt + HAS_BLOCKS] = hasBlocks ? 1 : 0
  put(words, traceAt + OFFSET, Date.now() * 1000 - clockUs())
}

/** Whether the points of single blocks are recorded. */
export const tracesBlocks = ({ words, traceAt, geometry }: Arena): boolean =>
  geometry.traceEntries > 0 && words[traceAt + HAS_BLOCKS] === 1

/** After so many records in a row that ended too early, those before them are too early too. A thread may be interrupted between
 * its look at the clock and its record, so one alone says nothing. */
const EARLY_MAX = 64

/**
 * The newest records, by when they began: those that ended at `sinceMs` or later, of the given points. Takes time linear in the number of
 * records that ended since then, and makes an object for each of these points.
 */
export function readTrace(arena: Arena, { sinceMs = -Infinity, points }: TraceOptions = {}): TraceRecord[] {
  const { words, traceAt } = arena
  const { traceEntries } = arena.geometry
  if (traceEntries === 0) return []
  const end = load(words, traceAt)
  const offsetUs = get(words, traceAt + OFFSET)
  const wanted = TRACE_POINTS.map((point) => points?.includes(point) ?? true)
  const records: TraceRecord[] = []
  for (let i = 1, early = 0; i <= traceEntries && early < EARLY_MAX; i++) {
    const sequence = (end - i) | 0
    const at = traceAt + RECORDS + (sequence & (traceEntries - 1)) * TRACE_WORDS
    if (!isWritten(words, at, sequence)) continue
    const endMs = (get(words, at + BEGAN) + get(words, at + DURATION) + offsetUs) / 1000
    early = endMs < sinceMs ? early + 1 : 0
    const point = loadInOrder(words, at + POINT)
    if (early > 0 || wanted[point] !== true) continue
    const record = {
      point: TRACE_POINTS[point]!,
      slot: loadInOrder(words, at + SLOT),
      partition: loadInOrder(words, at + PARTITION),
      block: get(words, at + BLOCK),
      value: loadInOrder(words, at + VALUE),
      atMs: (get(words, at + BEGAN) + offsetUs) / 1000,
      durationMs: get(words, at + DURATION) / 1000,
    }
    if (isWritten(words, at, sequence)) records.push(record)
  }
  return records.reverse().sort((a, b) => a.atMs - b.atMs)
}

const isWritten = (words: Words, at: number, sequence: number): boolean =>
  load(words, at + STATE) === WRITTEN && loadInOrder(words, at) === sequence

/** Stores a whole number of up to 53 bits in two words. */
function put(words: Words, at: number, number: number): void {
  words[at] = number | 0
  words[at + 1] = Math.floor(number / 2 ** 32)
}

const get = (words: Words, at: number): number =>
  loadInOrder(words, at + 1) * 2 ** 32 + (loadInOrder(words, at) >>> 0)
