/**
 * Policy `adaptive`: the share of new blocks, and how long uses count, follow from what comes back.
 *
 *   absent --insert--------------------> NEW   --victim, the oldest-----------------------> absent, a ghost
 *                                        NEW   --its value is better than the worst's-----> MAIN
 *   absent --insert, a ghost that is better than the worst of MAIN----------------------> MAIN
 *                                        MAIN  --victim, the worst of a sample------------> absent, a ghost
 *
 * What a block is worth is one point in time (uses.ts): that of its last use, plus a credit for those before. It goes with the
 * block into a ghost (ghost-sets.ts) and back, so a block's history outlives its stay. Whether a block enters MAIN is decided
 * by comparing values (search.ts), never by a fixed life of ghosts or a count of uses; how many frames are for NEW, by the
 * ghosts that come back (new-share.ts). That a working set has changed is seen when nothing in a sample of MAIN was used
 * lately (sample.ts).
 *
 * A hit is at most one plain store into its frame, by any thread, and none if the block was used in this tick already. Two at
 * once may count as one. A search looks at 64 frames at most. Memory for each block: the frame's three words, 4 bytes for MAIN,
 * 16 for ghosts.
 *
 * Between `victim` and `insert` of the same block stands what its ghost was: nothing of that is shared.
 */
import type { Arena } from '../../shared/arena.js'
import type { FrameIndex } from '../../shared/indices.js'
import { DEBUG } from '../../shared/mutex.js'
import type { Steps } from '../../shared/steps.js'
import { Frame, Header } from '../../shared/words.js'
import { ghostSetsOf } from './ghost-sets.js'
import { newShareOf, Sign } from './new-share.js'
import { Parts } from './parts.js'
import type { Candidates, Policy } from './policy.js'
import { SAMPLE, Sample } from './sample.js'
import { LOOKS_LEAST, Search } from './search.js'
import { AHEAD, KNOWN, NONE, OLD, TICKS, usesOf } from './uses.js'

/** More than the rank of any frame with a value. */
const NEW_RANK = 2 ** 20

/** A closure, like the hit path (hit-path.ts). */
export function adaptive(arena: Arena): Policy {
  const { words, framesAt } = arena
  const uses = usesOf(arena)
  const parts = new Parts(arena)
  const ghosts = ghostSetsOf(arena)
  const share = newShareOf(arena)
  const search = new Search(parts, uses, share, new Sample(words, parts, uses))
  /** What `victim` found out for the block that is inserted next: its key, 0 if nothing; the age of its value; its part. */
  let nextHigh = 0
  let nextLow = 0
  let nextAge = NONE
  let isNextForMain = false

  function drain(): void {
    // Uses are recorded in the frame itself.
  }

  function victim(candidates: Candidates, keyHigh: number, keyLow: number): FrameIndex {
    share.measure()
    nextHigh = 0
    const ghost = ghosts.find(keyHigh, keyLow)
    const age = ghost < 0 ? NONE : ghosts.valueAge(ghost)
    search.begin(candidates)
    // Also one that is filled ahead returns: it was used before, or it would have left no ghost.
    const isFromMain = ghost >= 0 && ghosts.isFromMain(ghost)
    const sign = ghost >= 0 ? search.judge(ghosts.since(ghost), isFromMain) : Sign.NONE
    const frame = search.run(age)
    if (frame < 0) return -1
    share.returned(sign, search.absence)
    if (ghost >= 0) ghosts.drop(ghost)
    nextHigh = keyHigh
    nextLow = keyLow
    nextAge = age
    isNextForMain = search.isForMain
    return frame
  }

  /** Each goes on in either part where the one before ended. */
  function searches(): number {
    return Math.max(1, Math.ceil(Math.max(parts.newSize, parts.mainSize) / LOOKS_LEAST))
  }

  function insert(frame: FrameIndex, keyHigh: number, keyLow: number, isAhead = false): void {
    if (DEBUG && has(frame)) throw new Error(`frame ${frame} is inserted into the policy twice`)
    share.measure()
    const isFound = keyHigh === nextHigh && keyLow === nextLow
    const isForMain = isFound && isNextForMain
    const age = isFound ? nextAge : takeGhost(keyHigh, keyLow)
    nextHigh = 0
    limitNext()
    ghosts.sweep()
    share.inserted()
    uses.begin(frame, age, isAhead)
    words[framesAt + frame * Frame.WORDS + Frame.used] = 0
    if (isForMain) parts.addToMain(frame)
    else parts.addNewest(frame)
    if (words[Header.freeCount]! > 0) fillMain()
  }

  /** The age of the value of a block that gets a frame without a search. */
  function takeGhost(keyHigh: number, keyLow: number): number {
    const ghost = ghosts.find(keyHigh, keyLow)
    if (ghost < 0) return NONE
    const age = ghosts.valueAge(ghost)
    ghosts.drop(ghost)
    return age
  }

  /** Limits the ages of the next frame of MAIN: in as many insertions as MAIN has frames, those of all. */
  function limitNext(): void {
    const { mainSize } = parts
    if (mainSize === 0) return
    const place = words[Header.mainSweep]! < mainSize ? words[Header.mainSweep]! : 0
    uses.limit(parts.mainAt(place), OLD)
    words[Header.mainSweep] = place + 1
  }

  /** While there are free frames nothing is evicted, and NEW would have all of them: its oldest move to MAIN. */
  function fillMain(): void {
    const ofNew = share.wanted()
    for (let left = SAMPLE; left > 0; left--) {
      if (parts.newSize <= ofNew || parts.mainSize + ofNew >= words[Header.frames]!) return
      parts.moveOldest()
    }
  }

  /** A block that was never used leaves no ghost: its first use would count as a return. */
  function evicted(frame: FrameIndex): boolean {
    if (uses.isUnasked(frame)) return true
    const at = framesAt + frame * Frame.WORDS
    const isOfMain = parts.isOfMain(frame)
    ghosts.add(words[at + Frame.keyHigh]!, words[at + Frame.keyLow]!, uses.fullAge(frame), isOfMain)
    // Give or take a tick, since the length is rounded down.
    share.evicted(isOfMain, uses.timeAge(frame) + 1 >= parts.lengthOfNew())
    return false
  }

  function readmit(frame: FrameIndex): void {
    if (DEBUG && has(frame)) throw new Error(`frame ${frame} is readmitted, but is in the policy`)
    parts.readmit(frame)
  }

  function remove(frame: FrameIndex): void {
    if (DEBUG && !has(frame)) throw new Error(`frame ${frame} is removed, but is not in the policy`)
    parts.remove(frame)
  }

  /** A ghost as of a block that was worth the most, evicted too long ago to count as a return soon after. */
  function expect(keyHigh: number, keyLow: number): void {
    share.measure()
    ghosts.add(keyHigh, keyLow, 0, true, share.near() + 1)
  }

  /** Blocks of NEW without a value first, then by value. */
  function rank(frame: FrameIndex): number {
    const valueAge = parts.isOfMain(frame) ? uses.fullAge(frame) : uses.valueAge(frame)
    if (!parts.isOfMain(frame) && valueAge >= KNOWN) return NEW_RANK + uses.timeAge(frame)
    return Math.max(0, AHEAD + valueAge)
  }

  /**
   * It was used in two ticks or more, and the last time in the last 64, in which as many blocks are inserted as there are
   * frames.
   */
  function isHot(frame: FrameIndex): boolean {
    return uses.valueAge(frame) < KNOWN && uses.timeAge(frame) < TICKS
  }

  function has(frame: FrameIndex): boolean {
    return parts.has(frame)
  }

  function size(): number {
    return parts.newSize + parts.mainSize
  }

  /** Frames keep their part and their uses. Ghosts stay as they are: none refers to another, and each store of one leaves it sound. */
  function reset(): void {
    parts.reset()
    share.repair()
  }

  /** P1, P2 those of the parts; P4, P5 of the ghosts; P7 of the share of NEW. */
  function check(): string[] {
    return [...parts.check(), ...ghosts.check(), ...share.check()]
  }

  function* look(): Steps<boolean> {
    return share.check().length === 0 && (yield* parts.look()) && (yield* ghosts.look())
  }

  return {
    notesDue: false,
    note: uses.note,
    drain,
    insert,
    victim,
    searches,
    evicted,
    readmit,
    remove,
    expect,
    rank,
    isHot,
    has,
    size,
    reset,
    check,
    look,
  }
}
