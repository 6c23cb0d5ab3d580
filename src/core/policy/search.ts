/**
 * The search for a victim of policy `adaptive`. A block that returns, and was worth more than the worst of a sample of MAIN
 * before this use, takes that one's place. All others pass through NEW: its oldest block goes, unless it earned a place in
 * MAIN, or was used lately. That is the rule of LIRS (Jiang and Zhang, SIGMETRICS 2002) with values instead of a stack: in a
 * loop larger than the cache no block that returns is ever worth more, so MAIN stands still and has hits, where LRU has none.
 *
 * NEW grows only by blocks that are new. It gets smaller by those that enter MAIN while it has more frames than it should: each takes
 * a frame of NEW there, and MAIN loses none. Without that a time in which recency ruled would leave MAIN small for ever.
 *
 * One search makes at most 64 looks (policy.ts), whatever state the frames are in. If it found no victim, the caller may begin
 * another one, which looks at other frames: the dirty ones have left, the hand of MAIN and NEW have turned.
 */
import { DEBUG } from '../../shared/mutex.js'
import type { FrameIndex } from '../../shared/indices.js'
import { type NewShare, Sign } from './new-share.js'
import type { Parts } from './parts.js'
import { type Candidates, Fit, LOOKS_MAX } from './policy.js'
import { SAMPLE, type Sample } from './sample.js'
import { KNOWN, OLD, type Uses } from './uses.js'

/**
 * A search that finds no victim has looked at so many frames of NEW and of MAIN, or at all of them. Except that it may have lost a
 * clean frame to another thread between its look and the latch; then its caller is told when that thread lets go of the frame.
 */
export const LOOKS_LEAST = 8
/** The most frames that were used lately which a search passes over in NEW. */
const CHANCES = 4
/** What one step in NEW costs at most, with what may follow it: a look, taking the worst of MAIN, or this one, or the one spared. */
const RESERVE = 4

/** Counts the looks of a search. */
export class Search implements Candidates {
  readonly #parts: Parts
  readonly #uses: Uses
  readonly #share: NewShare
  readonly #sample: Sample
  #candidates: Candidates | undefined
  #looks = 0
  /** A clean frame of NEW that this search has passed over, because it was used lately. */
  #spared: FrameIndex = -1
  /** Whether the new block takes the place of the victim in MAIN. */
  isForMain = false
  /** Of the block that returns: ticks since it was evicted, or about those since it entered NEW. */
  absence = 0

  constructor(parts: Parts, uses: Uses, share: NewShare, sample: Sample) {
    this.#parts = parts
    this.#uses = uses
    this.#share = share
    this.#sample = sample
  }

  look(frame: FrameIndex): Fit {
    this.#looks++
    return this.#candidates!.look(frame)
  }

  take(frame: FrameIndex): Fit {
    this.#looks++
    return this.#candidates!.take(frame)
  }

  /** Begins a search. @requires policy mutex */
  begin(candidates: Candidates): void {
    this.#candidates = candidates
    this.#looks = 0
    this.#spared = -1
    this.#sample.clear()
  }

  /**
   * The first half of a search for a block that returns, whose ghost is `since` ticks old: what a sample of MAIN tells of it.
   * `absence` is then how long it was away. @requires policy mutex, begun
   */
  judge(since: number, isFromMain: boolean): Sign {
    const isSoon = since <= this.#share.near()
    this.absence = since + (isFromMain ? 0 : this.#parts.lengthOfNew())
    this.#takeSample()
    this.#sample.forget(this, this.absence)
    if (isFromMain) return isSoon ? Sign.LARGER_MAIN : Sign.NONE
    // A larger NEW takes frames from MAIN. That pays only if one of them was idle for longer than this block was away: it is
    // not so in a loop a little larger than the cache, where NEW would grow until nothing has hits.
    const { oldestUse } = this.#sample
    if (isSoon) return oldestUse > this.absence ? Sign.LARGER_NEW : Sign.NONE
    // If all of MAIN that it met were dirty, or are out because they are, there is nothing to compare with.
    return oldestUse >= 0 && oldestUse <= this.absence ? Sign.STEADY_MAIN : Sign.NONE
  }

  /**
   * Latches the victim for a block whose value has this age, NONE or so for a new one, and removes it; -1 if the frames that it
   * looked at are all dirty or held. @requires policy mutex, begun
   */
  run(age: number): FrameIndex {
    const sample = this.#sample
    this.isForMain = false
    const isForMain = this.#isBetter(age)
    const givesFrames = this.#givesFrames()
    if (isForMain && !givesFrames) {
      const frame = sample.takeWorst(this)
      this.isForMain = frame >= 0
      if (frame >= 0) return this.#ended(frame)
    }
    const isLarge = this.#parts.newSize >= this.#share.target()
    if (isLarge || this.#parts.mainSize === 0 || (sample.isTaken && sample.worst < 0)) {
      const frame = this.#fromNew()
      this.isForMain = frame >= 0 && isForMain && givesFrames
      if (frame >= 0) return this.#ended(frame)
    }
    if (sample.worst < 0) this.#takeSample()
    const frame = sample.worst >= 0 ? sample.takeWorst(this) : -1
    return this.#ended(frame >= 0 ? frame : this.#anyOfNew())
  }

  /**
   * The oldest block of NEW that has not earned a place in MAIN, and was not used lately. One that has evicts the worst of
   * MAIN, or takes its own frame there.
   */
  #fromNew(): FrameIndex {
    const lately = Math.floor(this.#parts.lengthOfNew() / 2)
    let chances = CHANCES
    for (let left = SAMPLE; left > 0 && this.#left() > RESERVE; left--) {
      const frame = this.#parts.oldestNew()
      if (frame < 0) return -1
      const fit = this.look(frame)
      if (fit !== Fit.CLEAN) {
        this.#pass(frame, fit)
        continue
      }
      if (this.#isBetter(this.#uses.valueAge(frame))) {
        const worst = this.#givesFrames() ? undefined : this.#sample.takeWorst(this)
        if (worst !== -1) this.#parts.moveOldest()
        if (worst === undefined) continue
        if (worst >= 0) return worst
      }
      if (chances > 0 && this.#uses.timeAge(frame) < lately) {
        chances--
        this.#spared = frame
        this.#parts.turnNew()
        continue
      }
      if (this.#pass(frame, this.take(frame))) return frame
    }
    return -1
  }

  /** Whether a value of this age is worth more than the worst of MAIN. Takes a sample, if there was none in this search. */
  #isBetter(valueAge: number): boolean {
    if (valueAge >= KNOWN) return false
    if (!this.#sample.isTaken) this.#takeSample()
    return this.#sample.worst >= 0 && valueAge < this.#sample.worstAge
  }

  /** Whether NEW has more frames than it should: each block that enters MAIN then takes one along, and MAIN grows. */
  #givesFrames(): boolean {
    return this.#parts.newSize > this.#share.wanted()
  }

  /**
   * A block of NEW although it was used lately: the one spared, else the oldest that may go. Without the first a lone clean block,
   * used lately, might be passed over in each search.
   */
  #anyOfNew(): FrameIndex {
    if (this.#spared >= 0 && this.#parts.has(this.#spared)) {
      const fit = this.take(this.#spared)
      if (fit !== Fit.HELD) this.#parts.remove(this.#spared)
      if (fit === Fit.CLEAN) return this.#spared
    }
    for (let left = Math.min(SAMPLE, this.#left()); left > 0; left--) {
      const frame = this.#parts.oldestNew()
      if (frame < 0) return -1
      if (this.#pass(frame, this.take(frame))) return frame
    }
    return -1
  }

  /** What becomes of the oldest frame of NEW: a held one becomes the newest, others leave. Returns whether it is the victim. */
  #pass(frame: FrameIndex, fit: Fit): boolean {
    if (fit === Fit.HELD) {
      this.#uses.limit(frame, OLD) // it may be held for so long that it would look young
      this.#parts.turnNew()
      return false
    }
    this.#parts.remove(frame)
    return fit === Fit.CLEAN
  }

  #takeSample(): void {
    this.#sample.take(this, this.#left() - RESERVE)
  }

  #left(): number {
    return LOOKS_MAX - this.#looks
  }

  #ended(frame: FrameIndex): FrameIndex {
    if (DEBUG && this.#looks > LOOKS_MAX)
      throw new Error(`a search for a victim made ${this.#looks} looks; at most ${LOOKS_MAX}`)
    return frame
  }
}
