/**
 * The flight recorder in the trace-event format of Chrome, which ui.perfetto.dev and chrome://tracing show: a track for each
 * thread, with its instants and spans.
 *
 *   ph   event                     of
 *   M    names of the process and of threads
 *   X    span of a thread          spans that nest on their thread, as calls of a function do
 *   b e  span that has an id       rounds and asynchronous calls, if those of the thread overlap
 *   i    instant                   records without a duration
 *
 * Viewers draw the X spans of a thread as a stack, so they must nest: one that began within another must end within it. Most
 * threads do one thing after the other, and theirs do. A thread that awaits has several calls under way at a time, and the flush
 * worker runs the rounds of all groups at once. Their spans are asynchronous events, each on a track of its own below the thread;
 * a read of the disk is shown within its miss, and a stage within its round, by the same category and id. It is decided for each thread, and
 * not for each span, so that all misses of a thread look alike. Calls of the system that block the thread never overlap, so they
 * are X in any case.
 *
 * Times are microseconds since 1970, so that traces of several processes can be put together; viewers begin at the first.
 */
import { basename } from 'node:path'
import type { CacheClient, TraceRecord } from '../index.js'
import { refuse, show } from '../shared/values.js'
import { Names, type TraceArguments } from './trace-names.js'

/** The object that a file of this format has. */
export interface ChromeTrace {
  /** Metadata first, then by `ts`. */
  readonly traceEvents: readonly ChromeTraceEvent[]
  readonly displayTimeUnit: 'ms'
  readonly otherData: {
    readonly source: 'dcache'
    /** How many records of the flight recorder the events are made of. 0: it is off. */
    readonly records: number
    /** When the first of them began and the last one ended, ISO 8601; null without records. */
    readonly from: string | null
    readonly to: string | null
  }
}

export type ChromeTraceEvent = MetadataEvent | SpanEvent | InstantEvent | AsyncEvent

export interface CommonEvent {
  readonly name: string
  readonly pid: number
  /** The slot of the thread. */
  readonly tid: number
}

export interface MetadataEvent extends CommonEvent {
  readonly ph: 'M'
  readonly args: { readonly name: string } | { readonly sort_index: number }
}

export interface TimedEvent extends CommonEvent {
  /** The first part of the name: block, wait, disk, journal, work or proc. Of a part of an asynchronous event, that of the whole. */
  readonly cat: string
  /** Microseconds. */
  readonly ts: number
}

export interface SpanEvent extends TimedEvent {
  readonly ph: 'X'
  readonly dur: number
  readonly args: TraceArguments
}

export interface InstantEvent extends TimedEvent {
  readonly ph: 'i'
  /** Of the thread. */
  readonly s: 't'
  readonly args: TraceArguments
}

export interface AsyncEvent extends TimedEvent {
  readonly ph: 'b' | 'e'
  readonly id: string
  /** Those of `b`; none of `e`. */
  readonly args: TraceArguments
}

export interface ChromeTraceOptions {
  /**
   * Only what happened in the last so many seconds before the end of the newest record: if a program has stood still for a
   * minute, that is what led to it. Above 0. Default: everything that the recorder has.
   */
  seconds?: number | undefined
}

/** A record with its times, whole microseconds. */
interface Timed {
  readonly record: TraceRecord
  readonly startUs: number
  readonly endUs: number
  /** Its place among the records. Of two with the same times the inner one was recorded first. */
  readonly place: number
}

/** An event with what it is sorted by: the time, what comes first at the same time, and the order among those. */
interface Sorted {
  readonly event: Exclude<ChromeTraceEvent, MetadataEvent>
  readonly rank: number
  readonly order: number
  readonly place: number
}

/** At one time: what ends, then what begins, then the ends of what took no time. */
const ENDS = 0
const BEGINS = 1
const ENDS_AT_ONCE = 2

/** Calls of the system that block their thread. `disk.read` may be asynchronous. */
const BLOCKING: ReadonlySet<string> = new Set(['disk.write', 'disk.fsync', 'journal.write', 'journal.fsync'])

/** Room for the numbers of one process. */
const IDS = 2 ** 24

/**
 * The records of the flight recorder as a trace. Any attached thread. Takes some microseconds for each record, and as long as
 * `stats` and `trace`.
 * @throws ERR_DCACHE_BAD_OPTION
 */
export function chromeTrace(cache: CacheClient, { seconds }: ChromeTraceOptions = {}): ChromeTrace {
  if (seconds !== undefined && !(typeof seconds === 'number' && seconds > 0))
    refuse(`seconds is ${show(seconds)}; it must be a number above 0`)
  const timed = newest(cache.trace(), seconds)
  const names = new Names(cache)
  const { pid } = process
  const events = new TraceEvents(names, pid)
  const bySlot = new Map<number, Timed[]>()
  for (const one of timed) {
    const { slot } = one.record
    const others = bySlot.get(slot)
    if (others === undefined) bySlot.set(slot, [one])
    else others.push(one)
  }
  for (const ofThread of bySlot.values()) events.addThread(ofThread)
  const ends = timed.map(({ endUs }) => endUs).reduce((a, b) => Math.max(a, b), 0)
  return {
    traceEvents: [...metadata(names, pid, bySlot.keys()), ...events.sorted()],
    displayTimeUnit: 'ms',
    otherData: {
      source: 'dcache',
      records: timed.length,
      from: timed.length === 0 ? null : isoTime(timed[0]!.startUs),
      to: timed.length === 0 ? null : isoTime(ends),
    },
  }
}

const isoTime = (us: number): string => new Date(us / 1000).toISOString()

/** Those of the last seconds, in the order of their beginning. A span counts if it ended in that time. */
function newest(records: readonly TraceRecord[], seconds = Infinity): Timed[] {
  const timed = records.map((record, place) => {
    // Microseconds are exact in these fractions.
    const startUs = Math.round(record.atMs * 1000)
    return { record, startUs, endUs: startUs + Math.round(record.durationMs * 1000), place }
  })
  const lastUs = timed.reduce((last, { endUs }) => Math.max(last, endUs), -Infinity)
  return timed.filter(({ endUs }) => endUs >= lastUs - seconds * 1e6)
}

/** The names of the process, and of each thread that is there or has records. */
function metadata(names: Names, pid: number, slots: Iterable<number>): MetadataEvent[] {
  const title = process.argv[1] === undefined ? 'dcache' : `dcache in ${basename(process.argv[1])}`
  const all = [...new Set([...names.slots, ...slots])].sort((a, b) => a - b)
  return [
    { name: 'process_name', ph: 'M', pid, tid: 0, args: { name: title } },
    ...all.flatMap((slot): MetadataEvent[] => [
      { name: 'thread_name', ph: 'M', pid, tid: slot, args: { name: names.thread(slot) } },
      { name: 'thread_sort_index', ph: 'M', pid, tid: slot, args: { sort_index: slot } },
    ]),
  ]
}

class TraceEvents {
  readonly #names: Names
  readonly #pid: number
  readonly #events: Sorted[] = []
  #ids = 0

  constructor(names: Names, pid: number) {
    this.#names = names
    this.#pid = pid
  }

  /** Adds the records of one thread. */
  addThread(timed: readonly Timed[]): void {
    for (const instant of timed.filter(isInstant))
      this.#add({ ...this.#common(instant), ph: 'i', s: 't', args: this.#args(instant) }, instant, BEGINS)
    // Outer ones first.
    const spans = timed
      .filter((one) => !isInstant(one))
      .sort((a, b) => a.startUs - b.startUs || b.endUs - a.endUs || b.place - a.place)
    const calls = spans.filter(({ record }) => BLOCKING.has(record.point))
    const stack = nests(spans) ? spans : nests(calls) ? calls : []
    for (const span of stack) {
      const dur = span.endUs - span.startUs
      this.#add({ ...this.#common(span), ph: 'X', dur, args: this.#args(span) }, span, BEGINS)
    }
    if (stack.length === spans.length) return
    const onStack = new Set(stack)
    this.#addAsync(spans.filter((span) => !onStack.has(span)))
  }

  /** By time; metadata is not among them. */
  sorted(): ChromeTraceEvent[] {
    return this.#events
      .sort((a, b) => a.event.ts - b.event.ts || a.rank - b.rank || a.order - b.order || a.place - b.place)
      .map(({ event }) => event)
  }

  /** `spans`: outer ones first. */
  #addAsync(spans: readonly Timed[]): void {
    const parents = new OpenParents()
    for (const span of spans) {
      const own = parents.take(span, () => `0x${(this.#pid * IDS + ++this.#ids).toString(16)}`)
      const common = { ...this.#common(span), ...own }
      this.#add({ ...common, ph: 'b', args: this.#args(span) }, span, BEGINS)
      const rank = span.endUs > span.startUs ? ENDS : ENDS_AT_ONCE
      this.#add({ ...common, ph: 'e', ts: span.endUs, args: {} }, span, rank)
    }
  }

  #add(event: Sorted['event'], { startUs, endUs, place }: Timed, rank: number): void {
    // What is outer begins first and ends last; of two with the same times it is the one that was recorded later.
    const isEnd = rank !== BEGINS
    this.#events.push({
      event,
      rank,
      order: isEnd ? -startUs : startUs - endUs,
      place: isEnd ? place : -place,
    })
  }

  #common({ record, startUs }: Timed) {
    const { point, slot } = record
    return { name: point, cat: categoryOf(point), pid: this.#pid, tid: slot, ts: startUs }
  }

  #args({ record }: Timed): TraceArguments {
    return this.#names.argsOf(record)
  }
}

const categoryOf = (point: string): string => point.split('.')[0]!

/** The other points are spans also if they took less than a microsecond. */
const isInstant = ({ record: { point } }: Timed): boolean =>
  point.startsWith('proc.') ||
  (point.startsWith('block.') && point !== 'block.load') ||
  (point.startsWith('work.') && point !== 'work.round' && point !== 'work.stage')

/** Whether no two spans overlap in part. `spans`: sorted by their beginning, outer ones first. */
function nests(spans: readonly Timed[]): boolean {
  const ends: number[] = []
  for (const { startUs, endUs } of spans) {
    while (ends.length > 0 && ends.at(-1)! <= startUs) ends.pop()
    if (ends.length > 0 && ends.at(-1)! < endUs) return false
    ends.push(endUs)
  }
  return true
}

/** What a span can be a part of, if it is about the same. */
const PARENTS: Readonly<Record<string, string>> = {
  'work.stage': 'work.round',
  'disk.read': 'block.load',
  'wait.frame': 'block.load',
  'wait.latch': 'block.load',
}

/** The misses and rounds of a thread that may have parts. */
class OpenParents {
  /** By point and what it is about: the end, the id, and when the last part of it ended. */
  readonly #open = new Map<string, { readonly endUs: number; readonly id: string; partEndUs: number }[]>()

  /**
   * The category and id of a span: those of the innermost one that it is a part of, else an id of its own. Called in the order of
   * beginnings.
   */
  take(
    { record, startUs, endUs }: Timed,
    makeId: () => string,
  ): { readonly cat: string; readonly id: string } {
    const { point, partition, block } = record
    const parent = PARENTS[point]
    if (parent === undefined) {
      const id = makeId()
      const key = keyOf(point, partition, block)
      const open = (this.#open.get(key) ?? []).filter((other) => other.endUs > startUs)
      this.#open.set(key, [...open, { endUs, id, partEndUs: startUs }])
      return { cat: categoryOf(point), id }
    }
    const candidates = this.#open.get(keyOf(parent, partition, block)) ?? []
    const found = candidates.findLast((one) => one.endUs >= endUs && one.partEndUs <= startUs)
    if (found === undefined) return { cat: categoryOf(point), id: makeId() }
    found.partEndUs = endUs
    return { cat: categoryOf(parent), id: found.id }
  }
}

/** A round and its stages have the group in common. */
const keyOf = (point: string, partition: number, block: number): string =>
  point === 'work.round' ? `${point} ${partition}` : `${point} ${partition} ${block}`
