/**
 * Loading absent blocks: from a frame to its contents, for one block or a run of neighbours that one call of the device
 * fills. Shared by a miss, by reads of byte ranges and by the reader that goes ahead (reader.ts).
 *
 *   absent --takeAbsent--> latched, a name, no contents --fill--> latched, contents --leave, or down to a pin--> clean
 *                                                       '-failed-> latched, a name, no contents --leave--> as before
 *
 * Nothing here waits for a lock or a frame: who has latches of one block must not wait for another. What is not to be
 * had at once is left to the slow path (acquire.ts), which waits with nothing in hand.
 */
import { performance } from 'node:perf_hooks'
import { store } from '#atomics'
import { CacheError } from '../../shared/errors.js'
import { keyLowOf, keyHighOf } from '../../shared/key.js'
import { clockMs } from '../../shared/clock.js'
import type { FrameIndex } from '../../shared/indices.js'
import { TRACE } from '../../shared/trace.js'
import type { Slow } from '../../shared/wait.js'
import { type Context, enter, leave, type PartitionView } from '../context.js'
import { find, hasKey } from './directory.js'
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
export function runMax({ arena }: Context, { blockSize }: PartitionView, isAhead = false): number {
  const bytes = isAhead ? AHEAD_BYTES_MAX : RUN_BYTES_MAX
  const most = Math.min(RUN_BLOCKS_MAX, bytes / blockSize, arena.geometry.blocks * RUN_SHARE)
  return Math.max(1, Math.floor(most))
}

/**
 * The frame of an absent block, latched, still without contents; -1 if the block is there, or somebody is in, or a lock or
 * a frame is not to be had at once. Any thread; never waits.
 * @takes policy mutex, stripes, one after the other
 */
export function takeAbsent(context: Context, keyHigh: number, keyLow: number, isAhead = false): FrameIndex {
  const { words, arena } = context
  let frame = find(context, keyHigh, keyLow)
  if (frame < 0) {
    // A walk that went astray costs an eviction: the look under the stripe finds the block.
    frame = takeFrameNow(context, keyHigh, keyLow, isAhead)
    return frame >= 0 && insertFrameNow(context, frame, keyHigh, keyLow) ? frame : -1
  }
  const at = arena.frameAt(frame)
  if ((words[at + Frame.state]! & State.ABSENT) === 0 || !enter(context, frame)) return -1
  if (hasKey(context, at, keyHigh, keyLow) && (words[at + Frame.state]! & State.ABSENT) !== 0) return frame
  leave(context, frame)
  return -1
}

/** The frames of absent blocks, from `first` on up to one that is not to be had so; at most `count` and `runMax`. */
export function takeRun(
  context: Context,
  partition: PartitionView,
  first: number,
  count: number,
  isAhead = false,
): FrameIndex[] {
  const frames: FrameIndex[] = []
  const end = first + Math.min(count, runMax(context, partition, isAhead))
  const since = clockMs()
  for (let block = first; block < end; block++) {
    const frame = takeAbsent(context, keyHighOf(partition.index, block), keyLowOf(block), isAhead)
    if (frame < 0) break
    context.words[context.arena.frameAt(frame) + Frame.since] = since
    frames.push(frame)
  }
  return frames
}

/**
 * Loads absent blocks that nobody has asked for yet, the first of a range, as far as one run goes: how many. What can't be
 * read stays absent, which is nobody's error.
 * @requires a thread that may block
 */
export function fillAhead(context: Context, partition: PartitionView, first: number, count: number): number {
  const frames = takeRun(context, partition, first, count, true)
  if (frames.length === 0) return 0
  try {
    fillSync(context, partition, first, frames)
    context.slot.count(Counter.prefetched, frames.length)
    return frames.length
  } catch {
    return 0
  } finally {
    for (const frame of frames) leave(context, frame)
  }
}

/**
 * Loads a block and those behind it that nobody has asked for yet; false if nothing was loaded.
 * @requires the latch of the first frame; a thread that may block
 */
export function fillBoth(
  context: Context,
  partition: PartitionView,
  block: number,
  frame: FrameIndex,
  behind: number,
): boolean {
  const more = takeRun(context, partition, block + 1, behind, true)
  if (more.length === 0) return false
  try {
    fillSync(context, partition, block, [frame, ...more])
    context.slot.count(Counter.prefetched, more.length)
    return true
  } catch {
    return false // who wants one of them will be told
  } finally {
    for (const one of more) leave(context, one)
  }
}

/**
 * A thread that reads in sequence and has come to a block that the reader is just loading loads what comes behind instead
 * of only sleeping: where the system has the file in memory, that is half of the work.
 * @requires a thread that may block
 */
export function helpReader(
  context: Context,
  partition: PartitionView,
  ahead: ReadAhead,
  block: number,
): void {
  const frame = find(context, keyHighOf(partition.index, block), keyLowOf(block))
  if (frame < 0 || (context.words[context.arena.frameAt(frame) + Frame.state]! & State.ABSENT) === 0) return
  const help = ahead.help(block, runMax(context, partition, true))
  if (help.count > 0) fillAhead(context, partition, help.block, help.count)
}

/**
 * Reads blocks into their frames. After a failure none of them has contents.
 * @requires the frames' latches; a thread that may block
 * @throws ERR_DCACHE_READ_FAILED, ERR_DCACHE_CLOSED
 */
export function fillSync(
  context: Context,
  partition: PartitionView,
  first: number,
  frames: readonly FrameIndex[],
): void {
  context.slot.enterIo()
  try {
    context.assertOpen()
    partition.device.readSync(targets(context, partition, frames), first * partition.blockSize)
  } catch (cause) {
    throw failed(context, partition, first, frames, cause)
  } finally {
    context.slot.leaveIo()
  }
  loaded(context, partition, first, frames)
}

/** The same for slow paths. */
export function* fill(
  context: Context,
  partition: PartitionView,
  first: number,
  frames: readonly FrameIndex[],
): Slow<void> {
  context.slot.enterIo()
  try {
    context.assertOpen()
    const views = targets(context, partition, frames)
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
    throw failed(context, partition, first, frames, cause)
  } finally {
    context.slot.leaveIo()
  }
  loaded(context, partition, first, frames)
}

/** From a loaded block's latch to a pin, journaled in `entry`. @requires the frame's latch, which is given up */
export function keepPin(context: Context, frame: FrameIndex, entry: number): void {
  const { words } = context
  words[entry] = (frame << 2) | Journal.TAKING
  context.latches.downgrade(frame)
  words[entry] = (frame << 2) | Journal.HELD
  context.freed.signal()
}

/** Misses that took the time since `startMs`. */
export function countMisses({ slot }: Context, count: number, startMs: number): void {
  slot.count(Counter.misses, count)
  slot.count(Counter.lookupTimeMs, performance.now() - startMs)
}

function targets(context: Context, partition: PartitionView, frames: readonly FrameIndex[]): Uint8Array[] {
  return frames.length === 1
    ? [context.view(partition, frames[0]!)]
    : frames.map((frame) => context.view(partition, frame))
}

function loaded(
  context: Context,
  partition: PartitionView,
  first: number,
  frames: readonly FrameIndex[],
): void {
  const { slot, words, arena } = context
  slot.count(Counter.diskReads, frames.length)
  slot.count(Counter.diskReadBytes, frames.length * partition.blockSize)
  let block = first
  for (const frame of frames) {
    if (context.isTraced) context.tracer.record(TRACE['block.load'], partition.index, block, frame)
    store(words, arena.frameAt(frame) + Frame.state, 0)
    block++
  }
}

/** The frames keep their names only, and the next who asks tries again. */
function failed(
  context: Context,
  partition: PartitionView,
  first: number,
  frames: readonly FrameIndex[],
  cause: unknown,
): CacheError {
  for (const frame of frames) makeAbsent(context, frame)
  if (cause instanceof CacheError) return cause
  return new CacheError(
    'ERR_DCACHE_READ_FAILED',
    `block ${first} of '${partition.name}' could not be read: ${(cause as Error).message}`,
    { cause },
  )
}
