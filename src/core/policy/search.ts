/**
 * The search for a victim of policy `adaptive`. A block that returns, and was worth more than the worst of a sample of MAIN
 * before this use, takes that one's place. All others pass through NEW: its oldest block goes, unless it earned a place in
 * MAIN, or was used lately. That is the rule of LIRS (Jiang and Zhang, SIGMETRICS 2002) with values instead of a stack: in a
 * loop larger than the cache no block that returns is ever worth more, so MAIN stands still and has hits, where LRU has none.
 *
 * One search looks at 64 frames at most, whatever state they are in: a miss must not get slower with the pool. If the 64 were
 * all dirty or held there is another one, with other frames: the dirty have left, the hand and NEW have turned.
 */
import { DEBUG } from '../../shared/mutex.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { NewShare } from './new-share.js'
import type { Parts } from './parts.js'
import { type Candidates, Fit } from './policy.js'
import { SAMPLE, type Sample } from './sample.js'
import { KNOWN, TICKS, type Uses } from './uses.js'

/** The most frames that one search looks at. */
const LOOKS_MAX = 64
/** The most frames that were used lately which a search passes over in NEW. */
const CHANCES = 4

export class Search {
  readonly #parts: Parts
  readonly #uses: Uses
  readonly #share: NewShare
  readonly #sample: Sample
  readonly #frames: () => number
  /** Frames looked at in this search. */
  #looks = 0
  /** Whether the new block takes the place of the victim in MAIN. */
  isForMain = false

  constructor(parts: Parts, uses: Uses, share: NewShare, sample: Sample, frames: () => number) {
    this.#parts = parts
    this.#uses = uses
    this.#share = share
    this.#sample = sample
    this.#frames = frames
  }

  /** Begins a search. @requires policy mutex */
  begin(): void {
    this.#looks = 0
    this.#sample.clear()
  }

  /**
   * The first half of a search for a block that returns, whose ghost is `since` ticks old: what a sample of MAIN tells of it.
   * Returns whether the return shows that its part should be larger. @requires policy mutex, begun
   */
  judge(candidates: Candidates, since: number, isFromMain: boolean): boolean {
    const absence = since + (isFromMain ? 0 : this.#lengthOfNew())
    if (this.#parts.mainSize > 0) {
      this.#look(candidates)
      this.#looks += this.#sample.forget(candidates, absence)
    }
    if (since > this.#share.near()) return false
    // A larger NEW takes frames from MAIN. That pays only if one of them was idle for longer than this block was away: it is
    // not so in a loop a little larger than the cache, where NEW would grow until nothing has hits.
    return isFromMain || this.#parts.mainSize === 0 || this.#sample.oldestUse > absence
  }

  /**
   * Latches the victim for a block whose value has this age, NONE or so for a new one, and removes it; -1 if the frames that it
   * looked at are all dirty or held. @requires policy mutex, begun
   */
  run(candidates: Candidates, age: number): FrameIndex {
    const sample = this.#sample
    this.isForMain = false
    if (age < KNOWN && !sample.isTaken) this.#look(candidates)
    if (age < KNOWN && sample.worst >= 0 && age < sample.worstAge) {
      const frame = sample.takeWorst(candidates)
      this.isForMain = frame >= 0
      if (frame >= 0) return this.#ended(frame)
    }
    const isLarge = this.#parts.newSize >= this.#share.target()
    if (isLarge || this.#parts.mainSize === 0 || (sample.isTaken && sample.worst < 0)) {
      const frame = this.#fromNew(candidates)
      if (frame >= 0) return this.#ended(frame)
    }
    if (sample.worst < 0) this.#look(candidates)
    const frame = sample.worst >= 0 ? sample.takeWorst(candidates) : -1
    return this.#ended(frame >= 0 ? frame : this.#oldest(candidates))
  }

  /**
   * The oldest block of NEW that has not earned a place in MAIN, and was not used lately. One that has evicts the worst of
   * MAIN.
   */
  #fromNew(candidates: Candidates): FrameIndex {
    const lately = Math.floor(this.#lengthOfNew() / 2)
    let chances = CHANCES
    for (let left = this.#least(SAMPLE); left > 0; left--) {
      const frame = this.#parts.oldestNew()
      if (frame < 0) return -1
      this.#looks++
      const fit = candidates.look(frame)
      if (fit !== Fit.CLEAN) {
        this.#pass(frame, fit)
        continue
      }
      const worst = this.#worstFor(candidates, this.#uses.valueAge(frame))
      if (worst >= 0) {
        this.#parts.moveOldest()
        return worst
      }
      if (chances > 0 && this.#uses.timeAge(frame) < lately) {
        chances--
        this.#parts.turnNew()
        continue
      }
      if (this.#pass(frame, candidates.take(frame))) return frame
    }
    return -1
  }

  /** The worst of MAIN, taken, if it is worth less than a value of this age; else -1. */
  #worstFor(candidates: Candidates, valueAge: number): FrameIndex {
    if (valueAge >= KNOWN) return -1
    if (!this.#sample.isTaken) this.#look(candidates)
    const isBetter = this.#sample.worst >= 0 && valueAge < this.#sample.worstAge
    return isBetter ? this.#sample.takeWorst(candidates) : -1
  }

  /** The oldest block of NEW that may go. */
  #oldest(candidates: Candidates): FrameIndex {
    for (let left = this.#least(SAMPLE); left > 0; left--) {
      const frame = this.#parts.oldestNew()
      if (frame < 0) return -1
      this.#looks++
      if (this.#pass(frame, candidates.take(frame))) return frame
    }
    return -1
  }

  /** What becomes of the oldest frame of NEW: a held one becomes the newest, others leave. Returns whether it is the victim. */
  #pass(frame: FrameIndex, fit: Fit): boolean {
    if (fit === Fit.HELD) this.#parts.turnNew()
    else this.#parts.remove(frame)
    return fit === Fit.CLEAN
  }

  #look(candidates: Candidates): void {
    this.#looks += this.#sample.take(candidates, LOOKS_MAX - this.#looks)
  }

  /** So many frames, or what is left of this search. */
  #least(frames: number): number {
    return Math.min(frames, LOOKS_MAX - this.#looks)
  }

  /** The ticks that a block is in NEW. */
  #lengthOfNew(): number {
    return Math.floor((this.#parts.newSize * TICKS) / this.#frames())
  }

  #ended(frame: FrameIndex): FrameIndex {
    if (DEBUG && this.#looks > LOOKS_MAX)
      throw new Error(`a search for a victim looked at ${this.#looks} frames; at most ${LOOKS_MAX}`)
    return frame
  }
}
