/**
 * Passing a latch on: what the last thread that leaves does when others wait, and how marks and offers are repaired.
 * The rules and their reasons are in latch.md.
 *
 *   SERVE  1 clear the marks  2 scan the waits  3 one compare-and-swap, if no mark came since: to the next in turn, or free
 *          4 wake the chosen waits  5 if none of them waits any more: take the latch back and serve again
 *   HEAL   set the marks that the waits need; serve a free latch that has waiters; take back an offer that is not accepted
 *
 * Next in turn after a writer are all waiting readers; after readers, the writer that has waited longest, unless a reader
 * has waited longer. If a waiter has waited for OFFER_MS, the latch is offered (HANDED), and no other thread can take it.
 * Before that the latch is freed and the chosen waiters are woken; a running thread may take it first, which keeps
 * throughput high.
 *
 * A thread that serves or heals stores the frame in `Slot.serves` first, for the reaper. Cost: while there are waiters, a
 * scan for each release; nothing while there are none.
 *
 * Sources: eventual fairness as in WebKit's WTF::Lock; phases as in phase-fair reader-writer locks (Brandenburg and
 */
import { compareExchange, load, store, type Words } from '#atomics'
import { msSince } from './clock.js'
import type { FrameIndex, SlotIndex } from './indices.js'
import { asWriter, clearMarks, handOver, isFree, isLatched, leaveDowngraded, leaveLatched, pinsOf, writerOf } from './latch.js' // prettier-ignore
import { DEBUG } from './mutex.js'
import { isPublished, type PublishedWait, waitsForFrame, type WaitTable, wakeWait } from './waits.js'
import { Latch, Slot } from './words.js'

/** After a wait of this length, the latch is offered to the next in turn instead of being freed. */
const OFFER_MS = 1
/** Where latches are, and the waits for them. */
export interface LatchTable extends WaitTable {
  latchAt(frame: FrameIndex): number
  /** Whether the frame has no contents yet, so that even a read needs the exclusive latch. */
  isAbsent(frame: FrameIndex): boolean
  /** Number of times that the frame was latched exclusively. */
  versionOf(frame: FrameIndex): number
}

export type Step = 'serve' | 'heal' | 'done'

/** The waits for a frame, as scanned, by the mode in which each can enter now. */
export interface Scan {
  readonly readers: PublishedWait[]
  readonly writers: PublishedWait[]
}

export class LatchServer {
  protected readonly table: LatchTable
  protected readonly words: Words
  protected readonly slot: SlotIndex
  protected readonly servesAt: number

  constructor(table: LatchTable, slot: SlotIndex) {
    this.table = table
    this.words = table.words
    this.slot = slot
    this.servesAt = table.slotAt(slot) + Slot.serves
  }

  /** Releases the exclusive latch. One compare-and-swap if no thread waits. @requires the exclusive latch */
  unlatch(frame: FrameIndex): void {
    if (DEBUG) this.#assertLatched(frame)
    if (!leaveLatched(this.words, this.table.latchAt(frame))) this.attend(frame, 'serve', true)
  }

  /** Turns the exclusive latch into a pin, without a moment in between. @requires the exclusive latch */
  downgrade(frame: FrameIndex): void {
    if (DEBUG) this.#assertLatched(frame)
    if (!leaveDowngraded(this.words, this.table.latchAt(frame))) this.#downgradeMarked(frame)
  }

  /** To be called when `unpin` returned true: serves the latch, unless another thread has taken it since. */
  unpinned(frame: FrameIndex): void {
    if (this.#takeFree(frame)) this.attend(frame, 'serve')
  }

  /** Wakes all waiters for a frame: its key changed, or its latch word was changed by the reaper. */
  wakeAll(frame: FrameIndex): void {
    for (const wait of waitsForFrame(this.table, frame)) wakeWait(this.words, wait.recordAt)
  }

  /** Repairs the marks, and serves the latch if no other thread will. May be called by any thread at any time. */
  heal(frame: FrameIndex): void {
    this.attend(frame, 'heal')
  }

  /** Serves a latch that a dead slot held or was offered. Called by the reaper. @requires that the slot is dead */
  serveFor(frame: FrameIndex): void {
    handOver(this.words, this.table.latchAt(frame), this.slot)
    this.unlatch(frame)
  }

  /**
   * Serves and heals until there is nothing left to do. `wasLatched`: a writer leaves, so readers are next. `sliceOf`: the
   * record of a wait whose slice is over; an offer that it finds is taken back.
   */
  protected attend(frame: FrameIndex, first: Step, wasLatched = false, sliceOf = -1): void {
    store(this.words, this.servesAt, frame + 1)
    let step = first
    let mayOffer = true
    while (step !== 'done') {
      if (step === 'serve') {
        step = this.#serve(frame, wasLatched, mayOffer)
        mayOffer = true
      } else {
        const healed = this.#heal(frame, sliceOf)
        mayOffer = healed !== 'lapsed'
        step = healed === 'lapsed' ? 'serve' : healed
      }
    }
    store(this.words, this.servesAt, 0)
  }

  /** @requires the exclusive latch; it is released */
  #serve(frame: FrameIndex, wasLatched: boolean, mayOffer: boolean): Step {
    if (DEBUG) this.#assertLatched(frame)
    const at = this.table.latchAt(frame)
    clearMarks(this.words, at)
    const scan = this.scan(frame)
    const chosen = nextInTurn(scan, wasLatched)
    const isOffered = mayOffer && [...scan.readers, ...scan.writers].some(hasWaitedLong)
    if (!this.#give(at, scan, chosen, isOffered)) return 'serve'
    if (chosen.length === 0) return 'done'
    this.#wake(chosen)
    if (chosen.some((wait) => isPublished(this.table, wait))) {
      const isReaders = chosen === scan.readers
      return isReaders && scan.writers.length > 0 ? this.#lookAgain(scan.writers) : 'done'
    }
    return this.#takeBack(at, chosen, isOffered)
  }

  /** Passes the latch to the chosen waits and sets marks for the others. Returns false if a mark appeared since the scan. */
  #give(
    at: number,
    { readers, writers }: Scan,
    chosen: readonly PublishedWait[],
    isOffered: boolean,
  ): boolean {
    // A waiter that is only woken keeps its mark; else others could pass it for as long as it takes to wake up.
    const isLeft = (wait: PublishedWait) => !isOffered || !chosen.includes(wait)
    let marks = marksOf(readers.filter(isLeft).length, writers.filter(isLeft).length)
    if (isOffered && chosen.length > 0)
      marks |= Latch.HANDED | (chosen === readers ? 0 : asWriter(chosen[0]!.slot))
    return this.#leaveUnmarked(at, marks)
  }

  /** Replaces the word of the exclusive latch, unless a mark was set since the marks were cleared. */
  #leaveUnmarked(at: number, next: number): boolean {
    const words = this.words
    let word = load(words, at)
    while ((word & Latch.MARKS) === 0) {
      const seen = compareExchange(words, at, word, (word & Latch.FROZEN) | next)
      if (seen === word) return true
      word = seen
    }
    return false
  }

  /** None of the chosen waits exists any more: takes the latch again, if no other thread has taken it. */
  #takeBack(at: number, chosen: readonly PublishedWait[], isOffered: boolean): Step {
    const words = this.words
    let word = load(words, at)
    for (;;) {
      const isThere = isOffered
        ? (word & Latch.HANDED) !== 0 &&
          (word & (Latch.PINS | Latch.FROZEN)) === 0 &&
          (writerOf(word) < 0 || writerOf(word) === chosen[0]!.slot)
        : isFree(word) && (word & Latch.MARKS) !== 0
      // The chosen waits may all have entered, and the writer that the mark was set for may have withdrawn.
      if (!isThere) return pinsOf(word) > 0 && (word & Latch.MARK_WRITER) !== 0 ? 'heal' : 'done'
      const next = (word & ~(Latch.HANDED | Latch.WRITER)) | asWriter(this.slot)
      const seen = compareExchange(words, at, word, next)
      if (seen === word) return 'serve'
      word = seen
    }
  }

  #heal(frame: FrameIndex, sliceOf: number): Step | 'lapsed' {
    const words = this.words
    const at = this.table.latchAt(frame)
    const before = load(words, at)
    if (isLatched(before)) return 'done' // its holder will serve
    if (isFree(before) && (before & Latch.MARKS) !== 0) return this.#takeFree(frame) ? 'serve' : 'heal'
    if ((before & Latch.HANDED) === 0) clearMarks(words, at)
    const scan = this.scan(frame)
    const { readers, writers } = scan
    const marks = marksOf(readers.length, writers.length)
    let word = load(words, at)
    for (;;) {
      const isHanded = (word & Latch.HANDED) !== 0 && (word & Latch.FROZEN) === 0
      const isBacked =
        isHanded &&
        (writerOf(word) < 0 ? readers.length > 0 : writers.some(({ slot }) => slot === writerOf(word)))
      const isTaken = (isHanded && (!isBacked || sliceOf >= 0)) || (marks !== 0 && isFree(word))
      const next = isTaken ? (word & ~(Latch.HANDED | Latch.WRITER)) | asWriter(this.slot) : word | marks
      const seen = next === word ? word : compareExchange(words, at, word, next)
      if (seen === word) {
        if (isTaken) return isBacked ? 'lapsed' : 'serve'
        break
      }
      word = seen
    }
    if (writers.length > 0) return this.#lookAgain(writers)
    // Readers that nothing keeps out any more: wake them.
    const opened = readers.filter(({ recordAt }) => recordAt !== sliceOf)
    if (opened.length === 0 || (word & (Latch.WRITER | Latch.HANDED)) !== 0) return 'done'
    this.#wake(opened)
    return opened.some((wait) => isPublished(this.table, wait)) ? 'done' : this.#takeBack(at, opened, false)
  }

  /** A mark for writers was set: if none of them waits any more, it has to be cleared. */
  #lookAgain(writers: readonly PublishedWait[]): Step {
    return writers.some((wait) => isPublished(this.table, wait)) ? 'done' : 'heal'
  }

  #downgradeMarked(frame: FrameIndex): void {
    const at = this.table.latchAt(frame)
    store(this.words, this.servesAt, frame + 1)
    for (;;) {
      clearMarks(this.words, at)
      const { readers, writers } = this.scan(frame)
      if (!this.#leaveUnmarked(at, marksOf(0, writers.length) | 1)) continue
      this.#wake(readers)
      this.attend(frame, writers.length > 0 ? this.#lookAgain(writers) : 'done')
      return
    }
  }

  /** Takes the free latch, if it has marks, in order to serve it. */
  #takeFree(frame: FrameIndex): boolean {
    const words = this.words
    const at = this.table.latchAt(frame)
    let word = load(words, at)
    while (isFree(word) && (word & Latch.MARKS) !== 0) {
      const seen = compareExchange(words, at, word, word | asWriter(this.slot))
      if (seen === word) return true
      word = seen
    }
    return false
  }

  protected scan(frame: FrameIndex): Scan {
    const waits = waitsForFrame(this.table, frame)
    const isAbsent = waits.length > 0 && this.table.isAbsent(frame)
    const isReader = ({ kind }: PublishedWait) => kind === 'read' && !isAbsent
    return { readers: waits.filter(isReader), writers: waits.filter((wait) => !isReader(wait)) }
  }

  #assertLatched(frame: FrameIndex): void {
    // A plain read, as in the assertions of mutex.ts.
    const word = this.words[this.table.latchAt(frame)]!
    if (!isLatched(word) || writerOf(word) !== this.slot)
      throw new Error(`contract: frame ${frame} is not latched by slot ${this.slot}`)
  }

  #wake(waits: readonly PublishedWait[]): void {
    for (const { recordAt } of waits) wakeWait(this.words, recordAt)
  }
}

const marksOf = (readers: number, writers: number): number =>
  (readers > 0 ? Latch.MARK_READER : 0) | (writers > 0 ? Latch.MARK_WRITER : 0)

const hasWaitedLong = ({ since }: PublishedWait): boolean => msSince(since) >= OFFER_MS

/** The readers of one phase, or one writer; none if no thread waits. */
function nextInTurn({ readers, writers }: Scan, wasLatched: boolean): readonly PublishedWait[] {
  const oldest = writers.reduce<PublishedWait | undefined>(
    (first, wait) => (first === undefined || isOlder(wait, first) ? wait : first),
    undefined,
  )
  if (oldest === undefined) return readers
  if (readers.length === 0) return [oldest]
  return wasLatched || readers.some((reader) => isOlder(reader, oldest)) ? readers : [oldest]
}

const isOlder = (a: PublishedWait, b: PublishedWait): boolean => ((a.since - b.since) | 0) < 0
