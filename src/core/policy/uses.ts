/**
 * What policy `adaptive` knows of the uses of a block: one word, which a hit replaces by a plain store.
 *
 *   time     16 bits  the tick of its last use
 *   value    15 bits  the uses before that one, as one point in time
 *   UNASKED   1 bit   it was filled ahead, and not used yet
 *
 * The value is that of LRFU (Lee, Choi et al., SIGMETRICS 1999), where each use is worth 2^(-age / half-life), and a block the
 * sum. A sum decays from tick to tick, so all of them would have to be aged; the time of a single use that is worth as much
 * stays as it is, can be compared with any other, and fits into a ghost. A block whose two uses are equally old is worth one
 * use that is a half-life younger: with many uses the value lies in the future.
 *
 * Time is counted in insertions: 64 ticks pass while as many blocks are inserted as there are frames, so a use counts once in a
 * tick, and sixteen uses in a row are one use. Values are in units of two ticks. Nothing is compared but ages, which are
 * differences, so that the clock may wrap. Ages are limited before one can wrap: those of MAIN in turn (adaptive.ts), those of held
 * frames of NEW (search.ts); old ghosts are removed (ghost-sets.ts).
 *
 * All in closures over the addresses, like the hit path (hit-path.ts).
 */
import type { Arena } from '../../shared/arena.js'
import type { FrameIndex } from '../../shared/indices.js'
import { Frame, Header } from '../../shared/words.js'

/** Ticks while as many blocks are inserted as there are frames. */
export const TICKS = 64
/** The age of a value without any use; more than that of any block of which a ghost remains. In units of two ticks. */
export const NONE = 20_000
/** Ages of values from here on are none: a value that is as old as NONE gets younger by a rounding, not by a use. */
export const KNOWN = NONE - 100
/**
 * Values lie in the future by less: by half-lives of at most 128 units, one for each doubling of uses that are at least a tick
 * apart.
 */
export const AHEAD = 7000
/** Ages of last uses are limited to this, so that none gets so old that it looks young. In ticks. */
export const OLD = 49_152

const enum Word {
  TIME_SHIFT = 16,
  TIME_MASK = 0xffff,
  VALUE_SHIFT = 1,
  VALUE_MASK = 0x7fff,
  UNASKED = 1,
}

/**
 * By the difference of two ages, in 64ths of a half-life: by how much of a half-life, in 1024ths, their sum is younger than the
 * younger.
 */
const GAINS = Int32Array.from({ length: 1024 }, (_, i) => Math.round(1024 * Math.log2(1 + 2 ** (-i / 64))))

export interface Uses {
  /** A hit. At most one plain store. Any thread. */
  readonly note: (frame: FrameIndex) => void
  /** A new block's first use, now; `valueAge` is that of the uses before it, in former lives of the block. */
  begin(frame: FrameIndex, valueAge: number, isAhead: boolean): void
  /** Ticks since the last use. */
  timeAge(frame: FrameIndex): number
  /** The age of the uses before the last one; may be negative. */
  valueAge(frame: FrameIndex): number
  /** The age of all uses, which is what a block is worth: the larger, the less. */
  fullAge(frame: FrameIndex): number
  isUnasked(frame: FrameIndex): boolean
  /** Makes the uses before the last one void. */
  forget(frame: FrameIndex): void
  /** Limits the age of the last use to `ticks`, and that of the others to NONE. */
  limit(frame: FrameIndex, ticks: number): void
}

/** The words of a ghost (ghost-sets.ts) have the same parts: when it was evicted, its value, and a flag. */
export const wordOf = (time: number, value: number, flag: number): number =>
  ((time & Word.TIME_MASK) << Word.TIME_SHIFT) | ((value & Word.VALUE_MASK) << Word.VALUE_SHIFT) | flag

export const timeAgeOf = (now: number, word: number): number =>
  (now - (word >>> Word.TIME_SHIFT)) & Word.TIME_MASK

export function valueAgeOf(now: number, word: number): number {
  const age = ((now >> 1) - (word >>> Word.VALUE_SHIFT)) & Word.VALUE_MASK
  return age > Word.VALUE_MASK - AHEAD ? age - (Word.VALUE_MASK + 1) : age
}

/** The value that has this age now. */
export const valueAt = (now: number, age: number): number => (now >> 1) - Math.min(age, NONE)

export function usesOf({ words, framesAt }: Arena): Uses {
  const usesAt = framesAt + Frame.used2

  function note(frame: FrameIndex): void {
    const at = usesAt + frame * Frame.WORDS
    const word = words[at]!
    const now = words[Header.tick]!
    if (word >>> Word.TIME_SHIFT === now && (word & Word.UNASKED) === 0) return
    const value = (word & Word.UNASKED) !== 0 ? word >>> Word.VALUE_SHIFT : valueAt(now, fullAgeOf(now, word))
    words[at] = wordOf(now, value, 0)
  }

  function fullAgeOf(now: number, word: number): number {
    const valueAge = valueAgeOf(now, word)
    const useAge = timeAgeOf(now, word) >> 1
    const halfLife = words[Header.halfLife]!
    const younger = Math.min(valueAge, useAge)
    const apart = ((Math.abs(valueAge - useAge) * 64) / halfLife) | 0
    return apart < GAINS.length ? younger - ((GAINS[apart]! * halfLife + 512) >> 10) : younger
  }

  function begin(frame: FrameIndex, valueAge: number, isAhead: boolean): void {
    const now = words[Header.tick]!
    words[usesAt + frame * Frame.WORDS] = wordOf(now, valueAt(now, valueAge), isAhead ? Word.UNASKED : 0)
  }

  function timeAge(frame: FrameIndex): number {
    return timeAgeOf(words[Header.tick]!, words[usesAt + frame * Frame.WORDS]!)
  }

  function valueAge(frame: FrameIndex): number {
    return valueAgeOf(words[Header.tick]!, words[usesAt + frame * Frame.WORDS]!)
  }

  function fullAge(frame: FrameIndex): number {
    return fullAgeOf(words[Header.tick]!, words[usesAt + frame * Frame.WORDS]!)
  }

  function isUnasked(frame: FrameIndex): boolean {
    return (words[usesAt + frame * Frame.WORDS]! & Word.UNASKED) !== 0
  }

  function forget(frame: FrameIndex): void {
    const at = usesAt + frame * Frame.WORDS
    const word = words[at]!
    words[at] = wordOf(word >>> Word.TIME_SHIFT, valueAt(words[Header.tick]!, NONE), word & Word.UNASKED)
  }

  function limit(frame: FrameIndex, ticks: number): void {
    const at = usesAt + frame * Frame.WORDS
    const word = words[at]!
    const now = words[Header.tick]!
    const isOld = timeAgeOf(now, word) > ticks
    const age = valueAgeOf(now, word)
    if (!isOld && age <= NONE) return
    words[at] = wordOf(isOld ? now - ticks : word >>> Word.TIME_SHIFT, valueAt(now, age), word & Word.UNASKED)
  }

  return { note, begin, timeAge, valueAge, fullAge, isUnasked, forget, limit }
}
