/**
 * A partition's writer: pwrite for each block of a job, then one fsync. For every block it takes the image that the
 * round owes, chosen under the round mutex, and writes it outside of it:
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

/** How long a latch that is only being copied under is given before its block is tried again. */
const BUSY_MS = 1

export class Writer {
  readonly #core: Core
  readonly #partition: PartitionView
  readonly #at: number
  readonly #groupAt: number
  readonly #entry: number
  readonly #whole: Uint8Array

  constructor(core: Core, partition: number) {
    this.#core = core
    this.#partition = core.partitions[partition]!
    this.#at = core.arena.partitionAt(partition)
    this.#groupAt = core.arena.groupAt(this.#partition.group)
    this.#entry = core.slot.takeEntry()
    this.#whole = new Uint8Array(this.#partition.blockSize)
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
      for (const frame of left) if (!(yield* this.#write(frame))) busy.push(frame)
      if (busy.length === left.length) {
        this.#core.assertRunning()
        const latchAt = arena.frameAt(busy[0]!) + Frame.latch
        yield { kind: 'wait', words, at: latchAt, value: load(words, latchAt), timeoutMs: BUSY_MS }
      }
      left = busy
    }
  }

  /** Writes what the round owes of one block; false if it is to be tried again later. */
  *#write(frame: FrameIndex): Slow<boolean> {
    const core = this.#core
    const { group, device, blockSize } = this.#partition
    yield* lockRound(core, group, new Deadline())
    const source = this.#source(frame)
    const block = blockOf(core.words, core.arena.frameAt(frame))
    unlockRound(core, group)
    if (source.kind === 'nothing') return true
    if (source.kind === 'busy') return false
    try {
      device.writeSync(source.bytes, block * blockSize)
    } finally {
      if (source.kind === 'pinned') unpinFrame(core, frame, this.#entry)
    }
    if (core.tracer.on) core.tracer.record(TRACE['work.write'], this.#partition.index, block, frame)
    core.slot.count(COUNTER.diskWrites)
    core.slot.count(COUNTER.diskWriteBytes, blockSize)
    add(core.words, this.#groupAt + Group.written, 1)
    return true
  }

  /** @requires round mutex */
  #source(frame: FrameIndex): Source {
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
    words[this.#entry] = (frame << 2) | JOURNAL.TAKING
    if (!tryPinPastWaiters(words, at + Frame.latch)) {
      words[this.#entry] = JOURNAL.FREE
      return { kind: 'busy' }
    }
    words[this.#entry] = (frame << 2) | JOURNAL.HELD
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
    this.#whole.set(this.#core.view(this.#partition, frame))
    this.#whole.set(this.#spareBytes(spare).subarray(start, start + length), start)
    return this.#whole
  }
}
