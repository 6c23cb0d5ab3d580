/**
 * Policy `2q` (after 2Q, Johnson and Shasha, VLDB 1994): only a block that is read again after its eviction is kept for long.
 *
 *   absent --insert, no ghost--> FIFO --victim, oldest first--> absent, its key a ghost
 *   absent --insert, a ghost---> MAIN --victim, a CLOCK-------> absent
 *
 * Victims come from the FIFO while it has more than a tenth of the blocks; uses of a block in it do not count. MAIN is a
 * CLOCK: each block has a counter from 0 to 3. A use increments it; the hand decrements it and moves on, and evicts the block
 * whose counter is 0. There are as many ghosts as blocks; they are the most recent ones.
 *
 * Uses in quick succession count as one, also in MAIN: a use counts once per period, which is as many insertions as 1/64 of
 * the blocks. So a thread that uses a block sixteen times in a row has no advantage over a thread that uses it once.
 *
 * A use costs at most one plain store to a word of the block's frame, by any thread, without a lock; two concurrent uses may
 * count as one. Periods are compared for equality only, so their number may overflow.
 *
 * In the frame, policySlot and used are the links (loop.ts), and used2 has the uses: period, UNASKED, counter. The heap
 * region has a word per frame: the part that it is in, or was in before it was removed because it was dirty or held.
 */
import type { Arena } from '../../shared/arena.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Steps } from '../../shared/steps.js'
import { ghostsOf } from './ghosts.js'
import { Loop } from './loop.js'
import { inOrder } from './in-order.js'
import type { Candidates, Policy } from './policy.js'
import { Frame, Header } from '../../shared/words.js'

const enum Part {
  FIFO,
  MAIN,
}
/** The word of a block's uses. */
const enum Uses {
  MAX = 3,
  COUNT = 3,
  /** It was filled ahead, and not used yet. */
  UNASKED = 4,
  PERIOD_SHIFT = 3,
  FLAGS = 7,
}
/** Log2 of the number of periods in which as many blocks are inserted as there are frames. */
const PERIODS = 6
/** More than any age. */
const FIFO_RANK = 2 ** 32

/** A closure, like the hit path (hit-path.ts). */
export function twoQueues(arena: Arena): Policy {
  const { words, framesAt } = arena
  const usesAt = framesAt + Frame.used2
  const partsAt = arena.policyAt
  /** Of the frames in use, which may become more. */
  let frames = 0
  let fifoMax = 0
  /** Shift from a number of insertions to a period. */
  let shift = 0
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
  measure()

  function note(frame: FrameIndex): void {
    const at = usesAt + frame * Frame.WORDS
    const word = words[at]!
    if (((word ^ presentPeriod()) & ~Uses.COUNT) === 0) return
    measure() // the pool may have grown since this thread's last miss
    const period = presentPeriod()
    if (((word ^ period) & ~Uses.COUNT) === 0) return
    const uses = word & Uses.COUNT
    words[at] = period | ((word & Uses.UNASKED) !== 0 ? 0 : uses === Uses.MAX ? uses : uses + 1)
  }

  /** Called under the policy mutex, before a victim is chosen or a block inserted. */
  function measure(): void {
    if (words[Header.frames] === frames) return
    frames = words[Header.frames]!
    fifoMax = Math.floor(frames / 10)
    shift = Math.max(0, Math.floor(Math.log2(frames)) - PERIODS)
  }

  function drain(): void {
    // Uses are recorded in the frame itself.
  }

  function insert(frame: FrameIndex, keyHigh: number, keyLow: number, isAhead = false): void {
    measure()
    const isBack = ghosts.take(keyHigh, keyLow)
    words[partsAt + frame] = isBack ? Part.MAIN : Part.FIFO
    words[Header.policyClock]! += 1
    words[usesAt + frame * Frame.WORDS] = presentPeriod() | (isAhead ? Uses.UNASKED : 0)
    loopOf(frame).addNewest(frame)
    counted(frame, 1)
  }

  function victim(candidates: Candidates): FrameIndex {
    measure()
    return inOrder(candidates, next, renew, frames)
  }

  /**
   * One search looks at all frames. With a bound, a FIFO of held frames would be walked again and again, and MAIN never. And the hand
   * has no bound.
   */
  function searches(): number {
    return 1
  }

  /** Removes the frame that should go next. */
  function next(): FrameIndex {
    if (size() === 0) return -1
    const isFifo = words[Header.fifoSize]! > fifoMax || main.oldest() < 0
    const frame = isFifo ? fifo.oldest() : unused()
    remove(frame)
    return frame
  }

  /** Inserts a frame again, as just used, because it is held. */
  function renew(frame: FrameIndex): void {
    note(frame)
    loopOf(frame).addNewest(frame)
    counted(frame, 1)
  }

  /** A block that was never used leaves no ghost: its first use would count as a return. */
  function evicted(frame: FrameIndex): boolean {
    const at = framesAt + frame * Frame.WORDS
    const isUnasked = (words[at + Frame.used2]! & Uses.UNASKED) !== 0
    if (words[partsAt + frame] === Part.FIFO && !isUnasked)
      ghosts.add(words[at + Frame.keyHigh]!, words[at + Frame.keyLow]!)
    return isUnasked
  }

  /** The frame was removed as the oldest, so it is inserted as the oldest. */
  function readmit(frame: FrameIndex): void {
    loopOf(frame).addOldest(frame)
    counted(frame, 1)
  }

  function remove(frame: FrameIndex): void {
    loopOf(frame).remove(frame)
    counted(frame, -1)
  }

  function expect(keyHigh: number, keyLow: number): void {
    ghosts.add(keyHigh, keyLow)
  }

  /** Blocks of the FIFO first. A use in MAIN makes up for an age: that of a block with two uses counts half. */
  function rank(frame: FrameIndex): number {
    const word = words[usesAt + frame * Frame.WORDS]!
    const age = (presentPeriod() - (word & ~Uses.FLAGS)) >>> Uses.PERIOD_SHIFT
    return words[partsAt + frame] === Part.FIFO ? FIFO_RANK + age : age / ((word & Uses.COUNT) + 1)
  }

  /** Its counter is not 0: it was used in a later period than it came, and the hand has not taken all of that away. */
  function isHot(frame: FrameIndex): boolean {
    return (words[usesAt + frame * Frame.WORDS]! & Uses.COUNT) !== 0
  }

  function has(frame: FrameIndex): boolean {
    return fifo.isLinked(frame)
  }

  function size(): number {
    return words[Header.policySize]!
  }

  /** Also removes the ghosts, whose chains may be corrupt. */
  function reset(): void {
    for (const head of [Header.fifoOldest, Header.mainOldest, Header.fifoSize, Header.policySize]) {
      words[head] = 0
    }
    for (let frame = 0; frame < arena.frames; frame++) {
      words[framesAt + frame * Frame.WORDS + Frame.policySlot] = 0
    }
    ghosts.reset()
  }

  /** P1 each part's list has its own frames, once; P2 the counts are right; P4, P5 those of the ghosts. */
  function check(): string[] {
    const broken: string[] = []
    const sizes = [fifo, main].map((loop, part) => {
      const frames = new Set(loop.items(arena.frames))
      for (const frame of frames) {
        const says = words[partsAt + frame]!
        if (says !== part) broken.push(`P1 frame ${frame}: says part ${says}, is in part ${part}`)
        if (!has(frame)) broken.push(`P1 frame ${frame}: not linked in part ${part}`)
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

  function* look(): Steps<boolean> {
    const seen = new Uint8Array(arena.geometry.blocks)
    const isIn = (part: Part) => (frame: FrameIndex) => words[partsAt + frame] === part
    const inFifo = () => words[Header.fifoSize]!
    if (!(yield* fifo.look(seen, 1, isIn(Part.FIFO), inFifo))) return false
    if (!(yield* main.look(seen, 2, isIn(Part.MAIN), () => size() - inFifo()))) return false
    return yield* ghosts.look()
  }

  /** The current period, in the position that it has in a word of uses. */
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
   * Moves the hand to a block of MAIN without uses. Other threads may add uses as fast as the hand removes them, so after as
   * many steps as would remove all initial uses, the block under the hand is evicted anyway.
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
    searches,
    evicted,
    readmit,
    remove,
    rank,
    expect,
    isHot,
    has,
    size,
    reset,
    check,
    look,
  }
}
