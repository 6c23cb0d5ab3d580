/**
 * Filling absent blocks: reads the contents of one block, or of a run of neighbours, by one call of the device. Used by
 * misses, by reads of byte ranges, and by the reader thread (reader.ts).
 *
 *   absent --take--> latched, a key, no contents --fill--> latched, contents --leave, or downgrade to a pin--> clean
 *                                                      '-failed-> latched, a key, no contents --leave--> as before
 *
 * Nothing here waits for a lock or a frame, because a thread that holds latches of one block must not wait for another. What
 * is not available at once is left to the slow path (acquire.ts), which waits without holding latches.
 */
import { performance } from 'node:perf_hooks'
import { store } from '#atomics'
import { keyLowOf, keyHighOf } from '../../shared/key.js'
import { clockMs } from '../../shared/clock.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Slow } from '../../shared/wait.js'
import { type Context, leave, type PartitionView, assertAllLatched, assertLatched } from '../context.js'
import { spanEnd } from '../spans.js'
import { assertStanding } from '../standing.js'
import { find } from './directory.js'
import type { ReadAhead } from './read-ahead.js'
import { readFailed } from './frames.js'
import type { MissPath } from './miss-path.js'
import { Purpose } from './victims.js'
import { Counter, Latency, PartitionCounter } from '../../shared/counter-words.js'
import { Frame, Journal, State } from '../../shared/words.js'

/** Longest device call. Beyond that it is no faster, and other threads wait longer for its blocks. */
const RUN_BYTES_MAX = 2 ** 20
const RUN_BLOCKS_MAX = 128
/** Longest call ahead of use. It is shorter, so that a thread that needs the first block does not wait for all of them. */
const AHEAD_BYTES_MAX = 2 ** 18
/** Largest share of the frames that the partition may have that one run may latch. */
const RUN_SHARE = 1 / 4

/** The largest number of blocks of a partition in one run. */
function runMax({ blockSize, framesMax }: PartitionView, purpose = Purpose.USE): number {
  const bytes = purpose === Purpose.USE ? RUN_BYTES_MAX : AHEAD_BYTES_MAX
  const most = Math.min(RUN_BLOCKS_MAX, bytes / blockSize, framesMax * RUN_SHARE)
  return Math.max(1, Math.floor(most))
}

/**
 * Latches frames for consecutive absent blocks from `first` on, as far as `take` succeeds; up to `count` and `runMax`.
 */
export function takeRun(
  context: Context,
  misses: MissPath,
  partition: PartitionView,
  first: number,
  count: number,
  purpose = Purpose.USE,
): FrameIndex[] {
  const frames: FrameIndex[] = []
  const end = first + Math.min(count, runMax(partition, purpose))
  const since = clockMs()
  for (let block = first; block < end; block++) {
    const frame = misses.take(partition, keyHighOf(partition.index, block), keyLowOf(block), purpose)
    if (frame < 0) break
    context.words[context.arena.frameAt(frame) + Frame.since] = since
    frames.push(frame)
  }
  return frames
}

/**
 * Fills the first absent blocks of a range ahead of use, up to one run; returns how many. Blocks that cannot be read stay
 * absent, without an error.
 * @requires a thread that may block
 */
export function fillAhead(
  context: Context,
  misses: MissPath,
  partition: PartitionView,
  first: number,
  count: number,
  purpose: Purpose,
): number {
  const frames = takeRun(context, misses, partition, first, count, purpose)
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
 * Fills a block, together with up to `behind` blocks behind it, which are not needed yet. Returns false if nothing was
 * filled.
 * @requires the latch of the first frame; a thread that may block
 */
export function fillBoth(
  context: Context,
  misses: MissPath,
  partition: PartitionView,
  block: number,
  frame: FrameIndex,
  behind: number,
  calledMs: number,
): boolean {
  assertLatched(context, frame)
  const more = takeRun(context, misses, partition, block + 1, behind, Purpose.AHEAD)
  if (more.length === 0) return false
  try {
    fillSync(context, partition, block, [frame, ...more], calledMs)
    context.slot.count(Counter.prefetched, more.length)
    return true
  } catch {
    return false // a thread that needs one of them gets the error
  } finally {
    for (const one of more) leave(context, one)
  }
}

/**
 * For a thread that reads sequentially and has reached a block that the reader is filling: fills blocks further on, instead
 * of only sleeping. If the file is in the system's page cache, that is half of the work.
 * @requires a thread that may block
 */
export function helpReader(
  context: Context,
  misses: MissPath,
  partition: PartitionView,
  ahead: ReadAhead,
  block: number,
): void {
  const frame = find(context, keyHighOf(partition.index, block), keyLowOf(block))
  if (frame < 0 || (context.words[context.arena.frameAt(frame) + Frame.state]! & State.ABSENT) === 0) return
  const help = ahead.help(block, runMax(partition, Purpose.AHEAD))
  if (help.count > 0) fillAhead(context, misses, partition, help.block, help.count, Purpose.AHEAD)
}

/**
 * Reads consecutive blocks into their frames. If it fails, none of them has contents. `calledMs`: when the call began that needs
 * them, for the flight recorder; -1 if that is now.
 * @requires the frames' latches; a thread that may block
 * @throws ERR_DCACHE_READ_FAILED, and what `standingError` returns
 */
export function fillSync(
  context: Context,
  partition: PartitionView,
  first: number,
  frames: readonly FrameIndex[],
  calledMs = -1,
): void {
  assertAllLatched(context, frames)
  const startMs = performance.now()
  context.slot.enterIo()
  try {
    assertStanding(context, partition, first + frames.length - 1)
    partition.device.readSync(targets(context, partition, frames), first * partition.blockSize)
  } catch (cause) {
    throw readFailed(context, partition, first, frames, cause)
  } finally {
    context.slot.leaveIo()
  }
  loaded(context, partition, first, frames, startMs, calledMs)
}

/** As `fillSync`, for slow paths. @requires the frames' latches */
export function* fill(
  context: Context,
  partition: PartitionView,
  first: number,
  frames: readonly FrameIndex[],
  calledMs = -1,
): Slow<void> {
  assertAllLatched(context, frames)
  const startMs = performance.now()
  context.slot.enterIo()
  try {
    assertStanding(context, partition, first + frames.length - 1)
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
    throw readFailed(context, partition, first, frames, cause)
  } finally {
    context.slot.leaveIo()
  }
  loaded(context, partition, first, frames, startMs, calledMs)
}

/** Turns the latch of a filled block into a pin, journaled in `entry`. @requires the frame's latch, which is released */
export function keepPin(context: Context, frame: FrameIndex, entry: number): void {
  assertLatched(context, frame)
  const { words } = context
  words[entry] = (frame << 2) | Journal.TAKING
  context.latches.downgrade(frame)
  words[entry] = (frame << 2) | Journal.HELD
  context.freed.signal()
}

/** Counts `count` misses that began at `startMs`. */
export function countMisses(
  { slot }: Context,
  partition: PartitionView,
  count: number,
  startMs: number,
): void {
  partition.count(PartitionCounter.misses, count)
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
  startMs: number,
  calledMs: number,
): void {
  const { words, arena } = context
  partition.measured(Latency.read, performance.now() - startMs)
  partition.count(PartitionCounter.diskReads, frames.length)
  partition.count(PartitionCounter.diskReadBytes, frames.length * partition.blockSize)
  for (const frame of frames) store(words, arena.frameAt(frame) + Frame.state, 0)
  // One record for all: a scan would fill the ring.
  spanEnd(context, 'block.load', calledMs < 0 ? startMs : calledMs, partition.index, first, frames.length)
}
