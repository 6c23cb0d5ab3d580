/**
 * Policy `lru2`: the victim is the block whose second-to-last use is oldest (LRU-2, O'Neil, O'Neil and Weikum, SIGMOD 1993,
 * in the variant of Venti's disk cache). A new block has no second-to-last use: it is set halfway between that of the frame's
 * former block and now. A binary heap over the frames, oldest first, in the shared buffer.
 *
 * Times are ticks of a 32-bit clock, one tick per use, and are compared by age (now - used2, unsigned), so they may wrap. The
 * halfway point is computed from the difference, because a sum would overflow: from tick 2^31 on every new block would be the
 * next victim. Hits are recorded in the thread's slot and handed in as a batch (BP-Wrapper, ICDE 2009), so a hit takes no
 * lock.
 */
import type { Words } from '#atomics'
import type { Arena } from '../../shared/arena.js'
import { NOTES_MAX } from '../../shared/layout.js'
import type { ThreadSlot } from '../../shared/slot.js'
import type { FrameIndex } from '../../shared/indices.js'
import { PIECE, type Steps } from '../../shared/steps.js'
import { type Candidates, Fit, LOOKS_MAX, type Policy } from './policy.js'
import { Frame, Header } from '../../shared/words.js'

/** Ages are limited each time this many ticks have passed. That costs a scan of all frames. */
const REBASE_TICKS = 2 ** 30
/** Plus the ticks of one period, and of another in which a thread died, this is less than 2^32. */
const AGE_MAX = 2 ** 30

export class Lru2 implements Policy {
  readonly #words: Words
  readonly #framesAt: number
  readonly #heapAt: number
  readonly #noteAt: number
  readonly #arena: Arena
  #notes = 0

  constructor(arena: Arena, slot: ThreadSlot) {
    this.#words = arena.words
    this.#framesAt = arena.framesAt
    this.#heapAt = arena.policyAt
    this.#noteAt = arena.noteAt(slot.index)
    this.#arena = arena
  }

  note(frame: FrameIndex): void {
    if (this.#notes < NOTES_MAX) this.#words[this.#noteAt + this.#notes++] = frame
  }

  get notesDue(): boolean {
    return this.#notes === NOTES_MAX
  }

  drain(): void {
    const count = this.#notes
    this.#notes = 0
    for (let i = 0; i < count; i++) {
      const frame = this.#words[this.#noteAt + i]!
      this.#use(frame)
      if (this.has(frame)) this.#settle(this.#words[this.#at(frame) + Frame.policySlot]! - 1, frame)
    }
  }

  insert(frame: FrameIndex, _keyHigh: number, _keyLow: number, isAhead = false): void {
    const at = this.#at(frame)
    const now = this.#words[Header.policyClock]!
    const former = this.#words[at + Frame.used2]!
    this.#words[at + Frame.used] = former + ((now - former) >>> 1)
    this.#use(frame)
    // Filled ahead: the first use must find it as if it were just inserted.
    if (isAhead) this.#words[at + Frame.used] = this.#words[at + Frame.used2]!
    this.readmit(frame)
  }

  /**
   * The first frame of the heap that may go. Held ones that it meets are inserted again after the search; else it would find the
   * same ones again and never the others. A dirty one costs it one step, and the next search nothing, since it stays out.
   */
  victim(candidates: Candidates): FrameIndex {
    const held: FrameIndex[] = []
    let victim = -1
    for (let left = LOOKS_MAX; left > 0 && victim < 0; left--) {
      const frame = this.#next()
      if (frame < 0) break
      const fit = candidates.take(frame)
      if (fit === Fit.CLEAN) victim = frame
      else if (fit === Fit.HELD) held.push(frame)
    }
    for (const frame of held) this.#renew(frame)
    return victim
  }

  /** Held frames that a search met are behind all others. */
  searches(): number {
    return Math.max(1, Math.ceil(this.size() / LOOKS_MAX))
  }

  /** Removes the frame that should go next. */
  #next(): FrameIndex {
    if (this.size() === 0) return -1
    const frame = this.#words[this.#heapAt]!
    this.remove(frame)
    return frame
  }

  /** Inserts a frame again, as just used, because it is held. */
  #renew(frame: FrameIndex): void {
    this.#use(frame)
    this.#words[this.#at(frame) + Frame.used2] = this.#words[this.#at(frame) + Frame.used]!
    this.readmit(frame)
  }

  evicted(): boolean {
    // The second-to-last use stays in the frame: the next block is set halfway from there.
    return false
  }

  readmit(frame: FrameIndex): void {
    const size = this.#words[Header.policySize]!
    this.#words[Header.policySize] = size + 1
    this.#up(size, frame)
  }

  remove(frame: FrameIndex): void {
    const at = this.#at(frame)
    const slot = this.#words[at + Frame.policySlot]! - 1
    const size = --this.#words[Header.policySize]!
    this.#words[at + Frame.policySlot] = 0
    if (slot !== size) this.#settle(slot, this.#words[this.#heapAt + size]!)
  }

  expect(): void {
    // A block that returns is as good as a new one.
  }

  rank(frame: FrameIndex): number {
    return this.#age(frame)
  }

  /**
   * Its second-to-last use is among the last half as many uses as there are frames. A new block, which is set halfway, gets no
   * nearer than that while blocks pass through.
   */
  isHot(frame: FrameIndex): boolean {
    return this.#age(frame) < this.#arena.frames / 2
  }

  has(frame: FrameIndex): boolean {
    const slot = this.#words[this.#at(frame) + Frame.policySlot]! - 1
    return slot >= 0 && slot < this.size() && this.#words[this.#heapAt + slot] === frame
  }

  size(): number {
    return this.#words[Header.policySize]!
  }

  reset(): void {
    for (let frame = 0; frame < this.#arena.frames; frame++)
      this.#words[this.#at(frame) + Frame.policySlot] = 0
    this.#words[Header.policySize] = 0
  }

  check(): string[] {
    const broken: string[] = []
    for (let slot = 0; slot < this.size(); slot++) {
      const frame = this.#words[this.#heapAt + slot]!
      const says = this.#words[this.#at(frame) + Frame.policySlot]! - 1
      if (says !== slot) broken.push(`P1 frame ${frame}: says heap slot ${says}, is at ${slot}`)
      const parent = this.#words[this.#heapAt + ((slot - 1) >> 1)]
      if (slot > 0 && this.#age(frame) > this.#age(parent!))
        broken.push(`P2 heap slot ${slot}: older than its parent`)
    }
    return broken
  }

  /** Each place of the heap is compared with its parent only, so changes between two pieces do no harm. */
  *look(): Steps<boolean> {
    for (let slot = 0; slot < this.size(); slot++) {
      const frame = this.#words[this.#heapAt + slot]!
      if (this.#words[this.#at(frame) + Frame.policySlot] !== slot + 1) return false
      const parent = this.#words[this.#heapAt + ((slot - 1) >> 1)]
      if (slot > 0 && this.#age(frame) > this.#age(parent!)) return false
      if (slot % PIECE === PIECE - 1) yield
    }
    return true
  }

  #at(frame: FrameIndex): number {
    return this.#framesAt + frame * Frame.WORDS
  }

  /** Ticks since the second-to-last use. The frame with the largest age is the victim. */
  #age(frame: FrameIndex): number {
    return (this.#words[Header.policyClock]! - this.#words[this.#at(frame) + Frame.used2]!) >>> 0
  }

  #use(frame: FrameIndex): void {
    if ((this.#words[Header.policyClock]! & (REBASE_TICKS - 1)) === 0) this.#rebase()
    const at = this.#at(frame)
    this.#words[at + Frame.used2] = this.#words[at + Frame.used]!
    this.#words[at + Frame.used] = this.#words[Header.policyClock]!++
  }

  /**
   * Limits all ages to AGE_MAX: after 2^32 ticks an age would start from 0 again. The heap stays ordered, since no two ages
   * change places. Done before the tick, so that if the thread dies in here, the next use does it again.
   */
  #rebase(): void {
    const now = this.#words[Header.policyClock]!
    for (let frame = 0; frame < this.#arena.frames; frame++)
      for (const at of [this.#at(frame) + Frame.used, this.#at(frame) + Frame.used2])
        if ((now - this.#words[at]!) >>> 0 > AGE_MAX) this.#words[at] = now - AGE_MAX
  }

  /** Moves a frame from `slot` up or down to its position in the heap. */
  #settle(slot: number, frame: FrameIndex): void {
    if (this.#up(slot, frame) === slot) this.#down(slot, frame)
  }

  #place(slot: number, frame: FrameIndex): void {
    this.#words[this.#heapAt + slot] = frame
    this.#words[this.#at(frame) + Frame.policySlot] = slot + 1
  }

  #up(slot: number, frame: FrameIndex): number {
    const age = this.#age(frame)
    while (slot > 0) {
      const parent = (slot - 1) >> 1
      const above = this.#words[this.#heapAt + parent]!
      if (age <= this.#age(above)) break
      this.#place(slot, above)
      slot = parent
    }
    this.#place(slot, frame)
    return slot
  }

  #down(slot: number, frame: FrameIndex): void {
    const age = this.#age(frame)
    const size = this.size()
    for (;;) {
      let child = 2 * slot + 1
      if (child >= size) break
      const right = child + 1
      if (
        right < size &&
        this.#age(this.#words[this.#heapAt + right]!) > this.#age(this.#words[this.#heapAt + child]!)
      ) {
        child = right
      }
      const below = this.#words[this.#heapAt + child]!
      if (age >= this.#age(below)) break
      this.#place(slot, below)
      slot = child
    }
    this.#place(slot, frame)
  }
}
