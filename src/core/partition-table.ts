/**
 * The partitions as one thread sees them. A view is made of the record in shared memory when it is first needed, and made anew
 * when its number belongs to another partition by now. A number means the same partition for as long as the thread has a pin
 * or the latch of one of its blocks.
 */
import { fenceLoads, load, type Words } from '#atomics'
import type { Arena } from '../shared/arena.js'
import { addTime } from '../shared/histogram.js'
import type { SlotIndex } from '../shared/indices.js'
import {
  blocksIn,
  framesIn,
  generationIn,
  type PartitionRecord,
  readRecord,
  stateIn,
} from '../shared/partition-record.js'
import { type Latency, type PartitionCounter } from '../shared/counter-words.js'
import { Header, Partition, PartitionState, Slot } from '../shared/words.js'
import type { Device } from './device/device.js'
import { FrameViews } from './frame-views.js'

/** Where a partition's bytes are: what a device is made of. */
export type Place = Pick<PartitionRecord, 'fd' | 'offset' | 'direct' | 'blockSize'> & {
  readonly index: number
}

/** A partition, and its device, as one thread sees it. */
export class PartitionView {
  readonly index: number
  readonly generation: number
  readonly name: string
  readonly group: number
  readonly blockSize: number
  readonly readOnly: boolean
  /** Where it begins in its file, in bytes. */
  readonly offset: number
  /** Whether its file has a mark of a journal. */
  readonly isMarked: boolean
  readonly device: Device
  /** Views of the frames, with the length of this partition's blocks; all partitions with that block size share them. */
  readonly views: FrameViews
  /** The number of blocks when this thread last looked; `look` looks again. */
  blocks: number
  /** `Header.standing` when this thread last found that the partition stands (standing.ts). */
  standingSeen = -1
  /** Of this thread: how many fills will not be timed before the next one that is (miss-path.ts). */
  untimed = 0
  /** The index of this thread's counters of the partition in `arena.partitionCounters`. */
  readonly countersAt: number
  readonly #arena: Arena

  constructor(
    arena: Arena,
    slot: SlotIndex,
    index: number,
    generation: number,
    { name, group, blockSize, readOnly, offset, marked }: PartitionRecord,
    device: Device,
    views: FrameViews,
  ) {
    this.#arena = arena
    this.index = index
    this.generation = generation
    this.name = name
    this.group = group
    this.blockSize = blockSize
    this.readOnly = readOnly
    this.offset = offset
    this.isMarked = marked === true
    this.device = device
    this.views = views
    this.blocks = blocksIn(arena, index)
    this.countersAt = arena.partitionCountersAt(slot, index)
  }

  /** The most frames that it may have at this moment. */
  get framesMax(): number {
    const { words, frames } = this.#arena
    const share = words[this.#arena.partitionAt(this.index) + Partition.share]!
    return share > 0 ? framesIn(share, frames) : frames
  }

  count(counter: PartitionCounter, by = 1): void {
    this.#arena.partitionCounters[this.countersAt + counter]! += by
  }

  /** Adds a time to a histogram; it stands for `weight` of them. An atomic addition; a bucket that is full stays so. */
  measured(latency: Latency, ms: number, weight = 1): void {
    addTime(this.#arena.words, this.#arena.latencyAt(this.index, latency), ms, weight)
  }

  /** The number of blocks at this moment; of a partition that was dropped, the last one known. */
  look(): number {
    const blocks = blocksIn(this.#arena, this.index)
    const standing = load(this.#arena.words, this.#arena.partitionAt(this.index) + Partition.standing)
    if (generationIn(standing) === this.generation) this.blocks = blocks
    return this.blocks
  }
}

export class PartitionTable {
  readonly #arena: Arena
  readonly #words: Words
  readonly #deviceOf: (place: Place) => Device
  readonly #slot: SlotIndex
  readonly #fenceAt: number
  readonly #views: (PartitionView | undefined)[] = []
  readonly #frameViews = new Map<number, FrameViews>()

  /** `slot`: this thread's. */
  constructor(arena: Arena, slot: SlotIndex, deviceOf: (place: Place) => Device) {
    this.#arena = arena
    this.#words = arena.words
    this.#deviceOf = deviceOf
    this.#slot = slot
    this.#fenceAt = arena.slotAt(slot) + Slot.fence
  }

  /** The partition with this number; undefined if the number is free. */
  find(index: number): PartitionView | undefined {
    if (index < 0 || index >= this.#arena.geometry.partitions) return undefined
    const at = this.#arena.partitionAt(index) + Partition.standing
    for (;;) {
      const standing = load(this.#words, at)
      if (stateIn(standing) === PartitionState.FREE) return undefined
      const generation = generationIn(standing)
      const known = this.#views[index]
      if (known?.generation === generation) return known
      const record = readRecord(this.#arena, index)
      fenceLoads(this.#words, this.#fenceAt) // the record must not be read after the second look at its standing
      if (generationIn(load(this.#words, at)) !== generation) continue
      const device = this.#deviceOf({ index, ...record })
      const views = this.#viewsOf(record.blockSize)
      return (this.#views[index] = new PartitionView(
        this.#arena,
        this.#slot,
        index,
        generation,
        record,
        device,
        views,
      ))
    }
  }

  /** The partition of a block that this thread has pinned or latched, or that is dirty. */
  at(index: number): PartitionView {
    const view = this.find(index)
    if (view === undefined) throw new Error(`contract: number ${index} has no partition`)
    return view
  }

  /** The open partition with this name. Compares as many names as there are partitions. */
  named(name: string): PartitionView | undefined {
    return this.all().find((view) => view.name === name && this.#isOpen(view))
  }

  /** All partitions, also those that are being dropped. */
  all(): PartitionView[] {
    const views: PartitionView[] = []
    const end = load(this.#words, Header.partitionsEnd)
    for (let index = 0; index < end; index++) {
      const view = this.find(index)
      if (view !== undefined) views.push(view)
    }
    return views
  }

  ofGroup(group: number): PartitionView[] {
    return this.all().filter((view) => view.group === group)
  }

  #isOpen({ index }: PartitionView): boolean {
    const standing = load(this.#words, this.#arena.partitionAt(index) + Partition.standing)
    return stateIn(standing) === PartitionState.OPEN
  }

  #viewsOf(blockSize: number): FrameViews {
    const known = this.#frameViews.get(blockSize)
    if (known !== undefined) return known
    const views = new FrameViews(this.#arena, blockSize)
    this.#frameViews.set(blockSize, views)
    return views
  }
}
