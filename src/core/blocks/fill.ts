/**
 * Loading absent blocks: from a frame to its contents, for one block or a run of neighbours that one call of the device
 * fills. Shared by a miss, by reads of byte ranges and by the reader that goes ahead (reader.ts).
 *
 *   absent --takeAbsent--> latched, a name, no contents --load--> latched, contents --leave, or down to a pin--> clean
 *                                                       '-failed-> latched, a name, no contents --leave--> as before
 *
 * Nothing here waits for a lock or a frame: who has latches of one block must not wait for another. What is not to be
 * had at once is left to the slow path (acquire.ts), which waits with nothing in hand.
 */
import { performance } from 'node:perf_hooks'
import { store } from '#atomics'
import { CacheError } from '../../shared/errors.js'
import { lowOf, placeOf } from '../../shared/name.js'
import { clockMs } from '../../shared/clock.js'
import type { FrameIndex } from '../../shared/indices.js'
import { TRACE } from '../../shared/trace.js'
import type { Slow } from '../../shared/wait.js'
import { type Core, enter, leave, type PartitionView } from '../context.js'
import { find, isNamed } from './directory.js'
import type { ReadAhead } from './read-ahead.js'
import { insertFrameNow, makeAbsent, takeFrameNow } from './frames.js'
import { Counter, Frame, Journal, State } from '../../shared/words.js'

/** A call of the device is at most so long: past that it is no faster, and others wait longer for its blocks. */
const RUN_BYTES_MAX = 2 ** 20
const RUN_BLOCKS_MAX = 128
/** Ahead of its use it is shorter: who comes to its first block need not wait for all of it. */
const AHEAD_BYTES_MAX = 2 ** 18
/** Of all frames, what one run may have latched. */
const RUN_SHARE = 1 / 4

/** How many blocks of a partition one run may have. */
export function runMax({ arena }: Core, { blockSize }: PartitionView, isAhead = false): number {
  const bytes = isAhead ? AHEAD_BYTES_MAX : RUN_BYTES_MAX
  const most = Math.min(RUN_BLOCKS_MAX, bytes / blockSize, arena.geometry.blocks * RUN_SHARE)
  return Math.max(1, Math.floor(most))
}

/**
 * The frame of an absent block, latched, still without contents; -1 if the block is there, or somebody is in, or a lock or
 * a frame is not to be had at once. Any thread; never waits.
 * @takes policy mutex, stripes, one after the other
 */
export function takeAbsent(core: Core, place: number, low: number, isAhead = false): FrameIndex {
  const { words, arena } = core
  let frame = find(core, place, low)
  if (frame < 0) {
    // A walk that went astray costs an eviction: the look under the stripe finds the block.
    frame = takeFrameNow(core, place, low, isAhead)
    return frame >= 0 && insertFrameNow(core, frame, place, low) ? frame : -1
  }
  const at = arena.frameAt(frame)
  if ((words[at + Frame.state]! & State.ABSENT) === 0 || !enter(core, frame)) return -1
  if (isNamed(core, at, place, low) && (words[at + Frame.state]! & State.ABSENT) !== 0) return frame
  leave(core, frame)
  return -1
}

/** The frames of absent blocks, from `first` on up to one that is not to be had so; at most `count` and `runMax`. */
export function takeRun(
  core: Core,
  partition: PartitionView,
  first: number,
  count: number,
  isAhead = false,
): FrameIndex[] {
  const frames: FrameIndex[] = []
  const end = first + Math.min(count, runMax(core, partition, isAhead))
  const since = clockMs()
  for (let block = first; block < end; block++) {
    const frame = takeAbsent(core, placeOf(partition.index, block), lowOf(block), isAhead)
    if (frame < 0) break
    core.words[core.arena.frameAt(frame) + Frame.since] = since
    frames.push(frame)
  }
  return frames
}

/**
 * Loads absent blocks that nobody has asked for yet, the first of a range, as far as one run goes: how many. What can't be
 * read stays absent, which is nobody's error.
 * @requires a thread that may block
 */
export function loadAhead(core: Core, partition: PartitionView, first: number, count: number): number {
  const frames = takeRun(core, partition, first, count, true)
  if (frames.length === 0) return 0
  try {
    loadSync(core, partition, first, frames)
    core.slot.count(Counter.prefetched, frames.length)
    return frames.length
  } catch {
    return 0
  } finally {
    for (const frame of frames) leave(core, frame)
  }
}

/**
 * Loads a block and those behind it that nobody has asked for yet; false if nothing was loaded.
 * @requires the latch of the first frame; a thread that may block
 */
export function loadBoth(
  core: Core,
  partition: PartitionView,
  block: number,
  frame: FrameIndex,
  behind: number,
): boolean {
  const more = takeRun(core, partition, block + 1, behind, true)
  if (more.length === 0) return false
  try {
    loadSync(core, partition, block, [frame, ...more])
    core.slot.count(Counter.prefetched, more.length)
    return true
  } catch {
    return false // who wants one of them will be told
  } finally {
    for (const one of more) leave(core, one)
  }
}

/**
 * A thread that reads in sequence and has come to a block that the reader is just loading loads what comes behind instead
 * of only sleeping: where the system has the file in memory, that is half of the work.
 * @requires a thread that may block
 */
export function helpReader(core: Core, partition: PartitionView, ahead: ReadAhead, block: number): void {
  const frame = find(core, placeOf(partition.index, block), lowOf(block))
  if (frame < 0 || (core.words[core.arena.frameAt(frame) + Frame.state]! & State.ABSENT) === 0) return
  const help = ahead.help(block, runMax(core, partition, true))
  if (help.count > 0) loadAhead(core, partition, help.block, help.count)
}

/**
 * Reads blocks into their frames. After a failure none of them has contents.
 * @requires the frames' latches; a thread that may block
 * @throws ERR_DCACHE_READ_FAILED, ERR_DCACHE_CLOSED
 */
export function loadSync(
  core: Core,
  partition: PartitionView,
  first: number,
  frames: readonly FrameIndex[],
): void {
  core.slot.enterIo()
  try {
    core.assertOpen()
    partition.device.readSync(targets(core, partition, frames), first * partition.blockSize)
  } catch (cause) {
    throw failed(core, partition, first, frames, cause)
  } finally {
    core.slot.leaveIo()
  }
  loaded(core, partition, first, frames)
}

/** The same for slow paths. */
export function* load(
  core: Core,
  partition: PartitionView,
  first: number,
  frames: readonly FrameIndex[],
): Slow<void> {
  core.slot.enterIo()
  try {
    core.assertOpen()
    const views = targets(core, partition, frames)
    const position = first * partition.blockSize
    yield {
      kind: 'io',
      what: `block ${first} of '${partition.name}' to be read`,
      sync: () => {
        partition.device.readSync(views, position)
      },
      async: () => partition.device.read(views, position),
    }
  } catch (cause) {
    throw failed(core, partition, first, frames, cause)
  } finally {
    core.slot.leaveIo()
  }
  loaded(core, partition, first, frames)
}

/** From a loaded block's latch to a pin, journaled in `entry`. @requires the frame's latch, which is given up */
export function keepPin(core: Core, frame: FrameIndex, entry: number): void {
  const { words } = core
  words[entry] = (frame << 2) | Journal.TAKING
  core.latches.downgrade(frame)
  words[entry] = (frame << 2) | Journal.HELD
  core.freed.signal()
}

/** Misses that took the time since `startMs`. */
export function countMisses({ slot }: Core, count: number, startMs: number): void {
  slot.count(Counter.misses, count)
  slot.count(Counter.lookupTimeMs, performance.now() - startMs)
}

function targets(core: Core, partition: PartitionView, frames: readonly FrameIndex[]): Uint8Array[] {
  return frames.length === 1
    ? [core.view(partition, frames[0]!)]
    : frames.map((frame) => core.view(partition, frame))
}

function loaded(core: Core, partition: PartitionView, first: number, frames: readonly FrameIndex[]): void {
  const { slot, words, arena } = core
  slot.count(Counter.diskReads, frames.length)
  slot.count(Counter.diskReadBytes, frames.length * partition.blockSize)
  let block = first
  for (const frame of frames) {
    if (core.isTraced) core.tracer.record(TRACE['block.load'], partition.index, block, frame)
    store(words, arena.frameAt(frame) + Frame.state, 0)
    block++
  }
}

/** The frames keep their names only, and the next who asks tries again. */
function failed(
  core: Core,
  partition: PartitionView,
  first: number,
  frames: readonly FrameIndex[],
  cause: unknown,
): CacheError {
  for (const frame of frames) makeAbsent(core, frame)
  if (cause instanceof CacheError) return cause
  return new CacheError(
    'ERR_DCACHE_READ_FAILED',
    `block ${first} of '${partition.name}' could not be read: ${(cause as Error).message}`,
    { cause },
  )
}
