/**
 * Shares: how many frames each partition has, and which of them it gives up when it has all that it may. So a scan of one
 * partition evicts its own blocks, and not the working set of another.
 *
 * A frame belongs to the partition that got it last, from the moment when it was taken for one of its blocks until it is free or
 * taken for another: also while it is dirty, held, or lent for images. The region `owners` has a word per frame, the partition
 * plus one; `Partition.frames` counts them. Both change under the policy mutex, and the counts can be computed from the region.
 *
 * The victim of a full partition is the worst of a few that a hand finds, as in a cache with sampled LRU: the hand walks over the
 * words of all frames, so a partition with a hundredth of them costs a hundred steps, in seven cache lines, for each.
 */
import type { Words } from '#atomics'
import type { Arena } from '../../shared/arena.js'
import type { FrameIndex } from '../../shared/indices.js'
import { framesIn } from '../../shared/partition-record.js'
import { Partition } from '../../shared/words.js'

/** How many frames are compared for one victim. */
const SAMPLE = 8

export class Shares {
  readonly #arena: Arena
  readonly #words: Words
  readonly #ownersAt: number

  constructor(arena: Arena) {
    this.#arena = arena
    this.#words = arena.words
    this.#ownersAt = arena.ownersAt
  }

  /** Whether a partition has all the frames that it may have. @requires policy mutex */
  isFull(partition: number): boolean {
    const at = this.#arena.partitionAt(partition)
    const share = this.#words[at + Partition.share]!
    return share > 0 && this.#words[at + Partition.frames]! >= framesIn(share, this.#arena.frames)
  }

  /** Counts a frame for a partition. @requires policy mutex */
  give(frame: FrameIndex, partition: number): void {
    this.takeBack(frame)
    this.#words[this.#arena.partitionAt(partition) + Partition.frames]!++
    this.#words[this.#ownersAt + frame] = partition + 1
  }

  /** Counts a frame for no partition. @requires policy mutex */
  takeBack(frame: FrameIndex): void {
    const owner = this.#words[this.#ownersAt + frame]! - 1
    if (owner < 0) return
    this.#words[this.#arena.partitionAt(owner) + Partition.frames]!--
    this.#words[this.#ownersAt + frame] = 0
  }

  /**
   * The next of a partition's frames that may be its victim: `isVictim` says which may, and `rankOf` how bad a frame is. The worst
   * of a sample; -1 if none may. @requires policy mutex
   */
  victimOf(
    partition: number,
    isVictim: (frame: FrameIndex) => boolean,
    rankOf: (frame: FrameIndex) => number,
  ): FrameIndex {
    const blocks = this.#arena.frames
    const handAt = this.#arena.partitionAt(partition) + Partition.hand
    let hand = this.#words[handAt]!
    let [worst, worstRank] = [-1, -1]
    for (let steps = blocks, left = SAMPLE; steps > 0 && left > 0; steps--) {
      hand = hand + 1 < blocks ? hand + 1 : 0
      if (this.#words[this.#ownersAt + hand] !== partition + 1 || !isVictim(hand)) continue
      left--
      const rank = rankOf(hand)
      if (rank > worstRank) [worst, worstRank] = [hand, rank]
    }
    this.#words[handAt] = hand
    return worst
  }

  /** Counts all frames again, after a thread died in the middle of a change. @requires policy mutex */
  repair(): void {
    this.#count().forEach((count, partition) => {
      this.#words[this.#arena.partitionAt(partition) + Partition.frames] = count
    })
  }

  /** P6: the count of each partition is the number of frames that belong to it. @requires policy mutex */
  check(): string[] {
    return this.#count().flatMap((count, partition) => {
      const says = this.#words[this.#arena.partitionAt(partition) + Partition.frames]!
      return says === count ? [] : [`P6 partition ${partition} has ${count} frames, the count says ${says}`]
    })
  }

  /** How many frames belong to each partition. */
  #count(): number[] {
    const { frames, geometry } = this.#arena
    const counts = new Array<number>(geometry.partitions).fill(0)
    for (let frame = 0; frame < frames; frame++) {
      const owner = this.#words[this.#ownersAt + frame]! - 1
      if (owner >= 0) counts[owner]!++
    }
    return counts
  }
}
