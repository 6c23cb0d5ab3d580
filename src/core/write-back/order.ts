/**
 * What a round has to write, sorted by class, partition and block: a radix sort on a key of two words, byte by byte from the
 * lowest. A byte that is equal in all keys costs a count but no pass. (A comparison sort of objects took a third as long as
 * the writes.) A few are inserted in order instead: a small round should not pay for the counts of eight passes.
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

/** Up to so many entries, in arrays that the engine of JavaScript keeps in its heap. */
const FEW = 16

export class UnwrittenList {
  #frames = new Int32Array(FEW)
  #stamps = new Int32Array(FEW)
  #high = new Uint32Array(FEW)
  #low = new Uint32Array(FEW)
  #count = 0

  /** Adds a frame with an unwritten image, its stamp, and the block's key (key.ts). */
  add(frame: FrameIndex, stamp: number, keyHigh: number, keyLow: number): void {
    const i = this.#count++
    if (i === this.#frames.length) this.#grow()
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
      // Most often all are kept.
      if (kept < i)
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

  #grow(): void {
    const most = 2 * this.#count
    const longer = <T extends Int32Array | Uint32Array>(column: T, empty: T): T => {
      empty.set(column)
      return empty
    }
    this.#frames = longer(this.#frames, new Int32Array(most))
    this.#stamps = longer(this.#stamps, new Int32Array(most))
    this.#high = longer(this.#high, new Uint32Array(most))
    this.#low = longer(this.#low, new Uint32Array(most))
  }

  /** The indices of the entries, in sorted order. */
  #order(): Uint32Array {
    return this.#count <= FEW ? this.#inserted() : this.#radixSorted()
  }

  #inserted(): Uint32Array {
    const order = new Uint32Array(this.#count)
    for (let item = 0; item < order.length; item++) {
      let at = item
      for (; at > 0 && this.#isBefore(item, order[at - 1]!); at--) order[at] = order[at - 1]!
      order[at] = item
    }
    return order
  }

  #isBefore(a: number, b: number): boolean {
    const [high, low] = [this.#high, this.#low]
    return high[a]! < high[b]! || (high[a] === high[b] && low[a]! < low[b]!)
  }

  #radixSorted(): Uint32Array {
    const count = this.#count
    const starts = new Uint32Array(257)
    let order = new Uint32Array(count).map((_, i) => i)
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
