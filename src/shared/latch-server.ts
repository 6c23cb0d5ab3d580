/**
 * Passing a latch on: what the thread that leaves last does when others wait, and how marks and offers are put in order.
 * The rules and their reasons: latch.md.
 *
 *   SERVE  1 clear the marks  2 scan the waits  3 one compare-and-swap, if no mark came since: to the next in turn, or free
 *          4 wake those it chose  5 if none of them waits any more: take it back, and serve again
 *   HEAL   set the marks to what the waits say; serve a free latch that has waiters; take back an offer without a taker
 *
 * Next in turn after a writer: all readers that wait; after readers: the writer that has waited longest, unless a reader
 * has waited longer. If a waiter has waited for OFFER_MS, the latch is offered (HANDED) and no other thread can take it.
 * Before that it is free, the chosen ones are woken, and a running thread may be faster: that is what keeps throughput.
 *
 * A thread that serves or heals names the frame in `Slot.serves` first, for the reaper. Cost: a scan for each release while
 * there are waiters, and nothing while there are none.
 *
 * Sources: eventual fairness as in WebKit's WTF::Lock; phases as in phase-fair reader-writer locks (Brandenburg and
 * Anderson, 2010).
 */
import { compareExchange, load, store, type Words } from '#atomics'
import { msSince } from './clock.js'
import type { FrameIndex, SlotIndex } from './indices.js'
import { asWriter, clearMarks, handOver, isFree, isLatched, leaveDowngraded, leaveLatched, pinsOf, writerOf } from './latch.js' // prettier-ignore
import { isPublished, type PublishedWait, waitsForFrame, type WaitTable, wakeWait } from './waits.js'
import { Latch, Slot } from './words.js'

/** After so long the latch is offered to the next in turn instead of being freed. */
const OFFER_MS = 1
/** Where latches stand, and the waits for them. */
export interface LatchTable extends WaitTable {
  latchAt(frame: FrameIndex): number
  /** Whether a read needs the exclusive latch: the frame has no contents yet. */
  isAbsent(frame: FrameIndex): boolean
  /** Counts the exclusive latches of the frame. */
  versionOf(frame: FrameIndex): number
}

export type Step = 'serve' | 'heal' | 'done'

/** The waits for a frame, as scanned: in which mode each can get in now. */
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

  /** Gives the exclusive latch up. One compare-and-swap where no thread waits. @requires the exclusive latch */
  unlatch(frame: FrameIndex): void {
    if (!leaveLatched(this.words, this.table.latchAt(frame))) this.attend(frame, 'serve', true)
  }

  /** From the exclusive latch to a pin, with no moment in between. @requires the exclusive latch */
  downgrade(frame: FrameIndex): void {
    if (!leaveDowngraded(this.words, this.table.latchAt(frame))) this.#downgradeMarked(frame)
  }

  /** After `unpin` of the last pin that saw marks: serves the free latch, unless another thread has it by now. */
  unpinned(frame: FrameIndex): void {
    if (this.#takeFree(frame)) this.attend(frame, 'serve')
  }

  /** Wakes all that wait for a frame: it has another name, or may look different for other reasons. */
  wakeAll(frame: FrameIndex): void {
    for (const wait of waitsForFrame(this.table, frame)) wakeWait(this.words, wait.recordAt)
  }

  /** Puts the marks in order, and serves where no other thread will. Any thread, at any time. */
  heal(frame: FrameIndex): void {
    this.attend(frame, 'heal')
  }

  /** The latch or the offer of a dead slot, served as one that was held. The reaper's thread. @requires that the slot is dead */
  serveFor(frame: FrameIndex): void {
    handOver(this.words, this.table.latchAt(frame), this.slot)
    this.unlatch(frame)
  }

  /**
   * Serves and heals until nothing is left to do. `wasLatched`: a writer leaves, so that readers are next. `sliceOf`: the
   * record of a wait whose slice is over; an offer that it sees lapses.
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

  /** @requires the exclusive latch of this slot, which is released */
  #serve(frame: FrameIndex, wasLatched: boolean, mayOffer: boolean): Step {
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

  /** The latch to those that were chosen, with marks for the rest; false if a mark came since the scan. */
  #give(
    at: number,
    { readers, writers }: Scan,
    chosen: readonly PublishedWait[],
    isOffered: boolean,
  ): boolean {
    // A waiter that is woken keeps its mark, or it could be passed for as long as it takes to wake up.
    const isLeft = (wait: PublishedWait) => !isOffered || !chosen.includes(wait)
    let marks = marksOf(readers.filter(isLeft).length, writers.filter(isLeft).length)
    if (isOffered && chosen.length > 0)
      marks |= Latch.HANDED | (chosen === readers ? 0 : asWriter(chosen[0]!.slot))
    return this.#leaveUnmarked(at, marks)
  }

  /** From the exclusive latch to another word, unless a mark came since they were cleared. */
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

  /** None of those that were chosen waits any more: the latch is taken again, if no other thread has it by now. */
  #takeBack(at: number, chosen: readonly PublishedWait[], isOffered: boolean): Step {
    const words = this.words
    let word = load(words, at)
    for (;;) {
      const isThere = isOffered
        ? (word & Latch.HANDED) !== 0 &&
          (word & (Latch.PINS | Latch.FROZEN)) === 0 &&
          (writerOf(word) < 0 || writerOf(word) === chosen[0]!.slot)
        : isFree(word) && (word & Latch.MARKS) !== 0
      // Those that were chosen may all be in, and the writer that had the mark for writers may be gone.
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
    if (isLatched(before)) return 'done' // its holder serves
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
    // Readers that nothing keeps out any more.
    const opened = readers.filter(({ recordAt }) => recordAt !== sliceOf)
    if (opened.length === 0 || (word & (Latch.WRITER | Latch.HANDED)) !== 0) return 'done'
    this.#wake(opened)
    return opened.some((wait) => isPublished(this.table, wait)) ? 'done' : this.#takeBack(at, opened, false)
  }

  /** A mark for writers was left: if none of them waits any more, it has to go. */
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

  /** From free to this slot, to serve. */
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
