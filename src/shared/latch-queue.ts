/**
 * Waiting for a latch, in its queue. One of these for each thread. The waits that slots publish (waits.ts) are the queue; the
 * marks in the latch word say that it may not be empty; the thread that leaves the latch serves it (latch-server.ts).
 *
 *   publish the wait; read the record's wake word; get in, or set a mark; sleep while the wake word is the same; again
 *
 * No wakeup is lost: a wait is published before its mark is set, and a mark that comes during the server's scan has the scan
 * done again. So a wait that was not seen either finds a word that lets it in, or has set a mark that the next thread to
 * leave sees. A wait that gives up looks at the word after it has withdrawn, and the server looks at the waits after it has
 * offered: one of the two sees the other. The rest of the rules, and what a death leaves: latch.md.
 *
 * A waiter whose wakeup was lost with its sender heals at the end of its slice. Cost of a wait: a record, a mark, a system call.
 */
import { compareExchange, load, store } from '#atomics'
import { msSince } from './clock.js'
import type { CacheError } from './errors.js'
import type { FrameIndex, SlotIndex } from './indices.js'
import { asWriter, isFree, isLatched, pinsOf, writerOf } from './latch.js'
import { type LatchTable, LatchServer, type Step } from './latch-server.js'
import { type Deadline, sleep, SLICE_MS, type Slow } from './wait.js'
import type { OwnWaits, PublishedWait } from './waits.js'
import { Journal, Latch, Slot, Wait } from './words.js'

const NO_OFFER = -1
/** More than there are slots. */
const OFFERS = 0x100
/** The first slice of a wait; each is twice as long as the one before, up to SLICE_MS. */
const FIRST_SLICE_MS = 8

/** A call that waits for a frame. */
export interface LatchWait {
  /** Identifies the call among the thread's waits. */
  readonly call: object
  readonly kind: 'read' | 'modify'
  readonly frame: FrameIndex
  /** The address of the journal entry that the guard will have; -1 if none is free: the call comes back when it has one. */
  readonly takeEntry: () => number
  /** Before each sleep: other calls of the thread may have the entry in the meantime. */
  readonly lendEntry: () => void
  readonly deadline: Deadline
  /** The whole thread sleeps: an offer to its slot is for this call. */
  readonly sleeps: boolean
  /** Publishes the wait. */
  readonly publish: () => void
  /** Whether a reader may pass writers that wait now: a pin of its own thread may keep them out. Asked again and again. */
  readonly mayPass: (writers: () => readonly PublishedWait[], waitedMs: number) => boolean
  /** Whether this is the frame to wait for still, asked before each sleep; it may throw. */
  readonly still: () => boolean
  readonly expired: () => CacheError
}

/** What a wait came to; `again`: the frame is no longer the one to wait for. */
export type Entered = 'pinned' | 'latched' | 'again'

export class LatchQueue extends LatchServer {
  readonly #waits: OwnWaits

  constructor(table: LatchTable, slot: SlotIndex, waits: OwnWaits) {
    super(table, slot)
    this.#waits = waits
  }

  /**
   * Waits for a frame's latch: pinned for a read of a block that is there, else latched. When it throws, nothing is held and
   * no trace of the wait is left.
   * @throws what `still` throws, what `expired` makes when the deadline is over
   */
  *wait(wait: LatchWait): Slow<Entered> {
    const { call, kind, frame, deadline } = wait
    const words = this.words
    let sliceMs = FIRST_SLICE_MS
    let isWoken = false
    let hasMarkedWriter = false
    let offer = NO_OFFER
    wait.publish()
    const recordAt = this.#waits.recordAt(call)
    // So many tasks of this thread wait that no record is left: the call has no place in the queue, and tries again.
    if (recordAt < 0) {
      const endAt = this.table.slotAt(this.slot) + Slot.waitsEnd
      const isStill = wait.still()
      wait.lendEntry()
      if (isStill) yield* sleep(words, endAt, load(words, endAt), deadline, wait.expired, FIRST_SLICE_MS)
      return 'again'
    }
    try {
      for (;;) {
        const epoch = load(words, recordAt + Wait.wake)
        const entry = wait.takeEntry()
        if (entry < 0) break
        const isWriter = kind === 'modify' || this.table.isAbsent(frame)
        if (isWriter ? this.#latches(wait) : this.#pins(wait, entry, recordAt, isWoken)) {
          this.#entered(wait, hasMarkedWriter && !isWriter)
          return isWriter ? 'latched' : 'pinned'
        }
        if (isWriter) hasMarkedWriter = true
        // The mark is set, and the block may have been loaded before that.
        if (isWriter && kind === 'read' && !this.table.isAbsent(frame)) continue
        if (!wait.still()) break
        wait.lendEntry()
        yield* sleep(words, recordAt + Wait.wake, epoch, deadline, wait.expired, sliceMs)
        isWoken = load(words, recordAt + Wait.wake) !== epoch
        if (isWoken) continue
        sliceMs = Math.min(2 * sliceMs, SLICE_MS)
        offer = this.#sliceIsOver(frame, recordAt, offer)
      }
    } catch (error) {
      this.#giveUp(wait, hasMarkedWriter)
      throw error
    }
    this.#giveUp(wait, hasMarkedWriter)
    return 'again'
  }

  /**
   * At the end of a slice without a wakeup. An offer that was there at the end of the slice before as well, and was not taken
   * in between, is taken back: the event loop of its thread is busy. Returns the offer that is seen now.
   */
  #sliceIsOver(frame: FrameIndex, recordAt: number, before: number): number {
    const word = load(this.words, this.table.latchAt(frame))
    if (isLatched(word)) return NO_OFFER
    const isOffer = (word & Latch.HANDED) !== 0
    // Each taker moves the version, so the same slot with the same version is the same offer.
    const offer = isOffer ? this.table.versionOf(frame) * OFFERS + writerOf(word) + 1 : NO_OFFER
    if (!isOffer || offer === before) this.attend(frame, 'heal', false, recordAt)
    return offer
  }

  /** Takes the exclusive latch: free, or offered to this slot. Else sets the mark. */
  #latches({ frame }: LatchWait): boolean {
    const words = this.words
    const at = this.table.latchAt(frame)
    let word = load(words, at)
    for (;;) {
      const isIn = (this.#isOffered(word) && (word & Latch.FROZEN) === 0) || isFree(word)
      const next = isIn ? (word & ~Latch.HANDED) | asWriter(this.slot) : word | Latch.MARK_WRITER
      const seen = next === word ? word : compareExchange(words, at, word, next)
      if (seen === word) return isIn
      word = seen
    }
  }

  /** Pins, journaled, if it is this reader's turn or no writer waits. Else sets the mark. */
  #pins(wait: LatchWait, entry: number, recordAt: number, isWoken: boolean): boolean {
    const words = this.words
    const at = this.table.latchAt(wait.frame)
    words[entry] = (wait.frame << 2) | Journal.TAKING
    let word = load(words, at)
    for (;;) {
      const isIn = this.#mayPin(word, wait, recordAt, isWoken)
      const next = isIn ? this.#pinned(word, wait.frame, recordAt) : word | Latch.MARK_READER
      const seen = next === word ? word : compareExchange(words, at, word, next)
      if (seen === word) {
        words[entry] = isIn ? (wait.frame << 2) | Journal.HELD : Journal.FREE
        return isIn
      }
      word = seen
    }
  }

  #mayPin(word: number, { frame, sleeps, mayPass }: LatchWait, recordAt: number, isWoken: boolean): boolean {
    // While this thread sleeps none of its tasks can take what was offered to its slot.
    const isMine = sleeps && this.#isOffered(word)
    if ((word & Latch.FROZEN) !== 0 || ((word & Latch.WRITER) !== 0 && !isMine)) return false
    const isTurn = (word & Latch.HANDED) !== 0 || pinsOf(word) === 0 || (word & Latch.MARK_WRITER) === 0
    const writers = () => this.scan(frame).writers
    return isTurn || isWoken || mayPass(writers, msSince(this.words[recordAt + Wait.since]!))
  }

  /** The word with one pin more. A mark for readers that no other reader backs would cost every hit the slow path. */
  #pinned(word: number, frame: FrameIndex, recordAt: number): number {
    const isLast =
      (word & Latch.MARKS) === Latch.MARK_READER &&
      this.scan(frame).readers.every((reader) => reader.recordAt === recordAt)
    return (word & ~(Latch.HANDED | Latch.WRITER | (isLast ? Latch.MARK_READER : 0))) + 1
  }

  /** Whether the word offers the latch to this slot. */
  #isOffered(word: number): boolean {
    return (word & Latch.HANDED) !== 0 && writerOf(word) === this.slot
  }

  /** `leavesMark`: it had marked the latch as a writer, and is in as a reader: others must not queue behind that mark. */
  #entered({ call, frame }: LatchWait, leavesMark: boolean): void {
    if (leavesMark) store(this.words, this.servesAt, frame + 1)
    this.#waits.withdraw(call)
    if (leavesMark) this.attend(frame, 'heal')
  }

  /** The wait ends without the latch: what was offered to it is passed on, and its mark keeps no thread out. */
  #giveUp({ call, kind, frame }: LatchWait, hasMarkedWriter: boolean): void {
    const words = this.words
    const at = this.table.latchAt(frame)
    // First: a death after the withdrawal would leave a frame that no slot names.
    store(words, this.servesAt, frame + 1)
    this.#waits.withdraw(call)
    let step: Step = 'done'
    for (let word = load(words, at); ;) {
      const isMine =
        (word & Latch.HANDED) !== 0 &&
        (word & Latch.FROZEN) === 0 &&
        (writerOf(word) === this.slot || (writerOf(word) < 0 && kind === 'read'))
      if (isMine || (isFree(word) && (word & Latch.MARKS) !== 0)) {
        const seen = compareExchange(
          words,
          at,
          word,
          (word & ~(Latch.HANDED | Latch.WRITER)) | asWriter(this.slot),
        )
        if (seen !== word) {
          word = seen
          continue
        }
        step = 'serve'
      } else if (hasMarkedWriter && pinsOf(word) > 0 && (word & Latch.MARK_WRITER) !== 0) {
        step = 'heal'
      }
      break
    }
    this.attend(frame, step)
  }
}
