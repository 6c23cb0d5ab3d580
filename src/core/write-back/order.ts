/**
 * What a round has to write, sorted by class, partition and block: a radix sort on a key of two words, byte by byte from the
 * lowest. A byte that is equal in all keys costs a count but no pass. (A comparison sort of objects took a third as long as
 * the writes.)
 *
 *   high   bits 29-31 class   17-28 partition   0-16 upper bits of the block number
 *   low    its lower 32 bits
 */
import { PARTITIONS_MAX } from '../../shared/layout.js'
import { blockIn, partitionIn } from '../../shared/key.js'
import { classOf } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'

const CLASS_SHIFT = 29
const PARTITION_SHIFT = 17
if (PARTITIONS_MAX > 2 ** (CLASS_SHIFT - PARTITION_SHIFT))
  throw new Error('the sorting key has no room for so many partitions')

/** The blocks of one class in one partition, as a part of the sorted list. */
export interface Job {
  readonly writeClass: number
  readonly partition: number
  readonly start: number
  readonly end: number
}

export class UnwrittenList {
  readonly #frames: Int32Array
  readonly #stamps: Int32Array
  readonly #high: Uint32Array
  readonly #low: Uint32Array
  #count = 0

  /** `most`: capacity, in blocks. */
  constructor(most: number) {
    this.#frames = new Int32Array(most)
    this.#stamps = new Int32Array(most)
    this.#high = new Uint32Array(most)
    this.#low = new Uint32Array(most)
  }

  /** Adds a frame with an unwritten image, its stamp, and the block's key (key.ts). */
  add(frame: FrameIndex, stamp: number, keyHigh: number, keyLow: number): void {
    const i = this.#count++
    const writeClass = classOf(stamp)
    this.#frames[i] = frame
    this.#stamps[i] = stamp
    this.#high[i] =
      (writeClass << CLASS_SHIFT) |
      (partitionIn(keyHigh) << PARTITION_SHIFT) |
      (blockIn(keyHigh, 0) / 2 ** 32)
    this.#low[i] = keyLow
  }

  /** Removes all entries for whose stamp `isKept` returns false. */
  keep(isKept: (stamp: number) => boolean): void {
    let kept = 0
    for (let i = 0; i < this.#count; i++) {
      if (!isKept(this.#stamps[i]!)) continue
      for (const column of [this.#frames, this.#stamps, this.#high, this.#low]) column[kept] = column[i]!
      kept++
    }
    this.#count = kept
  }

  get length(): number {
    return this.#count
  }

  /** The frames in order, and the jobs that they form. */
  sorted(): { frames: Int32Array; jobs: Job[] } {
    const order = this.#order()
    const frames = new Int32Array(order.length)
    const jobs: Job[] = []
    for (let start = 0; start < order.length;) {
      const key = this.#high[order[start]!]! >>> PARTITION_SHIFT
      let end = start
      for (; end < order.length && this.#high[order[end]!]! >>> PARTITION_SHIFT === key; end++)
        frames[end] = this.#frames[order[end]!]!
      const partition = key & (2 ** (CLASS_SHIFT - PARTITION_SHIFT) - 1)
      jobs.push({ writeClass: key >>> (CLASS_SHIFT - PARTITION_SHIFT), partition, start, end })
      start = end
    }
    return { frames, jobs }
  }

  /** The indices of the entries, in sorted order. */
  #order(): Uint32Array {
    const count = this.#count
    const starts = new Uint32Array(257)
    let order = Uint32Array.from({ length: count }, (_, i) => i)
    let next = new Uint32Array(count)
    for (const keys of [this.#low, this.#high]) {
      for (let shift = 0; shift < 32; shift += 8) {
        starts.fill(0)
        for (let i = 0; i < count; i++) starts[((keys[i]! >>> shift) & 255) + 1]!++
        if (count === 0 || starts[((keys[0]! >>> shift) & 255) + 1] === count) continue
        for (let byte = 0; byte < 256; byte++) starts[byte + 1]! += starts[byte]!
        for (let i = 0; i < count; i++) {
          const item = order[i]!
          next[starts[(keys[item]! >>> shift) & 255]!++] = item
        }
        const sorted = next
        next = order
        order = sorted
      }
    }
    return order
  }
}
