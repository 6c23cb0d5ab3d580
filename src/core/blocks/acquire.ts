/**
 * The slow path of acquire: everything except a hit (hit.ts), with the whole control flow in one generator, `acquireSlow`,
 * for threads that block and threads that await.
 *
 *   find --not found--> take a frame, latched, and give it the key -----------------.
 *    |  --found, to read, has its contents--> pin ---------------------> done      |
 *    |  --found--> latch --held by another: wait, find again                       |
 *    |               `--> has no contents: read them (or zeros to overwrite) <-----'
 *    |                     |--to read--> downgrade to a pin -----------> done
 *    `--limit reached------'--to change: an undo image if dirty, CHANGING --> done
 *
 * While the call waits it holds nothing but latches of this block; while it waits for something that a round frees, it does
 * not even hold those. It lends its journal entry to other calls of the thread while it waits for them or for other threads
 * (entry.ts).
 */
import { performance } from 'node:perf_hooks'
import { clockMs } from '../../shared/clock.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Slow } from '../../shared/wait.js'
import { type Context, enter, leave, type PartitionView, assertLatched } from '../context.js'
import { assertStanding } from '../standing.js'
import { returnEntry, keepEntry, lendEntry, takeEntry } from './entry.js'
import { find, findSurely, hasKey } from './directory.js'
import { insertFrame, takeFrame } from './frames.js'
import { isFull } from '../limits.js'
import { isStillPinned, pinNamed } from './hit.js'
import { beginChange } from '../changes/images.js'
import { countMisses, keepPin, fill, fillBoth } from './fill.js'
import type { MissPath } from './miss-path.js'
import type { Request } from './request.js'
import { type ImageWait, takeImage, waitedForLimit, waitForLatch, waitForImage } from './stall.js'
import { PartitionCounter } from '../../shared/counter-words.js'
import { Frame, State } from '../../shared/words.js'

/**
 * A miss to read that does not wait for other threads, without a generator: fills a frame that `take` returned, and turns the
 * latch into a pin. In a sequential read the same device call also fills the blocks behind it, up to `together` blocks in all.
 * @requires the frame's latch, which is released; a thread that may block
 * @throws ERR_DCACHE_READ_FAILED, ERR_DCACHE_CLOSED
 */
export function missSync(
  context: Context,
  misses: MissPath,
  partition: PartitionView,
  block: number,
  frame: FrameIndex,
  entry: number,
  together: number,
): void {
  if (together > 1) {
    const startMs = performance.now()
    context.words[context.arena.frameAt(frame) + Frame.since] = clockMs(startMs)
    if (fillBoth(context, misses, partition, block, frame, together - 1, startMs)) {
      keepPin(context, frame, entry)
      countMisses(context, partition, 1, startMs)
      return
    }
  }
  misses.fill(partition, block, frame, entry)
}

/**
 * Acquires a block's frame: pinned for `read`, else latched and CHANGING. `request.entry` is then the guard's journal entry.
 * @throws ERR_DCACHE_READ_FAILED, _TIMEOUT, _EXHAUSTED, _FENCED, _DEADLOCK, _GUARDS, _CLOSED; nothing is held then
 */
export function* acquireSlow(context: Context, request: Request): Slow<FrameIndex> {
  try {
    const frame = yield* acquireFrame(context, request)
    keepEntry(context, request)
    return frame
  } catch (error) {
    returnEntry(context, request)
    throw error
  }
}

function* acquireFrame(context: Context, request: Request): Slow<FrameIndex> {
  const { words, arena } = context
  const { keyHigh, keyLow, mode, deadline } = request
  let missedAtMs = -1
  for (;;) {
    assertStanding(context, request.partition, request.block)
    yield* takeEntry(context, request)
    let frame = find(context, keyHigh, keyLow)
    if (frame < 0) frame = yield* findSurely(context, keyHigh, keyLow, deadline)
    const stateAt = frame < 0 ? -1 : arena.frameAt(frame) + Frame.state
    if (mode !== 'read' && (stateAt < 0 || (words[stateAt]! & State.CLASS_MASK) === 0)) {
      if (yield* waitedForLimit(context, request)) continue
    }
    if (frame < 0 || (words[stateAt]! & State.ABSENT) !== 0)
      missedAtMs = missedAtMs < 0 ? performance.now() : missedAtMs
    if (frame < 0) {
      frame = yield* takeFrame(context, request)
      if (!(yield* insertFrame(context, frame, request))) continue
    } else {
      const isRead = mode === 'read' && (words[stateAt]! & State.ABSENT) === 0
      let isIn = isRead ? pinNamed(context, frame, keyHigh, keyLow, request.entry) : enter(context, frame)
      let isPinned = isRead
      if (!isIn) {
        const entered = yield* waitForLatch(context, request, frame)
        isPinned = entered === 'pinned'
        isIn =
          entered === 'latched' || (isPinned && isStillPinned(context, frame, keyHigh, keyLow, request.entry))
      }
      if (!isIn) continue
      if (isPinned) {
        countLookup(context, request.partition, frame, missedAtMs)
        return frame
      }
      if (!hasKey(context, arena.frameAt(frame), keyHigh, keyLow)) {
        leave(context, frame)
        continue
      }
    }
    words[arena.frameAt(frame) + Frame.since] = clockMs()
    const imageWait = yield* prepareLatched(context, request, frame, missedAtMs)
    if (imageWait !== undefined) {
      lendEntry(context, request)
      yield* waitForImage(context, request, imageWait)
      continue
    }
    countLookup(context, request.partition, frame, missedAtMs)
    return frame
  }
}

/**
 * Gets a latched frame ready: contents, then a pin, or an undo image and CHANGING. If the image is not available now,
 * releases the frame and returns what to wait for. Also releases the frame before it throws.
 * @requires the frame's latch
 */
function* prepareLatched(
  context: Context,
  request: Request,
  frame: FrameIndex,
  missedAtMs: number,
): Slow<ImageWait | undefined> {
  assertLatched(context, frame)
  const { words, arena } = context
  const at = arena.frameAt(frame)
  try {
    // A frame with this key may by now be of the next partition with the number.
    assertStanding(context, request.partition, request.block)
    if ((words[at + Frame.state]! & State.ABSENT) !== 0) {
      if (request.mode === 'overwrite') zero(context, frame, request.partition.blockSize)
      else yield* fill(context, request.partition, request.block, [frame], missedAtMs)
    }
    if (request.mode === 'read') {
      keepPin(context, frame, request.entry)
      return undefined
    }
    const isClean = (words[at + Frame.state]! & State.CLASS_MASK) === 0
    // Rechecked: other threads may have reached the limit while this one read its block.
    const isOverLimit = isClean && isFull(context, request.partition)
    const imageWait = isOverLimit ? 'limit' : isClean ? undefined : yield* takeImage(context, request, frame)
    if (imageWait === undefined) {
      beginChange(context, frame)
    } else {
      leave(context, frame)
    }
    return imageWait
  } catch (error) {
    leave(context, frame)
    throw error
  }
}

function countLookup(
  context: Context,
  partition: PartitionView,
  frame: FrameIndex,
  missedAtMs: number,
): void {
  if (missedAtMs < 0) {
    partition.count(PartitionCounter.hits)
    context.policy.note(frame)
  } else {
    countMisses(context, partition, 1, missedAtMs)
  }
}

const ZEROS = new Uint8Array(65536)
/** Zeroes a block. On shared memory, `set` from an array of zeros is several times faster than `fill(0)`. */
function zero(context: Context, frame: FrameIndex, length: number): void {
  context.arena.segment(frame).set(ZEROS.subarray(0, length), context.arena.offset(frame))
}
