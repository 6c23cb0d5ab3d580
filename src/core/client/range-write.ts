/**
 * `write` and `writeSync` on a partition: block by block, each one whole. A block that is cached and free is written without a
 * guard (blocks/write-now.ts); any other is acquired first.
 */
import { runSync, type Slow } from '../../shared/wait.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { BlockGuard, Mode } from '../../shared/interface.js'
import type { WaitOptions } from '../../shared/options.js'
import { keyHighOf } from '../../shared/key.js'
import { PartitionCounter } from '../../shared/counter-words.js'
import type { ReadAhead } from '../blocks/read-ahead.js'
import { writeNow } from '../blocks/write-now.js'
import type { Range } from '../changes/undo.js'
import type { Context, PartitionView } from '../context.js'
import { BREATH, type Breath } from './breath.js'
import { assertTimeout } from './call-options.js'
import { classNumber } from './guard.js'
import type { HitPath } from './guard-owner.js'
import { How } from './how.js'
import { assertBytes, pieces } from './ranges.js'

/** Acquires one block of the range. */
type Acquire = (block: number, mode: Mode, range: Range | undefined) => Slow<BlockGuard>

/** The writes of one thread to one partition. */
export class RangeWrites {
  readonly #context: Context
  readonly #view: PartitionView
  readonly #hits: HitPath
  readonly #ahead: ReadAhead
  /** The upper key word of blocks below 2^32. */
  readonly #keyHigh: number

  constructor(context: Context, view: PartitionView, hits: HitPath, ahead: ReadAhead) {
    this.#context = context
    this.#view = view
    this.#hits = hits
    this.#ahead = ahead
    this.#keyHigh = keyHighOf(view.index, 0)
  }

  /**
   * Writes a range that lies in one block, if nothing has to be waited for; else returns false, having written nothing.
   * @throws ERR_DCACHE_OUT_OF_RANGE, ERR_DCACHE_BAD_OPTION, ERR_DCACHE_UNKNOWN_CLASS
   */
  oneNow(source: Uint8Array, position: number, writeClass?: string, wait?: WaitOptions): boolean {
    const { blockSize } = this.#view
    assertBytes(this.#view, source, position)
    if (wait?.timeoutMs !== undefined) assertTimeout(wait.timeoutMs)
    const block = Math.floor(position / blockSize)
    const start = position - block * blockSize
    if (source.length === 0 || start + source.length > blockSize) return false
    return this.#now(source, block, start, classNumber(this.#context, writeClass), How.SYNC)
  }

  /** Writes any range. @throws what oneNow throws, and what `acquire` throws: the blocks before that one are written then */
  *all(
    source: Uint8Array,
    position: number,
    writeClass: string | undefined,
    sync: number,
    acquire: Acquire,
    breath?: Breath,
  ): Slow<void> {
    const { blockSize } = this.#view
    assertBytes(this.#view, source, position)
    const number = classNumber(this.#context, writeClass)
    for (const { block, start, length, at } of pieces(blockSize, position, source.length)) {
      if (breath?.isDue(at) === true) yield BREATH
      const bytes = source.subarray(at, at + length)
      if (this.#now(bytes, block, start, number, sync)) continue
      const isWhole = length === blockSize
      const guard = yield* acquire(
        block,
        isWhole ? 'overwrite' : 'modify',
        isWhole ? undefined : { start, length },
      )
      try {
        guard.bytes.set(bytes, guard.offset + start)
        guard.markDirty(writeClass)
      } catch (error) {
        guard.discard() // the caller's buffer was transferred in the meantime
        throw error
      }
      guard.release()
    }
  }

  /** As `all`, for a call that blocks its thread. */
  allSync(source: Uint8Array, position: number, writeClass: string | undefined, acquire: Acquire): void {
    runSync(this.all(source, position, writeClass, How.SYNC, acquire), this.#context.mayBlock)
  }

  /** Writes into one block without a guard; false if that is not possible now. Calls that are traced make guards. */
  #now(source: Uint8Array, block: number, start: number, writeClass: number, sync: number): boolean {
    const context = this.#context
    const { slot } = context
    if (context.tracesBlocks || slot.isFull) return false
    const { index, blockSize } = this.#view
    const keyHigh = block < 2 ** 32 ? this.#keyHigh : keyHighOf(index, block)
    const maySleep = sync !== 0 && context.mayBlock
    // The entry tells the owner, which may be closing the cache, that a change is under way.
    const entry = slot.takeEntry()
    let frame: FrameIndex
    try {
      frame = writeNow(context, this.#view, keyHigh, block | 0, source, start, writeClass, maySleep)
    } finally {
      slot.returnEntry(entry)
    }
    if (frame < 0) return false
    this.#hits.used(this.#view, frame)
    this.#view.count(PartitionCounter.writes)
    if (source.length === blockSize) this.#view.count(PartitionCounter.overwrites)
    if (block === this.#ahead.marker) this.#ahead.reached()
    return true
  }
}
