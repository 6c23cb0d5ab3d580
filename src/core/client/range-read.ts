/**
 * Reading a range of bytes. Cached blocks are copied. Absent ones are filled in runs of neighbours, each by one call of the
 * device, and copied before any other thread can enter them. All other blocks are read through a guard, one at a time.
 */
import { performance } from 'node:perf_hooks'
import { CacheError } from '../../shared/errors.js'
import type { BlockGuard } from '../../shared/interface.js'
import { keyLowOf, keyHighOf } from '../../shared/key.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Slow } from '../../shared/wait.js'
import { BREATH, type Breath } from './breath.js'
import { type Context, leave, type PartitionView, assertAllLatched } from '../context.js'
import type { HitPath } from './guard-owner.js'
import { countMisses, helpReader, fill, fillSync, takeRun } from '../blocks/fill.js'
import { Purpose } from '../blocks/victims.js'
import type { MissPath } from '../blocks/miss-path.js'
import { type Piece, pieceAt } from './ranges.js'
import type { ReadAhead } from '../blocks/read-ahead.js'
import { Counter } from '../../shared/counter-words.js'

export class RangeRead {
  readonly #context: Context
  readonly #partition: PartitionView
  readonly #hits: HitPath
  readonly #misses: MissPath
  readonly #ahead: ReadAhead
  readonly #target: Uint8Array
  readonly #position: number
  /** The length at the time of the call: a target that is transferred in the meantime has length 0. */
  readonly #length: number
  /** Number of bytes copied so far. */
  #done = 0

  constructor(
    context: Context,
    partition: PartitionView,
    hits: HitPath,
    misses: MissPath,
    ahead: ReadAhead,
    target: Uint8Array,
    position: number,
  ) {
    this.#context = context
    this.#partition = partition
    this.#hits = hits
    this.#misses = misses
    this.#ahead = ahead
    this.#target = target
    this.#length = target.length
    this.#position = position
  }

  /**
   * Reads as far as possible without waiting for another thread; returns whether that was the whole range. Reads from the
   * disk.
   * @requires a thread that may block
   */
  runNow(): boolean {
    while (this.#done < this.#length) {
      const piece = this.#piece()
      if (this.#copies(piece)) continue
      const startMs = performance.now()
      const frames = this.#takeRun(piece.block)
      if (frames.length === 0) {
        helpReader(this.#context, this.#misses, this.#partition, this.#ahead, piece.block)
        return false
      }
      try {
        fillSync(this.#context, this.#partition, piece.block, frames, startMs)
        this.#copyRun(frames, startMs)
      } catch (error) {
        // If one of several blocks is bad, the others can still be read: fall back to one at a time.
        if (frames.length > 1 && isReadFailure(error)) return false
        throw error
      } finally {
        for (const frame of frames) leave(this.#context, frame)
      }
    }
    return true
  }

  /**
   * Reads the rest of the range. `guardOf` acquires a block that has to be waited for; if `isSeveral` is false, also every
   * absent block. With `breath`, the event loop runs from time to time.
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
        yield* fill(context, this.#partition, block, frames, startMs)
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

  /** Copies the piece without a latch, if its block is cached. */
  #copies(piece: Piece): boolean {
    const { block, length } = piece
    const keyHigh = keyHighOf(this.#partition.index, block)
    if (!this.#hits.copy(this.#partition, keyHigh, keyLowOf(block), piece, this.#target)) return false
    if (block === this.#ahead.marker) this.#ahead.reached()
    this.#done += length
    return true
  }

  /** Latches the absent blocks from this one on that one read can fill; in a sequential read, also some behind the range. */
  #takeRun(block: number): FrameIndex[] {
    const context = this.#context
    const end = Math.ceil((this.#position + this.#length) / this.#partition.blockSize)
    const frames = takeRun(context, this.#misses, this.#partition, block, end - block)
    if (frames.length === 0) return frames
    const behind = this.#ahead.missed(block, frames.length) - frames.length
    if (behind > 0 && block + frames.length === end)
      frames.push(...takeRun(context, this.#misses, this.#partition, end, behind, Purpose.AHEAD))
    return frames
  }

  /**
   * Copies the part of a run that is in the range, and counts it.
   * @requires the frames' latches, and their contents
   */
  #copyRun(frames: readonly FrameIndex[], startMs: number): void {
    assertAllLatched(this.#context, frames)
    let count = 0
    for (const frame of frames) {
      if (this.#done === this.#length) break
      const { start, length, at } = this.#piece()
      const bytes = this.#context.view(this.#partition, frame)
      this.#target.set(length === bytes.length ? bytes : bytes.subarray(start, start + length), at)
      this.#done += length
      count++
    }
    countMisses(this.#context, this.#partition, count, startMs)
    this.#context.slot.count(Counter.prefetched, frames.length - count)
  }
}

const isReadFailure = (error: unknown): boolean =>
  error instanceof CacheError && error.code === 'ERR_DCACHE_READ_FAILED'
