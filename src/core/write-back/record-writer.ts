/**
 * Writes the record of a cut to the journal of its group, and syncs it (core/journal/record.ts has the format). The images are taken
 * as for a write in place (image-writer.ts), copied to a window of the record, and written from there:
 *
 *   a record that fits into the window     one write of all of it
 *   a larger one                           a write of each window, in the order of the blocks; then one of the header
 *
 * One sync follows. The header has the checksums of all images, so the order of the writes does not matter. Costs one copy and one
 * checksum of each image. Called by a writer, or by a thread that leads a round; one of them at a time.
 */
import { performance } from 'node:perf_hooks'
import { add, load } from '#atomics'
import { GroupCounter } from '../../shared/counter-words.js'
import { addTime } from '../../shared/histogram.js'
import { halfAt } from '../journal/file-header.js'
import { placeUnderWay } from '../journal/place.js'
import { checksumOf, encodeHeader, type RecordContents, type RecordPlace } from '../journal/record.js'
import { JOURNAL_PAGE, toPages } from '../../shared/journal-size.js'
import type { Slow } from '../../shared/wait.js'
import { type Context, type JournalView, partitionOf } from '../context.js'
import { spanEnd, spanStart } from '../spans.js'
import { DeviceFailure } from './device-failure.js'
import { ImageWriter, type WriteMeans } from './image-writer.js'
import type { WriteDevice } from './partition-sink.js'
import { contentsOf } from './record-cut.js'
import { Group, Syscall } from '../../shared/words.js'

export class RecordWriter {
  readonly #context: Context
  readonly #means: WriteMeans
  readonly #counted: (device: WriteDevice) => WriteDevice
  /** The window, allocated when it is first needed. */
  #memory = Buffer.alloc(0)

  /** `counted` wraps the journal's device, if calls have to be counted. */
  constructor(context: Context, means: WriteMeans, counted = (device: WriteDevice) => device) {
    this.#context = context
    this.#means = means
    this.#counted = counted
  }

  /** Writes and syncs the record that is under way in a group. `contents`: if they are known. @throws DeviceFailure */
  *write(
    group: number,
    frames: Int32Array,
    cut: number,
    contents = contentsOf(this.#context, frames),
  ): Slow<void> {
    const context = this.#context
    const journal = context.journals[group]!
    const { headerBytes, bytes } = contents.plan
    const longest = headerBytes + toPages(Math.max(this.#means.writeBytes, context.arena.geometry.frameSize))
    const size = Math.min(longest, toPages(bytes)) + JOURNAL_PAGE
    if (this.#memory.length < size) this.#memory = Buffer.allocUnsafeSlow(size)
    const device = this.#counted(journal.device)
    const record = new OpenRecord(context, group, contents, device, this.#memory.subarray(0, size))
    const { words, arena } = context
    const startMs = spanStart(context)
    try {
      for (let start = 0; start < frames.length;) {
        const partition = partitionOf(words, arena.frameAt(frames[start]!))
        let end = start + 1
        while (contents.keys.partitions[end] === contents.keys.partitions[start]) end++
        record.begin(start, end)
        const view = context.partitions.at(partition)
        yield* new ImageWriter(context, view, this.#means, record).writeAll(frames.subarray(start, end), cut)
        start = end
      }
      record.finish()
    } finally {
      spanEnd(context, 'journal.write', startMs, group, frames.length, bytes)
    }
  }
}

/** A record that is being written. */
class OpenRecord {
  readonly #context: Context
  readonly #group: number
  readonly #contents: RecordContents
  readonly #journal: JournalView
  readonly #device: WriteDevice
  readonly #place: RecordPlace
  readonly #window: Buffer
  readonly #checksums: Uint32Array
  /** Which part of the record the window has. At first it begins with room for the header. */
  #start = 0
  #end: number
  /** Where the last of the images that have come ends: nothing was written behind it. */
  #farthest: number
  /** The keys of the partition whose images come now. */
  #first = 0
  #last = 0
  /** How many images have come. */
  #count = 0

  constructor(
    context: Context,
    group: number,
    contents: RecordContents,
    device: WriteDevice,
    window: Buffer,
  ) {
    this.#context = context
    this.#group = group
    this.#contents = contents
    this.#journal = context.journals[group]!
    this.#device = device
    this.#place = placeUnderWay(context, group)
    this.#window = window
    this.#checksums = new Uint32Array(contents.keys.blocks.length)
    this.#end = this.#farthest = contents.plan.headerBytes
  }

  /** The next images are those of the keys `first` up to `last`, without `last`. */
  begin(first: number, last: number): void {
    this.#first = first
    this.#last = last
  }

  put(images: readonly Uint8Array[], block: number): void {
    let i = this.#find(block)
    for (const image of images) {
      this.#append(i, image)
      this.#count++
      i++
    }
  }

  /** Writes what is left, and the header; then syncs. @throws DeviceFailure */
  finish(): void {
    // A block of a cut stays in the cache until its round is over (blocks/forget.ts).
    if (this.#count !== this.#checksums.length) throw new Error('contract: a block of the record is gone')
    const { plan } = this.#contents
    const isWhole = this.#start === 0
    const header = isWhole ? this.#window.subarray(0, plan.headerBytes) : Buffer.alloc(plan.headerBytes)
    encodeHeader(header, this.#journal.id, this.#place, this.#contents, this.#checksums)
    // The last page is written whole: the system would have to read it for a part.
    const end = this.#end === plan.bytes ? toPages(plan.bytes) : this.#end
    this.#window.fill(0, this.#end - this.#start, end - this.#start)
    this.#flush(0, end)
    if (!isWhole) this.#write(header, 0)
    const startMs = performance.now()
    this.#call(Syscall.RECORD_FSYNC, () => {
      this.#device.syncSync()
    })
    const { arena, words } = this.#context
    addTime(words, arena.recordLatencyAt(this.#group), performance.now() - startMs)
  }

  /** The key of a block of this partition: they are sorted. */
  #find(block: number): number {
    const { blocks } = this.#contents.keys
    let [low, high] = [this.#first, this.#last - 1]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (blocks[middle]! < block) low = middle + 1
      else high = middle
    }
    return low
  }

  /**
   * Copies an image to its place in the window. If the window does not have that place, it is written first, and moved. An image that
   * was skipped, because a thread is copying it, comes later: its place has zeros until then. Between two of those that come later
   * there may be images that were written already, so the window has no place for both.
   */
  #append(i: number, image: Uint8Array): void {
    const { positions, headerBytes } = this.#contents.plan
    const position = positions[i]!
    const end = position + image.length
    const skipsWritten = position > this.#end && this.#end < this.#farthest
    if (position < this.#start || end - this.#start > this.#window.length || skipsWritten) {
      this.#flush(headerBytes, this.#end)
      this.#start = this.#end = position
    }
    if (position > this.#end) this.#window.fill(0, this.#end - this.#start, position - this.#start)
    const target = this.#window.subarray(position - this.#start, end - this.#start)
    target.set(image)
    this.#checksums[i] = checksumOf(target)
    this.#end = Math.max(this.#end, end)
    this.#farthest = Math.max(this.#farthest, this.#end)
  }

  /** Writes the window, between two places of the record. */
  #flush(least: number, end: number): void {
    const from = Math.max(this.#start, least)
    if (end > from) this.#write(this.#window.subarray(from - this.#start, end - this.#start), from)
  }

  #write(bytes: Uint8Array, at: number): void {
    const { half, at: placeAt } = this.#place
    this.#call(Syscall.RECORD_WRITE, () => {
      this.#device.writeSync([bytes], halfAt(this.#journal, half) + placeAt + at)
    })
    const { arena } = this.#context
    arena.groupCounters[arena.groupCountersAt(this.#group) + GroupCounter.recordBytes]! += bytes.length
  }

  /** @throws DeviceFailure */
  #call(syscall: Syscall, call: () => void): void {
    const { words, arena } = this.#context
    const callsAt = arena.groupAt(this.#group) + Group.recordCalls
    // A thread that died inside a call did not count its end.
    if ((load(words, callsAt) & 1) !== 0) add(words, callsAt, 1)
    add(words, callsAt, 1)
    try {
      call()
    } catch (error) {
      throw new DeviceFailure(error, syscall)
    } finally {
      add(words, callsAt, 1)
    }
  }
}
