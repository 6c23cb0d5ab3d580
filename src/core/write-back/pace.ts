/**
 * How fast a group's blocks are written. Somebody who asked for a round has it at the device's speed. What is written in
 * the background, because many blocks are dirty or have been so for long, is written in parts, with an fsync after each, so
 * that blocks become clean steadily; and between the parts it rests, the longer the farther the dirty blocks are from
 * their limit:
 *
 *   pressure   how far the dirty blocks are on the way from the background mark to the limit, or how many of the spares are
 *              taken, whichever is more: 0 to 1
 *   rest       after a part that took t, t * (1 - pressure) / pressure: at the limit none, half-way as long as the part
 *
 * So the speed follows the changes: where they are slower than the device, the dirty blocks settle where the two are
 * equal; where they are faster, they reach the limit and nobody rests. Near the limit changes wait for blocks to
 * become clean, so rounds go in parts there, whoever asked for them.
 *
 * Everything here is the flush worker's own.
 */
import { performance } from 'node:perf_hooks'
import { load } from '#atomics'
import type { Context } from '../context.js'
import { Group } from '../../shared/words.js'

/** Parts of the blocks that may be dirty. */
const PARTS = 8
/** A part has at least so many blocks. */
const PART_LEAST = 16
/** A part of what a limit of bytes lets through in this time. */
const PART_MS = 100
/** The rest is at most as long as at this pressure. */
const PRESSURE_LEAST = 1 / 16
/** At this share of the limit changes are about to wait. */
const TIGHT = 3 / 4
/** The pressure changes while nobody rings. */
const LOOK_MS = 10

/** Bytes that may be written in the background, of all groups together. */
export class Budget {
  readonly #bytesPerMs: number
  #freeAtMs = -Infinity

  /** Infinity: no limit. */
  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000
  }

  /** How many of so many blocks one part may have. */
  blocks(blockSize: number): number {
    return Math.max(1, Math.floor((this.#bytesPerMs * PART_MS) / blockSize))
  }

  /** Milliseconds until more may be written. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#freeAtMs - nowMs)
  }

  spend(bytes: number, nowMs: number): void {
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + bytes / this.#bytesPerMs
  }
}

/** The pace of one round. */
export class Pace {
  readonly #context: Context
  readonly #group: number
  readonly #budget: Budget
  #isDue: boolean
  #isTight = false
  #lookAtMs = Infinity

  /** `isDue`: blocks have been dirty for as long as they may; there is no rest, but the budget. */
  constructor(context: Context, group: number, budget: Budget, isDue: boolean) {
    this.#context = context
    this.#group = group
    this.#budget = budget
    this.#isDue = isDue
  }

  /**
   * How many of `left` blocks a partition's writer gets now; 0 not yet. Its last part took `tookMs`, until `overAtMs`.
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

  /** Whether blocks have been dirty for as long as they may. */
  get isDue(): boolean {
    return this.#isDue
  }

  /** Its blocks have been dirty for as long as they may by now. */
  hurry(): void {
    this.#isDue = true
  }

  /** When to look again although nobody rings; said once. */
  takeLookAtMs(): number {
    const lookAtMs = this.#lookAtMs
    this.#lookAtMs = Infinity
    return lookAtMs
  }

  /** The rest, in times of what the part before it took. */
  #rest(): number {
    const { words, arena } = this.#context
    const at = arena.groupAt(this.#group)
    const mark = words[at + Group.dirtyBackground]!
    const spares = arena.geometry.spares / arena.geometry.groups
    const room = words[at + Group.dirtyMax]! - mark
    // Without room between them, in a tiny group or where the mark is off, all of it is pressure.
    const dirty = room > 0 ? (words[at + Group.dirty]! - mark) / room : 1
    const taken = 1 - words[at + Group.spareCount]! / spares
    const pressure = Math.min(1, Math.max(dirty, taken, PRESSURE_LEAST))
    return (1 - pressure) / pressure
  }
}
