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
import type { Arena } from '../../shared/arena.js'
import type { FrameIndex } from '../../shared/indices.js'
import { ghostsOf } from './ghosts.js'
import { Loop } from './loop.js'
import type { Policy } from './policy.js'
import { Frame, Header } from '../../shared/words.js'

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

/** A closure, as the hit path is one (hit-path.ts). */
export function twoQueues(arena: Arena): Policy {
  const { words, framesAt } = arena
  const usesAt = framesAt + Frame.used2
  const partsAt = arena.policyAt
  const { blocks } = arena.geometry
  const fifoMax = Math.floor(blocks / 10)
  /** From insertions to periods. */
  const shift = Math.max(0, Math.floor(Math.log2(blocks)) - PERIODS)
  const loop = (headAt: number) =>
    new Loop(words, {
      headAt,
      itemsAt: framesAt,
      stride: Frame.WORDS,
      newer: Frame.policySlot,
      older: Frame.used,
    })
  const fifo = loop(Header.fifoOldest)
  const main = loop(Header.mainOldest)
  const ghosts = ghostsOf(arena)

  function note(frame: FrameIndex): void {
    const at = usesAt + frame * Frame.WORDS
    const word = words[at]!
    const period = presentPeriod()
    if (((word ^ period) & ~Uses.COUNT) === 0) return
    const uses = word & Uses.COUNT
    words[at] = period | ((word & Uses.UNASKED) !== 0 ? 0 : uses === Uses.MAX ? uses : uses + 1)
  }

  function drain(): void {
    // A use is in its frame already.
  }

  function insert(frame: FrameIndex, keyHigh: number, keyLow: number, isAhead = false): void {
    const isBack = ghosts.take(keyHigh, keyLow)
    words[partsAt + frame] = isBack ? Part.MAIN : Part.FIFO
    words[Header.policyClock]! += 1
    words[usesAt + frame * Frame.WORDS] = presentPeriod() | (isAhead ? Uses.UNASKED : 0)
    loopOf(frame).addNewest(frame)
    counted(frame, 1)
  }

  function victim(): FrameIndex {
    if (size() === 0) return -1
    const isFifo = words[Header.fifoSize]! > fifoMax || main.oldest() < 0
    const frame = isFifo ? fifo.oldest() : unused()
    remove(frame)
    return frame
  }

  function renew(frame: FrameIndex): void {
    note(frame)
    loopOf(frame).addNewest(frame)
    counted(frame, 1)
  }

  /** A block that nobody asked for leaves no ghost: its first use would count as a return. */
  function evicted(frame: FrameIndex): boolean {
    const at = framesAt + frame * Frame.WORDS
    const isUnasked = (words[at + Frame.used2]! & Uses.UNASKED) !== 0
    if (words[partsAt + frame] === Part.FIFO && !isUnasked)
      ghosts.add(words[at + Frame.keyHigh]!, words[at + Frame.keyLow]!)
    return isUnasked
  }

  /** It was taken out as the oldest: there it comes back. */
  function readmit(frame: FrameIndex): void {
    loopOf(frame).addOldest(frame)
    counted(frame, 1)
  }

  function remove(frame: FrameIndex): void {
    loopOf(frame).remove(frame)
    counted(frame, -1)
  }

  function has(frame: FrameIndex): boolean {
    return fifo.isLinked(frame)
  }

  function size(): number {
    return words[Header.policySize]!
  }

  /** The ghosts are forgotten: their chains may be torn. */
  function reset(): void {
    for (const head of [Header.fifoOldest, Header.mainOldest, Header.fifoSize, Header.policySize]) {
      words[head] = 0
    }
    for (let frame = 0; frame < blocks; frame++) {
      words[framesAt + frame * Frame.WORDS + Frame.policySlot] = 0
    }
    ghosts.reset()
  }

  /** P1 each part's list has its own frames, once; P2 the sizes are theirs; P4, P5 the ghosts' own. */
  function check(): string[] {
    const broken: string[] = []
    const sizes = [fifo, main].map((loop, part) => {
      const frames = new Set(loop.items(blocks))
      for (const frame of frames) {
        const says = words[partsAt + frame]!
        if (says !== part) broken.push(`P1 frame ${frame}: says part ${says}, is in part ${part}`)
        if (!has(frame)) broken.push(`P1 frame ${frame}: torn out of part ${part}`)
      }
      return frames.size
    })
    const [inFifo, inMain] = sizes as [number, number]
    if (inFifo !== words[Header.fifoSize])
      broken.push(`P2 ${inFifo} frames are in the FIFO, the count says ${words[Header.fifoSize]!}`)
    if (inFifo + inMain !== size())
      broken.push(`P2 ${inFifo + inMain} frames are in the policy, the count says ${size()}`)
    return [...broken, ...ghosts.check()]
  }

  /** The present one, where the uses have it. */
  function presentPeriod(): number {
    return (words[Header.policyClock]! >> shift) << Uses.PERIOD_SHIFT
  }

  function loopOf(frame: FrameIndex): Loop {
    return words[partsAt + frame] === Part.FIFO ? fifo : main
  }

  function counted(frame: FrameIndex, change: 1 | -1): void {
    words[Header.policySize]! += change
    if (words[partsAt + frame] === Part.FIFO) words[Header.fifoSize]! += change
  }

  /**
   * Moves the hand to a block of MAIN without uses. Others may add uses as fast as the hand takes them away: after as
   * many steps as take away all that there were, the block under the hand is given up anyway.
   */
  function unused(): FrameIndex {
    const mainSize = size() - words[Header.fifoSize]!
    for (let steps = Uses.MAX * mainSize; steps > 0; steps--) {
      const frame = main.oldest()
      const at = usesAt + frame * Frame.WORDS
      if ((words[at]! & Uses.COUNT) === 0) break
      words[at]! -= 1
      main.turn()
    }
    return main.oldest()
  }

  return {
    notesDue: false,
    note,
    drain,
    insert,
    victim,
    renew,
    evicted,
    readmit,
    remove,
    has,
    size,
    reset,
    check,
  }
}
