/**
 * Reading a range of bytes: cached blocks are copied, absent ones loaded in runs of neighbours, each by one call of the
 * device, and copied before anybody else gets in. The other blocks are read by a guard, one by one.
 */
import { performance } from 'node:perf_hooks'
import { CacheError } from '../../shared/errors.js'
import type { BlockGuard } from '../../shared/interface.js'
import { keyLowOf, keyHighOf } from '../../shared/key.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Slow } from '../../shared/wait.js'
import { BREATH, type Breath } from './breath.js'
import { type Context, leave, type PartitionView } from '../context.js'
import type { HitPath } from './guard-owner.js'
import { countMisses, helpReader, fill, fillSync, takeRun } from '../blocks/fill.js'
import { type Piece, pieceAt } from './ranges.js'
import type { ReadAhead } from '../blocks/read-ahead.js'
import { Counter } from '../../shared/words.js'

export class RangeRead {
  readonly #context: Context
  readonly #partition: PartitionView
  readonly #hits: HitPath
  readonly #ahead: ReadAhead
  readonly #target: Uint8Array
  readonly #position: number
  /** At the call: a target that is transferred in the meantime has none. */
  readonly #length: number
  /** How many bytes are there. */
  #done = 0

  constructor(
    context: Context,
    partition: PartitionView,
    hits: HitPath,
    ahead: ReadAhead,
    target: Uint8Array,
    position: number,
  ) {
    this.#context = context
    this.#partition = partition
    this.#hits = hits
    this.#ahead = ahead
    this.#target = target
    this.#length = target.length
    this.#position = position
  }

  /**
   * Reads as far as nobody has to be waited for; true if that is all of it.
   * @requires a thread that may block
   */
  runNow(): boolean {
    while (this.#done < this.#length) {
      const piece = this.#piece()
      if (this.#copies(piece)) continue
      const startMs = performance.now()
      const frames = this.#takeRun(piece.block)
      if (frames.length === 0) {
        helpReader(this.#context, this.#partition, this.#ahead, piece.block)
        return false
      }
      try {
        fillSync(this.#context, this.#partition, piece.block, frames)
        this.#copyRun(frames, startMs)
      } catch (error) {
        // One of several may be the only bad one: they are tried one by one.
        if (frames.length > 1 && isReadFailure(error)) return false
        throw error
      } finally {
        for (const frame of frames) leave(this.#context, frame)
      }
    }
    return true
  }

  /**
   * Reads what is left. `guardOf` gets a block that has to be waited for; without `isSeveral` every absent one. With `breath`
   * the event loop has its turn now and then.
   */
  *run(isSeveral: boolean, guardOf: (block: number) => Slow<BlockGuard>, breath?: Breath): Slow<void> {
    const context = this.#context
    let oneByOneTo = 0
    while (this.#done < this.#length) {
      if (breath?.isDue(this.#done) === true) yield BREATH
      const piece = this.#piece()
      const { block, start, length, at } = piece
      if (this.#copies(piece)) continue
      const startMs = performance.now()
      const frames = isSeveral && block >= oneByOneTo ? this.#takeRun(block) : []
      if (frames.length === 0) {
        const guard = yield* guardOf(block)
        try {
          const from = guard.offset + start
          this.#target.set(guard.bytes.subarray(from, from + length), at)
        } finally {
          guard.release()
        }
        this.#done += length
        continue
      }
      try {
        yield* fill(context, this.#partition, block, frames)
        this.#copyRun(frames, startMs)
      } catch (error) {
        if (frames.length === 1 || !isReadFailure(error)) throw error
        oneByOneTo = block + frames.length
        continue
      } finally {
        for (const frame of frames) leave(context, frame)
      }
    }
  }

  #piece(): Piece {
    return pieceAt(this.#partition.blockSize, this.#position, this.#length, this.#done)
  }

  /** The piece without a latch, if its block is there. */
  #copies(piece: Piece): boolean {
    const { block, length } = piece
    const keyHigh = keyHighOf(this.#partition.index, block)
    if (!this.#hits.copy(keyHigh, keyLowOf(block), piece, this.#target)) return false
    if (block === this.#ahead.marker) this.#ahead.reached()
    this.#done += length
    return true
  }

  /** The absent blocks from this one on, as many as can be read at once; in a sequence also of those behind the range. */
  #takeRun(block: number): FrameIndex[] {
    const context = this.#context
    const end = Math.ceil((this.#position + this.#length) / this.#partition.blockSize)
    const frames = takeRun(context, this.#partition, block, end - block)
    if (frames.length === 0) return frames
    const behind = this.#ahead.missed(block, frames.length) - frames.length
    if (behind > 0 && block + frames.length === end)
      frames.push(...takeRun(context, this.#partition, end, behind, true))
    return frames
  }

  /**
   * Copies what the range has of a run, and counts it.
   * @requires the frames' latches, and their contents
   */
  #copyRun(frames: readonly FrameIndex[], startMs: number): void {
    let count = 0
    for (const frame of frames) {
      if (this.#done === this.#length) break
      const { start, length, at } = this.#piece()
      const bytes = this.#context.view(this.#partition, frame)
      this.#target.set(length === bytes.length ? bytes : bytes.subarray(start, start + length), at)
      this.#done += length
      count++
    }
    countMisses(this.#context, count, startMs)
    this.#context.slot.count(Counter.prefetched, frames.length - count)
  }
}

const isReadFailure = (error: unknown): boolean =>
  error instanceof CacheError && error.code === 'ERR_DCACHE_READ_FAILED'
