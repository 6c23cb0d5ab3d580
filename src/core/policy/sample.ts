/**
 * The worst frame of MAIN, of policy `adaptive`: that of sixteen which come next in the array. An order by value would be a
 * heap under a mutex, which every use changes; the worst of a sample is nearly as good (as in Redis and in sampled LRU of
 * memcached's kind), and costs a use nothing. The hand goes on from sample to sample, so that each frame is looked at once in a
 * round.
 *
 * A sample also tells whether the working set has changed: if the block that returns was used later than all sixteen, then what
 * they were worth once is void. Without that a set that was used often would be kept for ever against one that is used a
 * little.
 */
import type { Words } from '#atomics'
import type { FrameIndex } from '../../shared/indices.js'
import { Header } from '../../shared/words.js'
import type { Parts } from './parts.js'
import { type Candidates, Fit } from './policy.js'
import { TICKS, type Uses } from './uses.js'

/** Frames in a sample. */
export const SAMPLE = 16
/** A MAIN of so many frames is forgotten as a whole, since a sample would be the same frames again and again. */
const SMALL = 2 * SAMPLE
/** Half a pool of insertions: frames that were not used for less are no sign of a change. */
const IDLE = TICKS / 2
/** Less than any age. */
const YOUNGEST = -(2 ** 20)

export class Sample {
  readonly #words: Words
  readonly #parts: Parts
  readonly #uses: Uses
  readonly #frames = new Int32Array(SAMPLE)
  #count = 0
  /** Whether a sample was taken in this search. */
  isTaken = false
  /** The worst frame that may be the victim; -1 if none may. */
  worst: FrameIndex = -1
  worstAge = YOUNGEST
  /** The largest age of a last use, in ticks; held frames count too. -1 if all were dirty. */
  oldestUse = -1

  constructor(words: Words, parts: Parts, uses: Uses) {
    this.#words = words
    this.#parts = parts
    this.#uses = uses
  }

  /** Begins a search. */
  clear(): void {
    this.isTaken = false
    this.#none()
  }

  /** Looks at the next frames, at most `most`. Dirty ones leave MAIN. @requires policy mutex */
  take(candidates: Candidates, most: number): void {
    const words = this.#words
    this.isTaken = true
    this.#none()
    this.#count = 0
    this.oldestUse = -1
    const limit = Math.min(SAMPLE, most)
    for (let looks = 0, stayed = 0; looks < limit && stayed < this.#parts.mainSize; looks++) {
      if (words[Header.mainHand]! >= this.#parts.mainSize) words[Header.mainHand] = 0
      const frame = this.#parts.mainAt(words[Header.mainHand]!)
      const fit = candidates.look(frame)
      if (fit === Fit.DIRTY) {
        this.#parts.remove(frame)
        continue
      }
      stayed++
      words[Header.mainHand]!++
      this.oldestUse = Math.max(this.oldestUse, this.#uses.timeAge(frame))
      if (fit === Fit.HELD) continue
      this.#frames[this.#count++] = frame
      this.#compare(frame)
    }
  }

  /**
   * If no sampled frame was used for as long as `ticks`, their former uses are void, and the worst is looked for again, among 32
   * frames at most. @requires policy mutex
   */
  forget(candidates: Candidates, ticks: number): void {
    const idle = Math.max(ticks, IDLE)
    if (this.#count === 0) return
    for (let i = 0; i < this.#count; i++) if (this.#uses.timeAge(this.#frames[i]!) < idle) return
    const isSmall = this.#parts.mainSize <= SMALL
    const count = isSmall ? this.#parts.mainSize : this.#count
    this.#none()
    for (let i = 0; i < count; i++) {
      const frame = isSmall ? this.#parts.mainAt(i) : this.#frames[i]!
      if (this.#uses.timeAge(frame) >= idle) this.#uses.forget(frame)
      if (candidates.look(frame) === Fit.CLEAN) this.#compare(frame)
    }
  }

  /**
   * Latches the worst frame and removes it from MAIN; -1 if it was changed or pinned since the sample. A small MAIN is gone round in one
   * sample: then a frame that was clean may be met again, dirty, and has left. @requires one
   */
  takeWorst(candidates: Candidates): FrameIndex {
    const frame = this.worst
    this.#none()
    if (!this.#parts.has(frame)) return -1
    const fit = candidates.take(frame)
    if (fit !== Fit.HELD) this.#parts.remove(frame)
    return fit === Fit.CLEAN ? frame : -1
  }

  #none(): void {
    this.worst = -1
    this.worstAge = YOUNGEST
  }

  #compare(frame: FrameIndex): void {
    const age = this.#uses.fullAge(frame)
    if (age <= this.worstAge) return
    this.worst = frame
    this.worstAge = age
  }
}
