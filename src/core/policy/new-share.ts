/**
 * How many frames policy `adaptive` has for NEW, and how long it remembers: both follow from what comes back.
 *
 * A block that comes back soon after it was evicted would have been a hit if its part had had a few frames more. So ghosts
 * measure what one more frame would bring in each part: the probability that a block which left it returns within NEAR ticks. For
 * NEW it counts only if a frame of MAIN was idle for longer (search.ts).
 * The target of NEW moves with the difference of the two. ARC (Megiddo and Modha, FAST 2003) moves it by each return instead,
 * and for all its ghosts; then a part that evicts more gets more, and returns that no small change would have turned into hits
 * count as well.
 *
 * Both are counts that lose 1/64 in each tick. The probability of MAIN has as many evictions more as PRIOR, with the
 * probability of NEW, since MAIN evicts few while NEW takes all the misses.
 *
 * In a loop, or next to a scan, MAIN evicts nothing, and nothing comes back soon. There another sign is needed, or a large NEW
 * would stay for ever after a time in which recency ruled. A block comes back after some time, and all frames of a sample of MAIN were
 * used in that time: in a frame of MAIN it would have one hit in each such time, which is NEAR / time in NEAR ticks. But where recency
 * rules MAIN looks as busy. So it counts as far as the blocks that leave NEW are idle: their last use is as long ago as NEW is long.
 * In a loop all are. Where recency rules few are, also of those that were never used: so many others are used, and become the newest
 * again, that a stay in NEW is shorter than NEW.
 * With a smaller weight (GAIN) more loads keep a large NEW, with a larger one small caches lose hits.
 *
 * The half-life of a use (uses.ts) is 4 times as many insertions as MAIN has frames: where recency rules, NEW is large and the
 * memory short.
 *
 * Target and counts are in 1/256 of a frame or a block, in very large pools 1/16, so that they fit into a word.
 */
import type { Arena } from '../../shared/arena.js'
import { Header } from '../../shared/words.js'
import { TICKS } from './uses.js'

const START = 0.1
const LEAST = 1 / 64
const MOST = 7 / 8
/** 3/32 of a pool of insertions. A longer horizon tells less of what one more frame would bring. */
const NEAR = 6
const PRIOR = 16
const GAIN = 8 * NEAR
const MEMORY = 4
/** From this many frames on, words count in 1/16. */
const LARGE = 2 ** 22

/** Evictions from each part, and what is counted of returns. */
const COUNTS = [
  Header.newOut,
  Header.newBack,
  Header.newIdle,
  Header.mainOut,
  Header.mainBack,
  Header.mainGain,
] as const

/** What the return of a block tells. */
export enum Sign {
  NONE,
  /** NEW should be larger: it came back soon, and a sampled frame of MAIN was idle for longer. */
  LARGER_NEW,
  /** MAIN should be larger: it was evicted from there, and came back soon. */
  LARGER_MAIN,
  /** It was evicted from NEW long ago, but no sampled frame of MAIN was idle for longer: there it would have had its hit. */
  STEADY_MAIN,
}

/** All @requires policy mutex */
export interface NewShare {
  /** Frames that NEW should have: at least one. */
  target(): number
  /**
   * Frames that NEW gets while there are free ones, and keeps: its target, but never less than at first, so that what is read ahead
   * has room (read-ahead.ts).
   */
  wanted(): number
  /** The most ticks between an eviction and a return that count as soon. */
  near(): number
  /** Takes notice of the number of frames in use, which may grow; the target keeps its share of them. */
  measure(): void
  /** A block was evicted from MAIN or NEW. `isIdle`: its last use was as long ago as NEW is long. */
  evicted(isFromMain: boolean, isIdle: boolean): void
  /** A block came back, which was away for about `absence` ticks. */
  returned(sign: Sign, absence: number): void
  /** A block is inserted: time passes. */
  inserted(): void
  /** Makes the words valid after a thread died. */
  repair(): void
  /** P7 target, half-life and counts are in their bounds. */
  check(): string[]
}

export function newShareOf({ words, geometry }: Arena): NewShare {
  const unit = geometry.blocks < LARGE ? 256 : 16

  const frames = (): number => words[Header.frames]!
  const least = (): number => unit * Math.max(1, LEAST * frames())
  const clamped = (target: number): number =>
    Math.floor(Math.max(least(), Math.min(target, unit * MOST * frames())))

  function measure(): void {
    const before = words[Header.measured]!
    const now = frames()
    if (before === now) return
    const share = before === 0 ? unit * START * now : (words[Header.newTarget]! / before) * now
    words[Header.newTarget] = Math.max(unit, Math.floor(share))
    setHalfLife()
    words[Header.measured] = now
  }

  function halfLife(): number {
    const share = words[Header.newTarget]! / unit / frames()
    return Math.max(1, Math.floor(MEMORY * (TICKS / 2) * (1 - share) + 0.5))
  }

  function setHalfLife(): void {
    words[Header.halfLife] = halfLife()
  }

  function inserted(): void {
    const part = words[Header.tickPart]! + TICKS
    const ticks = Math.floor(part / frames())
    words[Header.tickPart] = part - ticks * frames()
    if (ticks === 0) return
    words[Header.tick] = (words[Header.tick]! + ticks) & 0xffff
    adapt(ticks)
  }

  function adapt(ticks: number): void {
    const ofNew = words[Header.newBack]! / (words[Header.newOut]! + unit)
    const ofMain = (words[Header.mainBack]! + unit * PRIOR * ofNew) / (words[Header.mainOut]! + unit * PRIOR)
    const idle = words[Header.newIdle]! / (words[Header.newOut]! + unit)
    const steady = (words[Header.mainGain]! / (words[Header.newOut]! + unit)) * idle * idle
    const step = ((unit * frames()) / TICKS) * ticks
    words[Header.newTarget] = clamped(words[Header.newTarget]! + step * (ofNew - ofMain - steady))
    const rest = Math.max(0, TICKS - ticks)
    // Rounded down from the product, so that they reach 0.
    for (const word of COUNTS) words[word] = Math.floor((words[word]! * rest) / TICKS)
    setHalfLife()
  }

  function evicted(isFromMain: boolean, isIdle: boolean): void {
    words[isFromMain ? Header.mainOut : Header.newOut]! += unit
    if (!isFromMain && isIdle) words[Header.newIdle]! += unit
  }

  function returned(sign: Sign, absence: number): void {
    if (sign === Sign.LARGER_NEW) words[Header.newBack]! += unit
    else if (sign === Sign.LARGER_MAIN) words[Header.mainBack]! += unit
    else if (sign === Sign.STEADY_MAIN)
      words[Header.mainGain]! += Math.round((unit * GAIN) / Math.max(absence, GAIN))
  }

  function repair(): void {
    measure()
    words[Header.tick]! &= 0xffff
    words[Header.tickPart] = 0
    if (!isTarget()) words[Header.newTarget] = clamped(unit * START * frames())
    for (const word of COUNTS) if (words[word]! < 0) words[word] = 0
    setHalfLife()
  }

  const isTarget = (): boolean =>
    words[Header.newTarget]! >= unit && words[Header.newTarget]! <= unit * Math.max(1, MOST * frames())

  function check(): string[] {
    const broken: string[] = []
    if (COUNTS.some((word) => words[word]! < 0)) broken.push('P7 a count of evictions or returns is negative')
    if (words[Header.tick]! >>> 16 !== 0) broken.push(`P7 the tick is ${words[Header.tick]!}`)
    const part = words[Header.tickPart]!
    if (part < 0 || part >= frames()) broken.push(`P7 ${part} of ${frames()} parts of a tick have passed`)
    if (words[Header.measured] !== frames()) return broken // no block was inserted since the pool has grown
    if (!isTarget()) broken.push(`P7 the target of NEW is ${words[Header.newTarget]!} of ${unit * frames()}`)
    if (words[Header.halfLife] !== halfLife())
      broken.push(`P7 the half-life is ${words[Header.halfLife]!}, that of the target is ${halfLife()}`)
    return broken
  }

  const target = (): number => Math.max(1, Math.floor(words[Header.newTarget]! / unit))

  return {
    target,
    wanted: () => Math.max(target(), Math.floor(START * frames())),
    near: () => Math.max(NEAR, Math.ceil(TICKS / frames())),
    measure,
    evicted,
    returned,
    inserted,
    repair,
    check,
  }
}
