/**
 * Shares: which frames each partition with a share has, and which of them it gives up when it has all that it may. So a scan of
 * such a partition evicts its own blocks, and not the working set of another.
 *
 * A frame belongs to the partition that got it last, from the moment when it was taken for one of its blocks until it is free or
 * taken for another: also while it is dirty or held. The region `owners` has three words per frame: the partition plus one, and the
 * links of a loop of that partition's frames (loop.ts). `Partition.frames` counts them. All of it changes under the policy mutex,
 * and can be rebuilt from the first of the three words. Frames of partitions without a share belong to none.
 *
 * The victim of a full partition is the worst of a few that come next in its loop, as in a cache with sampled LRU.
 */
import type { Words } from '#atomics'
import type { Arena } from '../../shared/arena.js'
import type { FrameIndex } from '../../shared/indices.js'
import { OWNER_WORDS } from '../../shared/layout.js'
import { PIECE, type Steps } from '../../shared/steps.js'
import { framesIn } from '../../shared/partition-record.js'
import { Loop } from './loop.js'
import { LOOKS_MAX } from './policy.js'
import { Partition } from '../../shared/words.js'

/** The words of a frame after the partition. */
const enum Owner {
  newer = 1,
  older = 2,
}

/** How many frames are compared for one victim. */
const SAMPLE = 8

export class Shares {
  readonly #arena: Arena
  readonly #words: Words
  readonly #ownersAt: number
  readonly #loops: (Loop | undefined)[] = []

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

  /** Gives a frame to a partition; to none if it has no share. @requires policy mutex */
  give(frame: FrameIndex, partition: number): void {
    this.takeBack(frame)
    const at = this.#arena.partitionAt(partition)
    if (this.#words[at + Partition.share] === 0) return
    this.#words[at + Partition.frames]!++
    this.#words[this.#ownerAt(frame)] = partition + 1
    this.#loop(partition).addNewest(frame)
  }

  /** Takes a frame from the partition that it belongs to. @requires policy mutex */
  takeBack(frame: FrameIndex): void {
    const owner = this.#words[this.#ownerAt(frame)]! - 1
    if (owner < 0) return
    this.#loop(owner).remove(frame)
    this.#words[this.#ownerAt(frame)] = 0
    this.#words[this.#arena.partitionAt(owner) + Partition.frames]!--
  }

  /**
   * One search: the next of a partition's frames that may be its victim: `isVictim` says which may, and `rankOf` how bad a frame is.
   * The worst of a sample; -1 if none of those that it looked at may, and the next search looks at others. @requires policy mutex
   */
  victimOf(
    partition: number,
    isVictim: (frame: FrameIndex) => boolean,
    rankOf: (frame: FrameIndex) => number,
  ): FrameIndex {
    const loop = this.#loop(partition)
    let [worst, worstRank] = [-1, -1]
    let steps = Math.min(LOOKS_MAX, this.#framesOf(partition))
    for (let left = SAMPLE; steps > 0 && left > 0; steps--) {
      const frame = loop.oldest()
      loop.turn()
      if (!isVictim(frame)) continue
      left--
      const rank = rankOf(frame)
      if (rank > worstRank) [worst, worstRank] = [frame, rank]
    }
    return worst
  }

  /** As many searches as look at all frames of a partition. @requires policy mutex */
  searches(partition: number): number {
    return Math.ceil(this.#framesOf(partition) / LOOKS_MAX)
  }

  /** Builds loops and counts again, after a thread died in the middle of a change. @requires policy mutex */
  repair(): void {
    const { frames, geometry } = this.#arena
    for (let partition = 0; partition < geometry.partitions; partition++) {
      const at = this.#arena.partitionAt(partition)
      this.#words[at + Partition.frames] = 0
      this.#words[at + Partition.oldestFrame] = 0
    }
    for (let frame = 0; frame < frames; frame++) {
      const at = this.#ownerAt(frame)
      const owner = this.#words[at]! - 1
      this.#words.fill(0, at + Owner.newer, at + OWNER_WORDS)
      if (owner < 0) continue
      this.#words[this.#arena.partitionAt(owner) + Partition.frames]!++
      this.#loop(owner).addNewest(frame)
    }
  }

  /** P6: the loop of each partition has the frames that belong to it, once, and the count is theirs. @requires policy mutex */
  check(): string[] {
    const { frames, geometry } = this.#arena
    const owned = new Array<number>(geometry.partitions).fill(0)
    for (let frame = 0; frame < frames; frame++) {
      const owner = this.#words[this.#ownerAt(frame)]! - 1
      if (owner >= 0) owned[owner]!++
    }
    return owned.flatMap((count, partition) => {
      const says = this.#words[this.#arena.partitionAt(partition) + Partition.frames]!
      const listed = new Set(this.#loop(partition).items(frames))
      const isSound =
        says === count &&
        listed.size === count &&
        [...listed].every((frame) => this.#words[this.#ownerAt(frame)] === partition + 1)
      return isSound
        ? []
        : [
            `P6 partition ${partition} has ${count} frames, the count says ${says}, the loop has ${listed.size}`,
          ]
    })
  }

  /** As `look` of the policy (policy.ts). @requires policy mutex for each piece */
  *look(): Steps<boolean> {
    const { geometry } = this.#arena
    const seen = new Uint16Array(geometry.blocks)
    const ownerOf = (frame: FrameIndex) => this.#words[this.#ownerAt(frame)]! - 1
    for (let partition = 0; partition < geometry.partitions; partition++) {
      const countAt = this.#arena.partitionAt(partition) + Partition.frames
      const isOwn = (frame: FrameIndex) => ownerOf(frame) === partition
      const isSound = this.#loop(partition).look(seen, partition + 1, isOwn, () => this.#words[countAt]!)
      if (!(yield* isSound)) return false
      if (partition % PIECE === PIECE - 1) yield
    }
    for (let frame = 0; frame < this.#arena.frames; frame++) {
      const owner = ownerOf(frame)
      if (owner >= 0 && seen[frame] !== owner + 1) return false
      if (frame % PIECE === PIECE - 1) yield
    }
    return true
  }

  #framesOf(partition: number): number {
    return this.#words[this.#arena.partitionAt(partition) + Partition.frames]!
  }

  #ownerAt(frame: FrameIndex): number {
    return this.#ownersAt + frame * OWNER_WORDS
  }

  #loop(partition: number): Loop {
    return (this.#loops[partition] ??= new Loop(this.#words, {
      headAt: this.#arena.partitionAt(partition) + Partition.oldestFrame,
      itemsAt: this.#ownersAt,
      stride: OWNER_WORDS,
      newer: Owner.newer,
      older: Owner.older,
    }))
  }
}
