/**
 * Published waits: what each call of a thread waits for and since when, in records that other threads read. The queue of a
 * latch is made of them (latch-queue.ts); messages, holders() and the search for cycles read them too.
 *
 *   FREE --publish: at, since, then what--> WAITS --withdraw: what = 0--> FREE
 *
 * A record is written by its slot's thread; `wake` is changed by any thread that has news for the call. The records in use
 * are those before `Slot.waitsEnd`: a scan costs one load for each slot and one for each of these. A reader may see parts
 * of two waits that had one record after the other. It takes them for a hint, and looks again at what it did.
 */
import { add, load, notify, store, type Words } from '#atomics'
import { clockTicks } from './clock.js'
import type { SlotIndex } from './indices.js'
import { OTHER_WAITS_MAX, WAITS_MAX } from './layout.js'
import { Slot, SlotState, Wait } from './words.js'

/** What a call can wait for; 0 nothing. Named in holders() and in the errors of deadlines. */
export const WAITS = ['', 'read', 'modify', 'frame', 'dirty', 'spare', 'flush', 'mutex'] as const
export type WaitKind = Exclude<(typeof WAITS)[number], ''>
/** In `Wait.what`, added to the kind: the whole thread sleeps, not only one of its tasks. */
const SLEEPS = 0x100

/** Where slots and their records stand; an Arena. */
export interface WaitTable {
  readonly words: Words
  readonly geometry: { readonly slots: number }
  slotAt(slot: SlotIndex): number
  waitAt(slot: SlotIndex, index: number): number
}

/** A wait as another thread sees it. */
export interface PublishedWait {
  readonly slot: SlotIndex
  /** Of the record. */
  readonly recordAt: number
  readonly kind: WaitKind
  /** The frame, the group, or the word of the mutex. */
  readonly at: number
  readonly sleeps: boolean
  /** On clockTicks. */
  readonly since: number
}

/** The waits that one thread publishes, by the call that waits. */
export class OwnWaits {
  readonly #table: WaitTable
  readonly #slot: SlotIndex
  /** By record: the call that has it. */
  readonly #calls: (object | undefined)[] = []
  readonly #records = new Map<object, number>()

  constructor(table: WaitTable, slot: SlotIndex) {
    this.#table = table
    this.#slot = slot
  }

  get count(): number {
    return this.#records.size
  }

  /**
   * Publishes what a call is about to wait for; said again for the same, it has waited since the first time. With all records
   * in use the wait is not published.
   */
  publish(call: object, kind: WaitKind, at: number, sleeps: boolean): void {
    const { words } = this.#table
    const what = WAITS.indexOf(kind) | (sleeps ? SLEEPS : 0)
    const known = this.recordAt(call)
    if (known >= 0) {
      if (words[known + Wait.what] === what && words[known + Wait.at] === at) return
      store(words, known + Wait.what, 0)
      this.#fill(known, what, at)
      return
    }
    const isForFrame = kind === 'read' || kind === 'modify'
    if (!isForFrame && this.count >= OTHER_WAITS_MAX) return
    const index = this.#freeIndex()
    if (index === WAITS_MAX) return
    this.#calls[index] = call
    this.#records.set(call, index)
    this.#fill(this.#table.waitAt(this.#slot, index), what, at)
    const endAt = this.#table.slotAt(this.#slot) + Slot.waitsEnd
    if (index >= words[endAt]!) store(words, endAt, index + 1)
  }

  /** That call waits no more. */
  withdraw(call: object): void {
    const index = this.#records.get(call)
    if (index === undefined) return
    const { words } = this.#table
    this.#records.delete(call)
    store(words, this.#table.waitAt(this.#slot, index) + Wait.what, 0)
    this.#calls[index] = undefined
    const before = this.#calls.length
    while (this.#calls.length > 0 && this.#calls.at(-1) === undefined) this.#calls.pop()
    if (this.#calls.length < before)
      store(words, this.#table.slotAt(this.#slot) + Slot.waitsEnd, this.#calls.length)
  }

  /** The record of a call's wait, -1 if it has none. */
  recordAt(call: object): number {
    const index = this.#records.get(call)
    return index === undefined ? -1 : this.#table.waitAt(this.#slot, index)
  }

  #freeIndex(): number {
    const index = this.#calls.indexOf(undefined)
    return index < 0 ? this.#calls.length : index
  }

  #fill(recordAt: number, what: number, at: number): void {
    const { words } = this.#table
    words[recordAt + Wait.at] = at
    words[recordAt + Wait.since] = clockTicks()
    store(words, recordAt + Wait.what, what)
  }
}

/** The waits that a slot has published; none unless its thread lives. */
export function waitsOf(table: WaitTable, slot: SlotIndex): PublishedWait[] {
  const { words } = table
  const slotAt = table.slotAt(slot)
  if (load(words, slotAt + Slot.state) !== SlotState.LIVE) return []
  const found: PublishedWait[] = []
  for (const recordAt of recordsOf(table, slot)) {
    const wait = waitIn(words, slot, recordAt)
    if (wait !== undefined) found.push(wait)
  }
  return found
}

/** The addresses of a slot's records that may be in use. */
export function recordsOf(table: WaitTable, slot: SlotIndex): number[] {
  const end = Math.min(load(table.words, table.slotAt(slot) + Slot.waitsEnd), WAITS_MAX)
  return Array.from({ length: Math.max(0, end) }, (_, index) => table.waitAt(slot, index))
}

function waitIn(words: Words, slot: SlotIndex, recordAt: number): PublishedWait | undefined {
  const what = load(words, recordAt + Wait.what)
  const kind = WAITS[what & ~SLEEPS]
  if (kind === undefined || kind === '') return undefined
  const at = load(words, recordAt + Wait.at)
  return { slot, recordAt, kind, at, sleeps: (what & SLEEPS) !== 0, since: words[recordAt + Wait.since]! }
}

/** The frame that a record says is waited for, -1 if it is none; of a dead slot too. */
export function frameIn(words: Words, recordAt: number): number {
  const kind = WAITS[load(words, recordAt + Wait.what) & ~SLEEPS]
  return kind === 'read' || kind === 'modify' ? words[recordAt + Wait.at]! : -1
}

/** All waits of live threads for one frame. Costs a load for each slot, and one for each published wait. */
export function waitsForFrame(table: WaitTable, frame: number): PublishedWait[] {
  const { words } = table
  const found: PublishedWait[] = []
  for (let slot = 0; slot < table.geometry.slots; slot++) {
    const slotAt = table.slotAt(slot)
    const end = load(words, slotAt + Slot.waitsEnd)
    if (end === 0 || load(words, slotAt + Slot.state) !== SlotState.LIVE) continue
    for (let index = 0; index < Math.min(end, WAITS_MAX); index++) {
      const wait = waitIn(words, slot, table.waitAt(slot, index))
      if (wait !== undefined && isForFrame(wait) && wait.at === frame) found.push(wait)
    }
  }
  return found
}

const isForFrame = ({ kind }: PublishedWait): boolean => kind === 'read' || kind === 'modify'

/** Whether that wait is published still: the same kind, for the same, by a live thread. */
export function isPublished(table: WaitTable, { slot, recordAt, kind, at }: PublishedWait): boolean {
  if (load(table.words, table.slotAt(slot) + Slot.state) !== SlotState.LIVE) return false
  const now = waitIn(table.words, slot, recordAt)
  return now?.kind === kind && now.at === at
}

/** Tells a waiting call to look again. */
export function wakeWait(words: Words, recordAt: number): void {
  add(words, recordAt + Wait.wake, 1)
  notify(words, recordAt + Wait.wake)
}

/** Tells all waiting calls of all threads to look again. */
export function wakeAllWaits(table: WaitTable): void {
  for (let slot = 0; slot < table.geometry.slots; slot++)
    for (const recordAt of recordsOf(table, slot)) wakeWait(table.words, recordAt)
}

/** Clears what a dead thread has published. The reaper's thread, after it has woken those that wait for the same. */
export function clearWaits(table: WaitTable, slot: SlotIndex): void {
  for (const recordAt of recordsOf(table, slot)) store(table.words, recordAt + Wait.what, 0)
  store(table.words, table.slotAt(slot) + Slot.waitsEnd, 0)
}
