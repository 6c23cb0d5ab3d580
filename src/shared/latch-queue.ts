/**
 * Waiting for a latch. Each thread has one LatchQueue; the waits that slots publish (waits.ts) form the queue. Marks in the
 * latch word say that the queue may not be empty, and the thread that releases the latch serves it (latch-server.ts).
 *
 *   publish the wait; then repeat: read the record's wake word; take the latch, or set a mark; sleep while the wake word
 *   is unchanged
 *
 * No wakeup is lost. A wait is published before its mark is set, and if a mark appears during the server's scan, the scan
 * is repeated. So a wait that a scan missed either finds a latch that it can take, or has set a mark for the next thread
 * that releases the latch. A waiter that withdraws checks the word after its record is gone, and the server checks the waits
 * after it has made an offer: one of the two sees the other. See latch.md for the other rules, and for deaths.
 *
 * If a wakeup is lost because its sender ended, the waiter heals the latch at the end of its slice. Cost of a wait: a
 * record, a mark, a system call.
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
/** More than the number of slots. */
const OFFERS = 0x100
/** Length of the first slice of a wait. Each slice is twice as long as the one before, up to SLICE_MS. */
const FIRST_SLICE_MS = 8

/** A call that waits for a frame. */
export interface LatchWait {
  /** Identifies the call among the thread's waits. */
  readonly call: object
  readonly kind: 'read' | 'modify'
  readonly frame: FrameIndex
  /**
   * Returns the address of the journal entry for the guard, or -1 if none is free: then the call waits for an entry first.
   */
  readonly takeEntry: () => number
  /** Called before each sleep: other calls of the thread may use the entry in the meantime. */
  readonly lendEntry: () => void
  readonly deadline: Deadline
  /** Whether the whole thread sleeps, so that an offer to its slot can only be for this call. */
  readonly sleeps: boolean
  /** Publishes the wait. */
  readonly publish: () => void
  /** Whether a reader may pass the waiting writers, because a pin of its own thread may block them. Asked repeatedly. */
  readonly mayPass: (writers: () => readonly PublishedWait[], waitedMs: number) => boolean
  /** Whether this is still the frame to wait for. Asked before each sleep; may throw. */
  readonly still: () => boolean
  readonly expired: () => CacheError
}

/** Result of a wait. `again`: this is no longer the frame to wait for. */
export type Entered = 'pinned' | 'latched' | 'again'

export class LatchQueue extends LatchServer {
  readonly #waits: OwnWaits

  constructor(table: LatchTable, slot: SlotIndex, waits: OwnWaits) {
    super(table, slot)
    this.#waits = waits
  }

  /**
   * Waits for a frame's latch. Returns `pinned` for a read of a block that has contents, else `latched`. If it throws,
   * nothing is held and the wait is withdrawn.
   * @throws what `still` throws; what `expired` returns when the deadline has passed
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
    // All records of this thread are in use: this call cannot queue, so it tries again after a short sleep.
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
        // The block may have been filled before the mark was set.
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
   * Called at the end of a slice without a wakeup. Takes back an offer that was already there at the end of the slice before
   * and was not accepted since, because the event loop of its thread is busy. Returns the offer that it sees now.
   */
  #sliceIsOver(frame: FrameIndex, recordAt: number, before: number): number {
    const word = load(this.words, this.table.latchAt(frame))
    if (isLatched(word)) return NO_OFFER
    const isOffer = (word & Latch.HANDED) !== 0
    // Each holder changes the version, so the same slot with the same version is the same offer.
    const offer = isOffer ? this.table.versionOf(frame) * OFFERS + writerOf(word) + 1 : NO_OFFER
    if (!isOffer || offer === before) this.attend(frame, 'heal', false, recordAt)
    return offer
  }

  /** Takes the exclusive latch if it is free or offered to this slot; else sets the mark. */
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

  /** Takes a pin, and journals it, if it is this reader's turn or no writer waits; else sets the mark. */
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
    // While this thread sleeps, no other task of it can accept what was offered to its slot.
    const isMine = sleeps && this.#isOffered(word)
    if ((word & Latch.FROZEN) !== 0 || ((word & Latch.WRITER) !== 0 && !isMine)) return false
    const isTurn = (word & Latch.HANDED) !== 0 || pinsOf(word) === 0 || (word & Latch.MARK_WRITER) === 0
    const writers = () => this.scan(frame).writers
    return isTurn || isWoken || mayPass(writers, msSince(this.words[recordAt + Wait.since]!))
  }

  /**
   * The word with one more pin. Clears a mark for readers that no other reader needs: it would keep every hit off the fast
   * path.
   */
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

  /**
   * `leavesMark`: the call set the mark for writers, but entered as a reader; other threads must not queue behind that mark.
   */
  #entered({ call, frame }: LatchWait, leavesMark: boolean): void {
    if (leavesMark) store(this.words, this.servesAt, frame + 1)
    this.#waits.withdraw(call)
    if (leavesMark) this.attend(frame, 'heal')
  }

  /** Ends the wait without the latch: passes on what was offered to it, and removes its mark if no other wait needs it. */
  #giveUp({ call, kind, frame }: LatchWait, hasMarkedWriter: boolean): void {
    const words = this.words
    const at = this.table.latchAt(frame)
    // Stored first: if the thread ends after the withdrawal, the reaper finds the frame here and nowhere else.
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
