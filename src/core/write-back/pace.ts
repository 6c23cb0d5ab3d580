/**
 * How fast a group's blocks are written. A requested round runs at the device's speed. Background writes, which start because
 * many blocks are dirty or some have been dirty for long, are divided into parts with an fsync after each, so that blocks
 * become clean steadily. Between the parts the group rests, the longer the farther the dirty count is from its limit:
 *
 *   pressure   the dirty count's position between the background mark and the limit, or the share in use of the images that there
 *              may be, whichever is larger; 0 to 1
 *   rest       after a part that took t: t * (1 - pressure) / pressure. None at the limit; as long as the part at 1/2
 *
 * So the speed follows the changes: if they are slower than the device, the dirty count settles where the two are equal; if
 * they are faster, it reaches the limit and there is no rest. Near the limit changes wait for blocks to become clean, so
 * there even requested rounds are divided into parts.
 *
 * Blocks that are changed all the time are dirty again before the round that writes them is over. To write them once in each
 * flush delay is enough, so a round does not start at the background mark for their sake (`startsAtMark`).
 *
 * All of this is private to the flush worker.
 */
import { performance } from 'node:perf_hooks'
import { load } from '#atomics'
import type { Context } from '../context.js'
import { loansAt } from '../changes/loans.js'
import { Group } from '../../shared/words.js'

/** Parts into which the dirty limit is divided. */
const PARTS = 8
/** Smallest part, in blocks. */
const PART_LEAST = 16
/** With a limit in bytes per second, a part is what the limit allows in this time. */
const PART_MS = 100
/** The longest rest is the one at this pressure. */
const PRESSURE_LEAST = 1 / 16
/** At this share of the dirty limit, or of the way from the mark to the limit, changes are about to wait. */
const TIGHT = 3 / 4
/** The pressure is checked this often, because it changes without a ring of the bell. */
export const LOOK_MS = 10

/** The limit for background writes, for all groups together. It may change at any time, also for what was written before. */
export class Budget {
  readonly #rate: () => number
  /** Bytes that were written before the limit allowed them, at the last look. */
  #owed = 0
  #lookedAtMs = 0

  /** `rate` returns the limit at this moment, in bytes per second; Infinity means none. */
  constructor(rate: () => number) {
    this.#rate = rate
  }

  /** The largest part, in blocks of this size. */
  blocks(blockSize: number): number {
    return Math.max(1, Math.floor((this.#bytesPerMs * PART_MS) / blockSize))
  }

  /** Milliseconds until more may be written. */
  waitMs(nowMs: number): number {
    const bytesPerMs = this.#look(nowMs)
    return this.#owed / bytesPerMs
  }

  spend(bytes: number, nowMs: number): void {
    this.#look(nowMs)
    this.#owed += bytes
  }

  /** Subtracts what the limit has allowed in the meantime; returns the limit, in bytes per millisecond. It may change between two looks. */
  #look(nowMs: number): number {
    const bytesPerMs = this.#bytesPerMs
    const isUnlimited = bytesPerMs === Infinity
    this.#owed = isUnlimited ? 0 : Math.max(0, this.#owed - (nowMs - this.#lookedAtMs) * bytesPerMs)
    this.#lookedAtMs = nowMs
    return bytesPerMs
  }

  get #bytesPerMs(): number {
    return this.#rate() / 1000
  }
}

/**
 * Whether a group with so many dirty blocks starts a round in the background. `hot` blocks of the last round were dirty again at
 * its end, and do not count, unless three quarters of the way from the mark to the limit are gone.
 */
export function startsAtMark({ words, arena }: Context, group: number, hot: number): boolean {
  const at = arena.groupAt(group)
  const dirty = load(words, at + Group.dirty)
  const mark = words[at + Group.dirtyBackground]!
  return dirty - hot >= mark || dirty >= mark + (words[at + Group.dirtyMax]! - mark) * TIGHT
}

/** The pace of one round. */
export class Pace {
  readonly #context: Context
  readonly #group: number
  readonly #budget: Budget
  #isDue: boolean
  /** How many blocks of the round were dirty again at its end. */
  hot = 0
  #isTight = false
  #lookAtMs = Infinity

  /** `isDue`: blocks have been dirty for `flushDelayMs`, so there is no rest; the byte limit still applies. */
  constructor(context: Context, group: number, budget: Budget, isDue: boolean) {
    this.#context = context
    this.#group = group
    this.#budget = budget
    this.#isDue = isDue
  }

  /**
   * How many of `left` blocks a partition's writer may write now; 0 for none yet. Its last part took `tookMs` and ended at
   * `overAtMs`.
   */
  blocksNow(left: number, blockSize: number, overAtMs: number, tookMs: number): number {
    const { words, arena, rounds } = this.#context
    const at = arena.groupAt(this.#group)
    const isAsked = rounds[this.#group]!.isWanted
    if (load(words, at + Group.dirty) >= words[at + Group.dirtyMax]! * TIGHT) this.#isTight = true
    if (isAsked && !this.#isTight) return left
    const part = Math.max(PART_LEAST, Math.floor(words[at + Group.dirtyMax]! / PARTS))
    if (isAsked) return Math.min(left, part)
    const nowMs = performance.now()
    const restMs = this.#isDue ? 0 : overAtMs + tookMs * this.#rest() - nowMs
    const waitMs = Math.max(restMs, this.#budget.waitMs(nowMs))
    if (waitMs > 0) {
      this.#lookAtMs = Math.min(this.#lookAtMs, nowMs + Math.min(waitMs, LOOK_MS))
      return 0
    }
    const count = Math.min(left, part, this.#budget.blocks(blockSize))
    this.#budget.spend(count * blockSize, nowMs)
    return count
  }

  /** Whether blocks have been dirty for `flushDelayMs`. */
  get isDue(): boolean {
    return this.#isDue
  }

  /** Called when blocks of the round have become due. */
  hurry(): void {
    this.#isDue = true
  }

  /** When to check again without a ring of the bell. Resets it. */
  takeLookAtMs(): number {
    const lookAtMs = this.#lookAtMs
    this.#lookAtMs = Infinity
    return lookAtMs
  }

  /** The rest, as a multiple of the time that the last part took. */
  #rest(): number {
    const { words, arena } = this.#context
    const at = arena.groupAt(this.#group)
    const mark = words[at + Group.dirtyBackground]!
    const { spares, groups } = arena.geometry
    const room = words[at + Group.dirtyMax]! - mark
    // Without room between the two (a tiny group, or no background mark) the pressure is 1.
    const dirty = room > 0 ? (words[at + Group.dirty]! - mark) / room : 1
    const images = spares / groups + words[at + Group.lent]! - words[at + Group.spareCount]!
    const taken = images / (spares / groups + loansAt(arena))
    const pressure = Math.min(1, Math.max(dirty, taken, PRESSURE_LEAST))
    return (1 - pressure) / pressure
  }
}
