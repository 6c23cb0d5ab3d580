/**
 * Takes the blocks of one partition that a round needs, in runs of neighbouring blocks, to a sink, which writes them. Used by
 * writers (writer.ts) and by a thread that leads a round (leader.ts). For every block it takes the image that the round needs:
 *
 *   the frame itself, pinned         if it is not latched and its image is the one to write: no mutex is needed. Of a block that was
 *                                    changed again since the cut, a copy, so that the next change need not wait for the write
 *
 * else, under the round mutex:
 *
 *   a saved image                    a spare that no thread changes until the stage is over
 *   else CHANGING                    a copy of the undo image, marked TAKEN: the block as of its last release
 *   latched, but not yet CHANGING    a thread is copying the image at this moment: another block first
 *   CHANGING without an undo image   a thread is copying the new bytes: the same
 *
 * The sink is called outside of the mutex, and nothing here waits for a client. It makes nothing clean: the flush worker does that
 * after the fsync.
 */
import { add, compareExchange, load } from '#atomics'
import { tryPinPastMarks } from '../../shared/latch.js'
import { epochOf, isAfter, isUnwritten } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { TRACE } from '../../shared/trace.js'
import type { Slow } from '../../shared/wait.js'
import { unpinFrame } from '../blocks/hit.js'
import { blockOf, type Context, partitionOf, type PartitionView } from '../context.js'
import { spareData } from '../changes/spares.js'
import { imageToWrite } from '../changes/to-write.js'
import { lockRound, unlockRound } from '../changes/rounds.js'
import { WhileRunning } from '../wait/watch.js'
import { Frame, Group, Journal, Spare, State, Undo } from '../../shared/words.js'

/** Returned instead of bytes while a thread is copying the image. */
const BUSY = new Uint8Array()

/** Milliseconds until a block is tried again whose latch is held only while an image is copied. */
const BUSY_MS = 1

/** Where the images of a partition go: its file (partition-sink.ts), or a record of its group's journal (record-writer.ts). */
export interface ImageSink {
  /** Takes images of neighbouring blocks, which are valid during the call. @throws DeviceFailure */
  put(images: readonly Uint8Array[], first: number): void
}

/** What is used to write. One object for all partitions that a thread writes, one after the other. */
export interface WriteMeans {
  /** The longest write, in bytes. A write also has at most as many blocks as there are entries. */
  readonly writeBytes: number
  /** Journal entries, one for each block of a write; at least one whenever a job is done. */
  readonly entries: readonly number[]
  /** Memory for copies of hot blocks; undefined until it is first needed. */
  staging: Buffer | undefined
}

export class ImageWriter {
  readonly #context: Context
  readonly partition: PartitionView
  readonly #groupAt: number
  readonly #sink: ImageSink
  readonly #means: WriteMeans
  /** The most blocks of a write. */
  readonly #most: number
  /** The frames of the current run. */
  readonly #run: FrameIndex[] = []
  /** The cut of the round for which it writes. */
  #cut = 0

  constructor(context: Context, partition: PartitionView, means: WriteMeans, sink: ImageSink) {
    this.#context = context
    this.partition = partition
    this.#groupAt = context.arena.groupAt(partition.group)
    this.#sink = sink
    this.#means = means
    this.#most = Math.max(1, Math.floor(means.writeBytes / partition.blockSize))
  }

  /** Writes the images that a round with this cut needs of these frames, in runs of neighbouring blocks. @throws DeviceFailure */
  *writeAll(frames: Int32Array, cut: number): Slow<void> {
    this.#cut = cut
    const context = this.#context
    const { words, arena } = context
    for (let left = frames; ;) {
      const busy: FrameIndex[] = []
      for (let next = 0; next < left.length;) next = yield* this.#writeRun(left, next, busy)
      if (busy.length === 0) return
      if (busy.length === left.length) {
        context.assertRunning()
        const latchAt = arena.frameAt(busy[0]!) + Frame.latch
        yield { kind: 'wait', words, at: latchAt, value: load(words, latchAt), timeoutMs: BUSY_MS }
      }
      left = Int32Array.from(busy)
    }
  }

  /**
   * Writes the images of neighbouring blocks from `start` on, and returns where the next run begins. Blocks whose image a
   * thread is copying are added to `busy`.
   */
  *#writeRun(frames: Int32Array, start: number, busy: FrameIndex[]): Slow<number> {
    const context = this.#context
    const { group, index } = this.partition
    const run = this.#run
    // A new list for each run: one that was passed to the system must not be reused.
    const sources: Uint8Array[] = []
    let first = -1
    let next = start
    try {
      for (
        ;
        next < frames.length && sources.length < Math.min(this.#most, this.#means.entries.length);
        next++
      ) {
        const frame = frames[next]!
        const block = blockOf(context.words, context.arena.frameAt(frame))
        if (sources.length === 0) first = block
        else if (block !== first + sources.length) break
        run[sources.length] = frame
        const entry = this.#means.entries[sources.length]!
        let bytes = this.#pinned(frame, block, entry)
        if (bytes === undefined) {
          yield* lockRound(context, group, new WhileRunning(context))
          bytes = this.#image(frame, block, entry)
          unlockRound(context, group)
        }
        if (context.words[entry] !== Journal.FREE && this.#isHot(frame))
          bytes = this.#staged(frame, entry, sources.length)
        if (bytes === BUSY) busy.push(frame)
        else if (bytes !== undefined) sources.push(bytes)
      }
      if (sources.length > 0) {
        this.#sink.put(sources, first)
      }
    } finally {
      for (let i = 0; i < sources.length; i++) {
        const entry = this.#means.entries[i]!
        if (context.words[entry] !== Journal.FREE) unpinFrame(context, run[i]!, entry)
      }
    }
    const count = sources.length
    if (context.tracesBlocks)
      for (let i = 0; i < count; i++) context.tracer.record(TRACE['work.write'], index, first + i, run[i]!)
    add(context.words, this.#groupAt + Group.written, count)
    return next
  }

  /**
   * Whether the block was changed again since the cut: the next change may come at any moment, and should not wait for the write
   * of a whole run. @requires a pin of the frame
   */
  #isHot(frame: FrameIndex): boolean {
    const { words, arena } = this.#context
    const stamp = load(words, arena.frameAt(frame) + Frame.state)
    return isAfter(epochOf(stamp), this.#cut)
  }

  /** A copy of a pinned frame, at a place in the run. Releases the pin. */
  #staged(frame: FrameIndex, entry: number, place: number): Uint8Array {
    const { blockSize } = this.partition
    const staging = (this.#means.staging ??= Buffer.allocUnsafeSlow(
      Math.max(this.#means.writeBytes, this.#context.arena.geometry.frameSize),
    ))
    const start = place * blockSize
    staging.fill(this.#context.view(this.partition, frame), start, start + blockSize)
    unpinFrame(this.#context, frame, entry)
    return staging.subarray(start, start + blockSize)
  }

  /**
   * Pins a frame under `entry` and returns its bytes, if they are the image that the round needs; else returns undefined.
   * Needs no mutex: while the frame is pinned, no thread can change it, its stamp or its images, except the flush worker, which
   * waits for this job.
   */
  #pinned(frame: FrameIndex, block: number, entry: number): Uint8Array | undefined {
    const { words, arena } = this.#context
    const at = arena.frameAt(frame)
    words[entry] = (frame << 2) | Journal.TAKING
    if (!tryPinPastMarks(words, at + Frame.latch)) {
      words[entry] = Journal.FREE
      return undefined
    }
    words[entry] = (frame << 2) | Journal.HELD
    if (this.#ownsImage(frame, block)) return this.#context.view(this.partition, frame)
    unpinFrame(this.#context, frame, entry)
    return undefined
  }

  /**
   * The image of a frame that the round needs, whether or not the frame is latched; BUSY if it is not available now,
   * undefined if there is none.
   * @requires round mutex
   */
  #image(frame: FrameIndex, block: number, entry: number): Uint8Array | undefined {
    this.#context.roundMutexes[this.partition.group]!.assertHeld(this.#context.slot.index)
    if (!this.#isOf(frame, block)) return undefined
    const image = imageToWrite(this.#context, frame, this.#cut)
    if (image === undefined) return undefined
    if (image.link !== 0) return this.#spareBytes(image.link - 1)
    return this.#takeUndo(frame) ?? this.#pinned(frame, block, entry) ?? BUSY
  }

  /**
   * A copy of the undo image of a block that is CHANGING; BUSY if its change needs none and is being copied; undefined if the
   * block is not CHANGING. TAKEN makes the change end under the mutex, so that the spare is not used again during the copy.
   * @requires round mutex
   */
  #takeUndo(frame: FrameIndex): Uint8Array | undefined {
    const { words, arena } = this.#context
    const at = arena.frameAt(frame)
    for (;;) {
      const state = load(words, at + Frame.state)
      if ((state & State.CHANGING) === 0) return undefined
      if (words[at + Frame.undo] === Undo.INTENT) return BUSY
      if (compareExchange(words, at + Frame.state, state, state | State.TAKEN) === state)
        return this.#undoBytes(frame)
    }
  }

  /**
   * Whether the frame's own image is the one to write. An image after the cut may be that of another block: the planned one was
   * forgotten, and the frame used again.
   * @requires a pin of the frame
   */
  #ownsImage(frame: FrameIndex, block: number): boolean {
    const { words, arena } = this.#context
    const state = load(words, arena.frameAt(frame) + Frame.state)
    if (isUnwritten(state, this.#cut)) return true
    return this.#isOf(frame, block) && imageToWrite(this.#context, frame, this.#cut)?.link === 0
  }

  /** Whether the frame has this block of the writer's partition. */
  #isOf(frame: FrameIndex, block: number): boolean {
    const { words, arena } = this.#context
    const at = arena.frameAt(frame)
    return partitionOf(words, at) === this.partition.index && blockOf(words, at) === block
  }

  #spareBytes(spare: number): Uint8Array {
    const { arena } = this.#context
    const start = arena.offset(spareData(this.#context, spare))
    return arena.segment(spareData(this.#context, spare)).subarray(start, start + this.partition.blockSize)
  }

  /**
   * A copy of the undo image, as a whole block. That of a declared range is completed with the bytes around it, which do not
   * change while the block is latched. It is copied under the mutex, under which the change ends: after that the next change
   * may take the spare. Costs a copy of each block that is held during the round.
   * @requires round mutex, TAKEN
   */
  #undoBytes(frame: FrameIndex): Uint8Array {
    const { words, arena } = this.#context
    const spare = words[arena.frameAt(frame) + Frame.undo]! - 1
    const start = words[arena.spareAt(spare) + Spare.start]!
    const length = words[arena.spareAt(spare) + Spare.length]!
    if (length >= this.partition.blockSize) return new Uint8Array(this.#spareBytes(spare))
    const whole = new Uint8Array(this.#context.view(this.partition, frame))
    whole.set(this.#spareBytes(spare).subarray(start, start + length), start)
    return whole
  }
}
