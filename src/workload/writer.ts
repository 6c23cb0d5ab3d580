/**
 * The writes of a load: whole blocks and ranges through guards, byte-range writes without a guard, and changes that are
 * started and discarded. All except the discarded ones write a stamp.
 */
import { performance, type RecordableHistogram } from 'node:perf_hooks'
import type { BlockGuard } from '../shared/interface.js'
import type { AcquireOptions } from '../shared/options.js'
import { STAMP_BYTES, type Stamp, writeStamp } from './stamp.js'
import { type LoadContext, record, type Target } from './context.js'

const BLOCK_MAX = 65536
const CLASSES = ['data', 'directory', 'trailer'] as const
/** On average, one in 128 discards is slow, so that a round meets its half-changed block. */
const SLOW_DISCARD = 128
const SLOW_MS = 20

/** A byte range within a block, and the offset of the stamp from the block's start. */
interface Change {
  readonly start: number
  readonly length: number
  readonly stampAt: number
}

export class Writer {
  readonly #context: LoadContext
  readonly #times: RecordableHistogram
  readonly #classChanges: number
  /** Random bytes. New contents are copied from a random offset in it. */
  readonly #noise = new Uint8Array(2 * BLOCK_MAX)
  readonly #buffer = new Uint8Array(2 * BLOCK_MAX)

  /** `classChanges` is the share of the writes, 0 to 1, that mark a block with a class other than its own. */
  constructor(context: LoadContext, times: RecordableHistogram, classChanges: number) {
    this.#context = context
    this.#times = times
    this.#classChanges = classChanges
    context.random.fill(this.#noise)
  }

  access(target: Target): void {
    const { random } = this.#context
    const { blockSize } = target.partition
    const lot = random.below(16)
    if (lot < 4) this.#change(target, 'modify', this.#wholeOf(blockSize))
    else if (lot < 9) this.#change(target, 'modify', this.#rangeOf(blockSize))
    else if (lot < 12) this.#change(target, 'overwrite', this.#wholeOf(blockSize))
    else if (lot < 14) this.#writeBytes(target)
    else this.#discard(target)
  }

  #change(target: Target, mode: 'modify' | 'overwrite', change: Change): void {
    const { truth } = this.#context
    const { partition, index, block } = target
    this.#withGuard(target, mode, change, (guard) => {
      if (this.#giveWay(target)) return
      const { data } = guard
      // The data of an overwrite may be zeros if the block was not cached.
      if (mode === 'modify' && !truth.holds(index, block, data))
        this.#context.wrong(target, data, 'modify guard')
      const stamp = this.#stamp(target)
      data.set(this.#someNoise(change.length), change.start)
      writeStamp(data, change.stampAt, stamp)
      guard.markDirty(this.#classOf(block))
      truth.set(index, block, data, stamp)
      this.#context.count('bytesWritten', change.length === partition.blockSize ? partition.blockSize : change.length) // prettier-ignore
    })
  }

  /** Discards a half-made change. The block must then have its old contents. */
  #discard(target: Target): void {
    const { truth, random } = this.#context
    const { partition, index, block } = target
    const mode = random.below(2) === 0 ? 'modify' : 'overwrite'
    const change = random.below(2) === 0 ? this.#rangeOf(partition.blockSize) : this.#wholeOf(partition.blockSize) // prettier-ignore
    this.#withGuard(target, mode, change, (guard) => {
      guard.data.set(this.#someNoise(Math.ceil(change.length / 2)), change.start)
      if (random.below(2) === 0) guard.markDirty(this.#classOf(block))
      if (random.below(SLOW_DISCARD) === 0) this.#context.doze(random.below(SLOW_MS) + 1)
      guard.discard()
    })
    this.#context.count('discards')
    // tryAcquire does not count as a miss if the block is no longer cached.
    const guard = partition.tryAcquire(block, 'read')
    if (guard === undefined) return
    try {
      this.#context.count('repeated')
      if (!truth.holds(index, block, guard.data))
        this.#context.wrong(target, guard.data, 'read guard after discard')
    } finally {
      guard.release()
    }
  }

  /** Writes bytes without a guard: announces them under a guard, writes, settles. In one block or across a boundary. */
  #writeBytes(target: Target): void {
    const { random, truth, mayCross } = this.#context
    const { partition, block, index } = target
    const { blockSize } = partition
    const source = this.#buffer.subarray(0, 2 * blockSize)
    const mayBoth = mayCross && block + 1 < partition.blocks && random.below(2) === 0
    // `source` holds the images of this block and the next one, so that the bytes to write are contiguous in it.
    const tail = STAMP_BYTES + random.below(blockSize - STAMP_BYTES + 1)
    const change = mayBoth
      ? { start: blockSize - tail, length: tail, stampAt: blockSize - STAMP_BYTES }
      : this.#rangeOf(blockSize)
    const stamp = this.#announce(target, change, source.subarray(0, blockSize))
    if (stamp === undefined) return
    const next = { partition, index, block: block + 1 }
    const head = { start: 0, length: STAMP_BYTES + random.below(blockSize - STAMP_BYTES + 1), stampAt: 0 }
    const nextStamp = mayBoth ? this.#announce(next, head, source.subarray(blockSize)) : undefined
    const length = change.length + (nextStamp === undefined ? 0 : head.length)

    const startMs = performance.now()
    partition.writeSync(
      source.subarray(change.start, change.start + length),
      block * blockSize + change.start,
      this.#classOf(block),
    )
    record(this.#times, performance.now() - startMs)
    truth.settle(index, block, stamp)
    if (nextStamp !== undefined) truth.settle(index, block + 1, nextStamp)
    this.#context.count('bytesWritten', length)
  }

  /** Puts the block's future contents into `image`. Returns undefined if another thread has announced a write. */
  #announce(target: Target, change: Change, image: Uint8Array): Stamp | undefined {
    const { truth, thread } = this.#context
    const { partition, index, block } = target
    const guard = partition.acquireSync(block, 'modify')
    try {
      if (this.#giveWay(target)) return undefined
      if (!truth.holds(index, block, guard.data))
        this.#context.wrong(target, guard.data, 'modify guard that changes nothing')
      const stamp = this.#stamp(target)
      image.set(guard.data)
      image.set(this.#someNoise(change.length), change.start)
      writeStamp(image, change.stampAt, stamp)
      truth.announce(index, block, image, thread)
      this.#context.count('repeated')
      return stamp
    } finally {
      guard.release()
    }
  }

  /** Whether a byte-range write of another thread is in progress; the block must not be changed then. */
  #giveWay({ index, block }: Target): boolean {
    if (!this.#context.truth.isAnnounced(index, block)) return false
    this.#context.count('gaveWay')
    return true
  }

  #withGuard(
    { partition, block }: Target,
    mode: 'modify' | 'overwrite',
    range: AcquireOptions,
    work: (guard: BlockGuard) => void,
  ): void {
    const startMs = performance.now()
    using guard = partition.acquireSync(block, mode, mode === 'modify' ? range : undefined)
    const heldMs = performance.now()
    try {
      work(guard)
    } catch (error) {
      guard.discard()
      throw error
    }
    const endMs = performance.now()
    guard[Symbol.dispose]()
    record(this.#times, heldMs - startMs + (performance.now() - endMs))
  }

  #stamp({ index, block }: Target): Stamp {
    const { truth, thread } = this.#context
    return { partition: index, block, version: truth.version(index, block) + 1, thread, atMs: Date.now() }
  }

  #wholeOf(blockSize: number): Change {
    return { start: 0, length: blockSize, stampAt: this.#somePlace(blockSize) }
  }

  /** A range that begins and ends at any byte and contains an aligned stamp. */
  #rangeOf(blockSize: number): Change {
    const { random } = this.#context
    const stampAt = this.#somePlace(blockSize)
    const start = stampAt - random.below(Math.min(stampAt, 300) + 1)
    const stampEnd = stampAt + STAMP_BYTES
    const end = stampEnd + random.below(Math.min(blockSize - stampEnd, 300) + 1)
    return { start, length: end - start, stampAt }
  }

  #somePlace(blockSize: number): number {
    return this.#context.random.below(blockSize / STAMP_BYTES) * STAMP_BYTES
  }

  #someNoise(length: number): Uint8Array {
    const start = this.#context.random.below(this.#noise.length - length + 1)
    return this.#noise.subarray(start, start + length)
  }

  /**
   * The class for a change of the block. Each block has a class of its own, as in a real store. With `--class-changes` some
   * changes have another class; if the block has an unwritten change of its own class, such a change waits for a round.
   */
  #classOf(block: number): string {
    const { random } = this.#context
    if (this.#classChanges === 0 || random.unit() >= this.#classChanges)
      return CLASSES[block % CLASSES.length]!
    this.#context.count('classChanges')
    return CLASSES[(block + 1 + random.below(CLASSES.length - 1)) % CLASSES.length]!
  }
}
