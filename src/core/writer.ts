/**
 * A partition's writer: one write for each run of neighbouring blocks of a job, then one fsync. For every block it takes the
 * image that the round owes, chosen under the round mutex, and writes it outside of it:
 *
 *   an aside within the cut          a spare that nobody changes until the stage is over
 *   else CHANGING                    the undo image: what the block was at its last release
 *   else                             the frame itself, pinned meanwhile
 *   latched, but not yet CHANGING    somebody is copying its image just now: another block first
 *
 * It never waits for a client. Nothing becomes clean here: that is the flush worker's, after the fsync.
 */
import { add, compareExchange, load } from '#atomics'
import { tryPinPastWaiters } from '../shared/latch.js'
import { Frame, Group, JobResult, JobState, Partition, Spare } from '../shared/layout.js'
import { COUNTER, JOURNAL } from '../shared/slot.js'
import { CHANGING, isOwed } from '../shared/stamp.js'
import type { FrameIndex } from '../shared/struct.js'
import { TRACE } from '../shared/trace.js'
import { Deadline, runSync, type Slow } from '../shared/wait.js'
import { ringBell } from './bell.js'
import { unpinFrame } from './hit.js'
import { blockOf, type Core, type PartitionView } from './core.js'
import { spareData } from './images.js'
import { lockRound, unlockRound } from './rounds.js'

/** Where the bytes of an image are. */
type Source =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'busy' }
  | { readonly kind: 'pinned'; readonly bytes: Uint8Array }
  | { readonly kind: 'kept'; readonly bytes: Uint8Array }

/** Neighbouring blocks that are written in one call. */
interface Run {
  readonly first: number
  readonly frames: readonly FrameIndex[]
  readonly sources: readonly Uint8Array[]
  /** Those of the frames that are pinned: frame and journal entry. */
  readonly pins: readonly (readonly [FrameIndex, number])[]
  /** How many blocks of the job were dealt with. */
  readonly count: number
}

/** A write is at most so long: past that the device is no faster, and a changer waits longer for its block. */
const RUN_BYTES_MAX = 2 ** 20
/** Each pinned block of a run has a journal entry. */
const RUN_BLOCKS_MAX = 128

/** How long a latch that is only being copied under is given before its block is tried again. */
const BUSY_MS = 1

export class Writer {
  readonly #core: Core
  readonly #partition: PartitionView
  readonly #at: number
  readonly #groupAt: number
  readonly #entries: readonly number[]

  constructor(core: Core, partition: number) {
    this.#core = core
    this.#partition = core.partitions[partition]!
    this.#at = core.arena.partitionAt(partition)
    this.#groupAt = core.arena.groupAt(this.#partition.group)
    const length = Math.max(
      1,
      Math.min(RUN_BLOCKS_MAX, Math.floor(RUN_BYTES_MAX / this.#partition.blockSize)),
    )
    this.#entries = Array.from({ length }, () => core.slot.takeEntry())
  }

  /** Whether the flush worker asks for something. */
  get isAsked(): boolean {
    return load(this.#core.words, this.#at + Partition.job) === JobState.ASKED
  }

  /** Does the job that was asked for, reports, and rings the flush worker. @requires isAsked */
  runJob(): void {
    const { words } = this.#core
    let syscall = 0
    try {
      runSync(this.#writeAll(), this.#core.mayBlock)
      syscall = 1
      this.#partition.device.syncSync()
      words[this.#at + Partition.result] = JobResult.OK
    } catch (error) {
      words[this.#at + Partition.errno] = (error as NodeJS.ErrnoException).errno ?? -5
      words[this.#at + Partition.syscall] = syscall
      words[this.#at + Partition.result] = JobResult.FAILED
    }
    // STOP may stand there by now, and stays.
    compareExchange(words, this.#at + Partition.job, JobState.ASKED, JobState.IDLE)
    ringBell(this.#core)
  }

  *#writeAll(): Slow<void> {
    const { words, arena } = this.#core
    const start = arena.planAt + words[this.#at + Partition.jobStart]!
    let left: FrameIndex[] = [...words.subarray(start, start + words[this.#at + Partition.jobCount]!)]
    while (left.length > 0) {
      const busy: FrameIndex[] = []
      for (let start = 0; start < left.length;) start += yield* this.#writeRun(left, start, busy)
      if (busy.length === left.length) {
        this.#core.assertRunning()
        const latchAt = arena.frameAt(busy[0]!) + Frame.latch
        yield { kind: 'wait', words, at: latchAt, value: load(words, latchAt), timeoutMs: BUSY_MS }
      }
      left = busy
    }
  }

  /** Writes what the round owes of the blocks from `start` on, up to a gap; how many were dealt with. */
  *#writeRun(frames: readonly FrameIndex[], start: number, busy: FrameIndex[]): Slow<number> {
    const core = this.#core
    const { group, device, blockSize, index } = this.#partition
    yield* lockRound(core, group, new Deadline())
    const run = this.#gather(frames, start, busy)
    unlockRound(core, group)
    try {
      if (run.sources.length > 0) device.writeSync(run.sources, run.first * blockSize)
    } finally {
      for (const [frame, entry] of run.pins) unpinFrame(core, frame, entry)
    }
    if (core.tracer.on)
      run.frames.forEach((frame, i) => {
        core.tracer.record(TRACE['work.write'], index, run.first + i, frame)
      })
    core.slot.count(COUNTER.diskWrites, run.sources.length)
    core.slot.count(COUNTER.diskWriteBytes, run.sources.length * blockSize)
    add(core.words, this.#groupAt + Group.written, run.sources.length)
    return run.count
  }

  /** The images of neighbouring blocks. Those that somebody is just copying go to `busy`. @requires round mutex */
  #gather(frames: readonly FrameIndex[], start: number, busy: FrameIndex[]): Run {
    const { words, arena } = this.#core
    const taken: FrameIndex[] = []
    const sources: Uint8Array[] = []
    const pins: [FrameIndex, number][] = []
    let first = -1
    let end = start
    for (; end < frames.length && sources.length < this.#entries.length; end++) {
      const frame = frames[end]!
      const block = blockOf(words, arena.frameAt(frame))
      if (sources.length > 0 && block !== first + sources.length) break
      const entry = this.#entries[sources.length]!
      const source = this.#source(frame, entry)
      if (source.kind === 'busy') busy.push(frame)
      if (source.kind === 'busy' || source.kind === 'nothing') continue
      if (source.kind === 'pinned') pins.push([frame, entry])
      if (sources.length === 0) first = block
      taken.push(frame)
      sources.push(source.bytes)
    }
    return { first, frames: taken, sources, pins, count: end - start }
  }

  /** @requires round mutex */
  #source(frame: FrameIndex, entry: number): Source {
    const { words, arena } = this.#core
    const at = arena.frameAt(frame)
    const cut = words[this.#groupAt + Group.cut]! - 1
    const state = load(words, at + Frame.state)
    if (!isOwed(state, cut)) {
      for (
        let link = words[at + Frame.aside]!;
        link !== 0;
        link = words[arena.spareAt(link - 1) + Spare.next]!
      ) {
        if (isOwed(words[arena.spareAt(link - 1) + Spare.stamp]!, cut))
          return { kind: 'kept', bytes: this.#spareBytes(link - 1) }
      }
      return { kind: 'nothing' }
    }
    if ((state & CHANGING) !== 0) return { kind: 'kept', bytes: this.#undoBytes(frame) }
    words[entry] = (frame << 2) | JOURNAL.TAKING
    if (!tryPinPastWaiters(words, at + Frame.latch)) {
      words[entry] = JOURNAL.FREE
      return { kind: 'busy' }
    }
    words[entry] = (frame << 2) | JOURNAL.HELD
    return { kind: 'pinned', bytes: this.#core.view(this.#partition, frame) }
  }

  #spareBytes(spare: number): Uint8Array {
    const { arena } = this.#core
    const start = arena.offset(spareData(this.#core, spare))
    return arena.segment(spareData(this.#core, spare)).subarray(start, start + this.#partition.blockSize)
  }

  /**
   * The undo as a whole block. That of a declared range is put together with the bytes around it, which do not change
   * while its holder has the latch; the mutex keeps the holder from releasing it meanwhile.
   */
  #undoBytes(frame: FrameIndex): Uint8Array {
    const { words, arena } = this.#core
    const spare = words[arena.frameAt(frame) + Frame.undo]! - 1
    const start = words[arena.spareAt(spare) + Spare.start]!
    const length = words[arena.spareAt(spare) + Spare.length]!
    if (length >= this.#partition.blockSize) return this.#spareBytes(spare)
    const whole = new Uint8Array(this.#core.view(this.#partition, frame))
    whole.set(this.#spareBytes(spare).subarray(start, start + length), start)
    return whole
  }
}
