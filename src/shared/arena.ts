/**
 * A thread's views of the shared buffer, and the addresses in it. Words are addressed by their index in one Int32Array over
 * everything before the block frames. Frames are accessed through segments of up to 1 GiB, because a typed array on Node 20
 * is limited to 4 GiB.
 */
import { load, type Words } from '#atomics'
import { isBufferFor, type MapMemory, MapViews, newMemory } from './buffer.js'
import { CacheError } from './errors.js'
import { BUCKETS } from './histogram.js'
import {
  COUNTER_STRIDE,
  GROUP_COUNTER_STRIDE,
  dataBytes,
  type Geometry,
  GEOMETRY_FIELDS,
  GUARDS_MAX,
  HINTS_MAX,
  type Layout,
  layoutOf,
  MAGIC,
  NAME_BYTES,
  NOTES_MAX,
  PARTITION_NAME_BYTES,
  partitionCounters,
  STRIPE_WORDS,
  VERSION,
  WAITS_MAX,
} from './layout.js'
import type { FrameIndex, SlotIndex, SpareIndex } from './indices.js'
import { type MemoryCopy, memoryCopyOf } from './memory-copy.js'
import { Latency, PartitionCounter } from './counter-words.js'
import { Frame, Group, Header, Hint, Job, Partition, Slot, Spare, State, Wait } from './words.js'

const SEGMENT_BYTES = 2 ** 30
/** From this many bytes on, the copy of `Buffer.fill` is faster than that of `set`, up to three times on shared memory. */
const FILL_MIN = 512

export class Arena {
  readonly buffer: SharedArrayBuffer
  /** The memory that the buffer is of, if it is page-aligned. */
  readonly memory: WebAssembly.Memory | undefined
  readonly geometry: Geometry
  readonly layout: Layout
  readonly words: Words
  readonly counters: Float64Array<SharedArrayBuffer>
  readonly groupCounters: Float64Array<SharedArrayBuffer>
  readonly partitionCounters: Float64Array<SharedArrayBuffer>
  readonly #segments: Uint8Array<SharedArrayBuffer>[] = []
  readonly #buffers: Buffer<SharedArrayBuffer>[] = []
  readonly #views: MapViews
  readonly #memoryCopy: MemoryCopy | undefined
  readonly #segmentShift: number
  readonly #segmentMask: number

  // Word indices of the regions' first words.
  readonly partitionsAt: number
  readonly jobsAt: number
  readonly groupsAt: number
  readonly stripesAt: number
  readonly slotsAt: number
  readonly journalsAt: number
  readonly waitsAt: number
  readonly notesAt: number
  readonly hintsAt: number
  readonly stallsAt: number
  readonly latenciesAt: number
  readonly recordLatenciesAt: number
  readonly framesAt: number
  readonly sparesAt: number
  readonly bucketsAt: number
  readonly policyAt: number
  readonly ownersAt: number
  readonly ghostsAt: number
  readonly planAt: number
  readonly eventsAt: number
  readonly traceAt: number

  private constructor({ buffer, memory }: MapMemory, geometry: Geometry, layout: Layout) {
    this.buffer = buffer
    this.memory = memory
    this.#memoryCopy = memory && memoryCopyOf(memory)
    this.geometry = geometry
    this.layout = layout
    const views = new MapViews(buffer)
    this.#views = views
    this.words = views.words(0, layout.dataStart / 4)
    this.counters = views.doubles(layout.counters, geometry.slots * COUNTER_STRIDE)
    this.groupCounters = views.doubles(layout.groupCounters, geometry.groups * GROUP_COUNTER_STRIDE)
    this.partitionCounters = views.doubles(
      layout.partitionCounters,
      (geometry.slots + 1) * partitionCounters(geometry),
    )
    const segmentFrames = SEGMENT_BYTES / geometry.frameSize
    this.#segmentShift = Math.log2(segmentFrames)
    this.#segmentMask = segmentFrames - 1
    const end = layout.data + dataBytes(geometry)
    for (let start = layout.data; start < end; start += SEGMENT_BYTES)
      this.#segments.push(views.bytes(start, Math.min(SEGMENT_BYTES, end - start)))
    for (const { byteOffset, byteLength } of this.#segments)
      this.#buffers.push(Buffer.from(buffer, byteOffset, byteLength))
    this.partitionsAt = layout.partitions / 4
    this.jobsAt = layout.jobs / 4
    this.groupsAt = layout.groups / 4
    this.stripesAt = layout.stripes / 4
    this.slotsAt = layout.slots / 4
    this.journalsAt = layout.journals / 4
    this.waitsAt = layout.waits / 4
    this.notesAt = layout.notes / 4
    this.hintsAt = layout.hints / 4
    this.stallsAt = layout.stalls / 4
    this.latenciesAt = layout.latencies / 4
    this.recordLatenciesAt = layout.recordLatencies / 4
    this.framesAt = layout.frames / 4
    this.sparesAt = layout.spares / 4
    this.bucketsAt = layout.buckets / 4
    this.policyAt = layout.policy / 4
    this.ownersAt = layout.owners / 4
    this.ghostsAt = layout.ghosts / 4
    this.planAt = layout.plan / 4
    this.eventsAt = layout.events / 4
    this.traceAt = layout.trace / 4
  }

  /**
   * Allocates a buffer, all zero except the header's magic, version, id and geometry. `isDirect`: any partition is direct.
   * @throws ERR_DCACHE_MEMORY if the system cannot allocate it
   */
  static create(geometry: Geometry, idLow: number, idHigh: number, isDirect = false): Arena {
    const layout = layoutOf(geometry)
    const arena = new Arena(newMemory(layout.totalBytes, isDirect), geometry, layout)
    const words = arena.words
    for (const field of GEOMETRY_FIELDS) words[Header[field]] = geometry[field]
    words[Header.frames] = geometry.blocks
    words[Header.idLow] = idLow
    words[Header.idHigh] = idHigh
    words[Header.version] = VERSION
    words[Header.magic] = MAGIC
    return arena
  }

  /**
   * Opens a buffer that another thread allocated. Without the memory that it is of, copies between frames are slower.
   * @throws ERR_DCACHE_BAD_HANDLE, ERR_DCACHE_VERSION
   */
  static open({ buffer, memory }: MapMemory, idLow: number, idHigh: number): Arena {
    const foreign = (why: string) =>
      new CacheError('ERR_DCACHE_BAD_HANDLE', `not the buffer of a dcache: ${why}`)
    const views = new MapViews(buffer)
    if (buffer.byteLength < views.base + Header.WORDS * 4) throw foreign(`it has ${buffer.byteLength} bytes`)
    const header = views.words(0, Header.WORDS)
    if (header[Header.magic] !== MAGIC)
      throw foreign(`its magic is 0x${(header[Header.magic]! >>> 0).toString(16)}`)
    const version = header[Header.version]!
    if (version !== VERSION) {
      throw new CacheError(
        'ERR_DCACHE_VERSION',
        `the buffer has memory map version ${version}, but this thread's dcache has version ${VERSION}; use the same version of dcache in all threads`,
      )
    }
    if (header[Header.idLow] !== idLow || header[Header.idHigh] !== idHigh)
      throw foreign('its id is not that of the handle')
    const geometry = Object.fromEntries(
      GEOMETRY_FIELDS.map((f) => [f, header[Header[f]]]),
    ) as unknown as Geometry
    const layout = layoutOf(geometry)
    if (!isBufferFor(buffer.byteLength, layout.totalBytes)) {
      throw foreign(`its map needs ${layout.totalBytes} bytes, but it has ${buffer.byteLength}`)
    }
    if (memory !== undefined && !isOf(memory, buffer)) throw foreign('its memory is another one')
    return new Arena({ buffer, memory }, geometry, layout)
  }

  /** The frames that blocks may use: those from 0 on. Grows, up to `geometry.blocks`. */
  get frames(): number {
    return load(this.words, Header.frames)
  }
  /** Bytes of the whole buffer without the frames that are not in use. */
  get bytesInUse(): number {
    const { blocks, frameSize } = this.geometry
    return this.layout.totalBytes - (blocks - this.frames) * frameSize
  }
  frameAt(frame: FrameIndex): number {
    return this.framesAt + frame * Frame.WORDS
  }
  latchAt(frame: FrameIndex): number {
    return this.frameAt(frame) + Frame.latch
  }
  /** Whether a frame has no contents at this moment. */
  isAbsent(frame: FrameIndex): boolean {
    return (load(this.words, this.frameAt(frame) + Frame.state) & State.ABSENT) !== 0
  }
  versionOf(frame: FrameIndex): number {
    return load(this.words, this.frameAt(frame) + Frame.version)
  }
  spareAt(spare: SpareIndex): number {
    return this.sparesAt + spare * Spare.WORDS
  }
  partitionAt(partition: number): number {
    return this.partitionsAt + partition * Partition.WORDS
  }
  /** The job of a writer. */
  jobAt(writer: number): number {
    return this.jobsAt + writer * Job.WORDS
  }
  /** The bytes of a partition's name; see partition-record.ts. */
  partitionName(partition: number): Uint8Array<SharedArrayBuffer> {
    const at = this.layout.partitionNames + partition * PARTITION_NAME_BYTES
    return this.#views.bytes(at, PARTITION_NAME_BYTES)
  }
  groupAt(group: number): number {
    return this.groupsAt + group * Group.WORDS
  }
  slotAt(slot: SlotIndex): number {
    return this.slotsAt + slot * Slot.WORDS
  }
  /** The bytes of a slot's name; see slot-name.ts. */
  nameBytes(slot: SlotIndex): Uint8Array<SharedArrayBuffer> {
    return this.#views.bytes(this.layout.names + slot * NAME_BYTES, NAME_BYTES)
  }
  journalAt(slot: SlotIndex): number {
    return this.journalsAt + slot * GUARDS_MAX
  }
  /** The record of one published wait of a slot. */
  waitAt(slot: SlotIndex, index: number): number {
    return this.waitsAt + (slot * WAITS_MAX + index) * Wait.WORDS
  }
  noteAt(slot: SlotIndex): number {
    return this.notesAt + slot * NOTES_MAX
  }
  /** The first hint of a slot. */
  hintAt(slot: SlotIndex): number {
    return this.hintsAt + slot * HINTS_MAX * Hint.WORDS
  }
  stripeAt(stripe: number): number {
    return this.stripesAt + stripe * STRIPE_WORDS
  }
  /** The index of a slot's first counter in `counters`. */
  countersAt(slot: SlotIndex): number {
    return slot * COUNTER_STRIDE
  }

  /** The index of a slot's first counter of a partition in `partitionCounters`. */
  partitionCountersAt(slot: SlotIndex, partition: number): number {
    return slot * partitionCounters(this.geometry) + partition * PartitionCounter.COUNT
  }
  /** What the partition's counters were when it got its number: as `partitionCountersAt`. */
  partitionBaseAt(partition: number): number {
    return this.partitionCountersAt(this.geometry.slots, partition)
  }
  /** The first bucket of a histogram of a partition. */
  latencyAt(partition: number, latency: Latency = Latency.read): number {
    return this.latenciesAt + (partition * Latency.COUNT + latency) * BUCKETS
  }
  /** The first bucket of the histogram of the syncs of a group's journal. */
  recordLatencyAt(group: number): number {
    return this.recordLatenciesAt + group * BUCKETS
  }
  /** The index of a group's first counter in `groupCounters`. */
  groupCountersAt(group: number): number {
    return group * GROUP_COUNTER_STRIDE
  }

  /** The segment that contains a frame's bytes. Spares follow the blocks: their index is `blocks + spare`. */
  segment(index: number): Uint8Array<SharedArrayBuffer> {
    return this.#segments[index >>> this.#segmentShift]!
  }
  /** Copies a part of a frame to the same place of another. No other thread may change the two in that time. */
  copy(from: number, to: number, start: number, length: number): void {
    const { frameSize } = this.geometry
    if (this.#memoryCopy !== undefined) {
      const at = this.layout.data + start
      this.#memoryCopy(at + to * frameSize, at + from * frameSize, length)
      return
    }
    const source = this.offset(from) + start
    this.write(to, start, this.segment(from).subarray(source, source + length))
  }
  /** Copies bytes into a frame, by one call of a built-in, which no end of a thread can interrupt. */
  write(to: number, start: number, source: Uint8Array): void {
    const at = this.offset(to) + start
    if (source.length < FILL_MIN) this.segment(to).set(source, at)
    else this.#buffers[to >>> this.#segmentShift]!.fill(source, at, at + source.length)
  }
  /** The byte offset of a frame in its segment. */
  offset(index: number): number {
    return (index & this.#segmentMask) * this.geometry.frameSize
  }
  /** A new view of the first `length` bytes of a frame. */
  view(index: number, length: number): Uint8Array<SharedArrayBuffer> {
    return this.#views.bytes(this.layout.data + index * this.geometry.frameSize, length)
  }
}

/** Whether a memory is the one that a buffer is of. Structured clone makes two buffers of one, so their headers are compared. */
function isOf(memory: WebAssembly.Memory, buffer: SharedArrayBuffer): boolean {
  // Not instanceof: the handle may come from another realm.
  if (Object.prototype.toString.call(memory) !== '[object WebAssembly.Memory]') return false
  if (memory.buffer.byteLength !== buffer.byteLength) return false
  const [header, other] = [memory.buffer, buffer].map((of) => new Int32Array(of, 0, Header.WORDS))
  return [Header.idLow, Header.idHigh].every((word) => header![word] === other![word])
}
