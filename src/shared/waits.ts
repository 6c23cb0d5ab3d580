/**
 * Published waits: what each call of a thread waits for and since when, in records that other threads read. The queue of a
 * latch consists of them (latch-queue.ts); error messages, holders() and the search for cycles read them too.
 *
 *   FREE --publish: at, since, then what--> WAITS --withdraw: what = 0--> FREE
 *
 * Only the slot's thread writes a record, except `wake`, which any thread changes that has news for the call. The records in
 * use are among those before `Slot.waitsEnd`: a scan costs one load per slot, plus one per such record. A reader may see a
 * mixture of two waits that used a record one after the other; it must treat what it reads as a hint.
 */
import { add, load, notify, store, type Words } from '#atomics'
import { clockTicks } from './clock.js'
import type { SlotIndex } from './indices.js'
import { OTHER_WAITS_MAX, WAITS_MAX } from './layout.js'
import { Slot, SlotState, Wait } from './words.js'

/** What a call can wait for; 0 is nothing. The names appear in holders() and in timeout errors. */
export const WAITS = ['', 'read', 'modify', 'frame', 'dirty', 'spare', 'flush', 'mutex'] as const
export type WaitKind = Exclude<(typeof WAITS)[number], ''>
/** Added to the kind in `Wait.what`: the whole thread sleeps, not only one of its tasks. */
const SLEEPS = 0x100

/** Where slots and their records are; an Arena. */
export interface WaitTable {
  readonly words: Words
  readonly geometry: { readonly slots: number }
  slotAt(slot: SlotIndex): number
  waitAt(slot: SlotIndex, index: number): number
}

/** A wait as other threads see it. */
export interface PublishedWait {
  readonly slot: SlotIndex
  /** Address of the record. */
  readonly recordAt: number
  readonly kind: WaitKind
  /** The frame, the group, or the word of the mutex. */
  readonly at: number
  readonly sleeps: boolean
  /** On the clock of clockTicks. */
  readonly since: number
}

/** The waits that one thread publishes, by the call that waits. */
export class OwnWaits {
  readonly #table: WaitTable
  readonly #slot: SlotIndex
  /** The call that uses each record. */
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
   * Publishes what a call is about to wait for. If the call publishes the same wait again, the time of the first publication
   * counts. If no record is free, the wait is not published.
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

  /** Withdraws the wait of a call. */
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

  /** Address of the record of a call's wait; -1 if it has none. */
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

/** The waits that a slot has published; none unless it is live. */
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

/** Addresses of the records of a slot that may be in use. */
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

/** The frame that a record waits for; -1 if it is not a wait for a frame. Also for records of dead slots. */
export function frameIn(words: Words, recordAt: number): number {
  const kind = WAITS[load(words, recordAt + Wait.what) & ~SLEEPS]
  return kind === 'read' || kind === 'modify' ? words[recordAt + Wait.at]! : -1
}

/** All waits of live threads for one frame. Costs one load per slot, plus one per published wait. */
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

/** Whether that wait is still published: the same kind, for the same thing, by a live thread. */
export function isPublished(table: WaitTable, { slot, recordAt, kind, at }: PublishedWait): boolean {
  if (load(table.words, table.slotAt(slot) + Slot.state) !== SlotState.LIVE) return false
  const now = waitIn(table.words, slot, recordAt)
  return now?.kind === kind && now.at === at
}

/** Tells a waiting call to check again. */
export function wakeWait(words: Words, recordAt: number): void {
  add(words, recordAt + Wait.wake, 1)
  notify(words, recordAt + Wait.wake)
}

/** Tells all waiting calls of all threads to check again. */
export function wakeAllWaits(table: WaitTable): void {
  for (let slot = 0; slot < table.geometry.slots; slot++)
    for (const recordAt of recordsOf(table, slot)) wakeWait(table.words, recordAt)
}

/** Clears the waits of a dead thread. Called by the reaper, after it has woken the waiters for the same frames. */
export function clearWaits(table: WaitTable, slot: SlotIndex): void {
  for (const recordAt of recordsOf(table, slot)) store(table.words, recordAt + Wait.what, 0)
  store(table.words, table.slotAt(slot) + Slot.waitsEnd, 0)
}
