/**
 * Policy `2q` (after 2Q, Johnson and Shasha, VLDB 1994): a block has to come back after it was given up, to be kept.
 *
 *   absent --insert, no ghost--> FIFO --victim, oldest first--> absent, its name a ghost
 *   absent --insert, a ghost---> MAIN --victim, a CLOCK-------> absent
 *
 * The FIFO gives victims while it has more than a tenth of the blocks; uses of a block in it count for nothing. MAIN is a
 * CLOCK: each block has a counter from 0 to 3, a use adds one, the hand takes one away and goes on, and gives up the
 * block that has none. There are as many ghosts as blocks, the newest ones.
 *
 * Uses in a row are one use, of a block in MAIN too: a use counts once in a period, which is as many insertions as a
 * 64th of the blocks. So a thread that comes to a block sixteen times in a row gains nothing over one that comes once.
 *
 * A use is at most one plain store into a word of the block's frame, by any thread, without a lock: two at once may count
 * as one. Periods are compared for equality only, so that their number may overflow.
 *
 * In the frame: policySlot and used are its links (loop.ts), used2 its uses: period, UNASKED, counter. The heap region has a word for each frame
 * that says in which part it is, or was before it was taken out dirty or held.
 */
import type { Words } from '#atomics'
import type { Arena } from '../shared/arena.js'
import type { FrameIndex } from '../shared/indices.js'
import { Ghosts } from './ghosts.js'
import { Loop } from './loop.js'
import type { Policy } from './policy.js'
import { Frame, Header } from '../shared/words.js'

const enum Part {
  FIFO,
  MAIN,
}
/** The word of a block's uses. */
const enum Uses {
  MAX = 3,
  COUNT = 3,
  /** It came ahead of its first use. */
  UNASKED = 4,
  PERIOD_SHIFT = 3,
}
/** Log2 of the share of the blocks that is inserted in a period. */
const PERIODS = 6

export class TwoQueues implements Policy {
  readonly notesDue = false
  readonly #words: Words
  readonly #framesAt: number
  readonly #usesAt: number
  readonly #partsAt: number
  readonly #blocks: number
  readonly #fifoMax: number
  /** From insertions to periods. */
  readonly #shift: number
  readonly #fifo: Loop
  readonly #main: Loop
  readonly #ghosts: Ghosts

  constructor(arena: Arena) {
    this.#words = arena.words
    this.#framesAt = arena.framesAt
    this.#usesAt = arena.framesAt + Frame.used2
    this.#partsAt = arena.heapAt
    this.#blocks = arena.geometry.blocks
    this.#fifoMax = Math.floor(arena.geometry.blocks / 10)
    this.#shift = Math.max(0, Math.floor(Math.log2(arena.geometry.blocks)) - PERIODS)
    const loop = (headAt: number) =>
      new Loop(arena.words, {
        headAt,
        itemsAt: arena.framesAt,
        stride: Frame.WORDS,
        newer: Frame.policySlot,
        older: Frame.used,
      })
    this.#fifo = loop(Header.fifoOldest)
    this.#main = loop(Header.mainOldest)
    this.#ghosts = new Ghosts(arena)
  }

  note(frame: FrameIndex): void {
    const at = this.#usesAt + frame * Frame.WORDS
    const word = this.#words[at]!
    const period = this.#period()
    if (((word ^ period) & ~Uses.COUNT) === 0) return
    const uses = word & Uses.COUNT
    this.#words[at] = period | ((word & Uses.UNASKED) !== 0 ? 0 : uses === Uses.MAX ? uses : uses + 1)
  }

  drain(): void {
    // A use is in its frame already.
  }

  insert(frame: FrameIndex, place: number, low: number, isAhead = false): void {
    const isBack = this.#ghosts.take(place, low)
    this.#words[this.#partsAt + frame] = isBack ? Part.MAIN : Part.FIFO
    this.#words[Header.policyClock]! += 1
    this.#words[this.#usesAt + frame * Frame.WORDS] = this.#period() | (isAhead ? Uses.UNASKED : 0)
    this.#loopOf(frame).addNewest(frame)
    this.#count(frame, 1)
  }

  victim(): FrameIndex {
    if (this.size() === 0) return -1
    const isFifo = this.#words[Header.fifoSize]! > this.#fifoMax || this.#main.oldest() < 0
    const frame = isFifo ? this.#fifo.oldest() : this.#unused()
    this.remove(frame)
    return frame
  }

  renew(frame: FrameIndex): void {
    this.note(frame)
    this.#loopOf(frame).addNewest(frame)
    this.#count(frame, 1)
  }

  /** A block that nobody asked for leaves no ghost: its first use would count as a return. */
  evicted(frame: FrameIndex): boolean {
    const at = this.#framesAt + frame * Frame.WORDS
    const isUnasked = (this.#words[at + Frame.used2]! & Uses.UNASKED) !== 0
    if (this.#words[this.#partsAt + frame] === Part.FIFO && !isUnasked)
      this.#ghosts.add(this.#words[at + Frame.place]!, this.#words[at + Frame.blockLow]!)
    return isUnasked
  }

  /** It was taken out as the oldest: there it comes back. */
  readmit(frame: FrameIndex): void {
    this.#loopOf(frame).addOldest(frame)
    this.#count(frame, 1)
  }

  remove(frame: FrameIndex): void {
    this.#loopOf(frame).remove(frame)
    this.#count(frame, -1)
  }

  has(frame: FrameIndex): boolean {
    return this.#fifo.isLinked(frame)
  }

  size(): number {
    return this.#words[Header.policySize]!
  }

  /** The ghosts are forgotten: their chains may be torn. */
  reset(): void {
    for (const head of [Header.fifoOldest, Header.mainOldest, Header.fifoSize, Header.policySize]) {
      this.#words[head] = 0
    }
    for (let frame = 0; frame < this.#blocks; frame++) {
      this.#words[this.#framesAt + frame * Frame.WORDS + Frame.policySlot] = 0
    }
    this.#ghosts.reset()
  }

  /** P1 each part's list has its own frames, once; P2 the sizes are theirs; P4, P5 the ghosts' own. */
  check(): string[] {
    const broken: string[] = []
    const sizes = [this.#fifo, this.#main].map((loop, part) => {
      const frames = new Set(loop.items(this.#blocks))
      for (const frame of frames) {
        const says = this.#words[this.#partsAt + frame]!
        if (says !== part) broken.push(`P1 frame ${frame}: says part ${says}, is in part ${part}`)
        if (!this.has(frame)) broken.push(`P1 frame ${frame}: torn out of part ${part}`)
      }
      return frames.size
    })
    const [fifo, main] = sizes as [number, number]
    if (fifo !== this.#words[Header.fifoSize])
      broken.push(`P2 ${fifo} frames are in the FIFO, the count says ${this.#words[Header.fifoSize]!}`)
    if (fifo + main !== this.size())
      broken.push(`P2 ${fifo + main} frames are in the policy, the count says ${this.size()}`)
    return [...broken, ...this.#ghosts.check()]
  }

  /** The present one, where the uses have it. */
  #period(): number {
    return (this.#words[Header.policyClock]! >> this.#shift) << Uses.PERIOD_SHIFT
  }

  #loopOf(frame: FrameIndex): Loop {
    return this.#words[this.#partsAt + frame] === Part.FIFO ? this.#fifo : this.#main
  }

  #count(frame: FrameIndex, change: 1 | -1): void {
    this.#words[Header.policySize]! += change
    if (this.#words[this.#partsAt + frame] === Part.FIFO) this.#words[Header.fifoSize]! += change
  }

  /**
   * Moves the hand to a block of MAIN without uses. Others may add uses as fast as the hand takes them away: after as
   * many steps as take away all that there were, the block under the hand is given up anyway.
   */
  #unused(): FrameIndex {
    const mainSize = this.size() - this.#words[Header.fifoSize]!
    for (let steps = Uses.MAX * mainSize; steps > 0; steps--) {
      const frame = this.#main.oldest()
      const at = this.#usesAt + frame * Frame.WORDS
      if ((this.#words[at]! & Uses.COUNT) === 0) break
      this.#words[at]! -= 1
      this.#main.turn()
    }
    return this.#main.oldest()
  }
}
