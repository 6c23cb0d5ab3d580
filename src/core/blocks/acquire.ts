/**
 * The cache: getting a block and giving it back, with the whole control flow in one place.
 *
 * A hit (hit.ts) never comes in here. Everything else is one generator, `acquireSlow`, written once for threads that
 * block and threads that await:
 *
 *   look --not found--> take a frame, name it, latched ----------------------------.
 *    |  --found, to read, has its contents--> pin ---------------------> done      |
 *    |  --found--> latch --somebody is in: wait, look again                        |
 *    |               `--> has no contents: read them (or zeros to overwrite) <-----'
 *    |                     |--to read--> downgrade to a pin -----------> done
 *    `--limit reached------'--to change: an undo image if dirty, CHANGING --> done
 *
 * At every wait nothing is held but latches of this very block; where a wait could need what a round frees, not even
 * that. A journal entry is lent to other calls of the thread while this one waits for them or for other threads (entry.ts).
 */
import { performance } from 'node:perf_hooks'
import { clockMs } from '../../shared/clock.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Slow } from '../../shared/wait.js'
import { type Core, enter, leave, type PartitionView } from '../context.js'
import { giveEntry, keepEntry, lendEntry, takeEntry } from './entry.js'
import { find, findSurely, isNamed } from './directory.js'
import { insertFrame, takeFrame } from './frames.js'
import { isFull, isStillPinned, pinNamed } from './hit.js'
import { beginChange } from '../changes/images.js'
import { countMisses, keepPin, load, loadBoth, loadSync } from './fill.js'
import type { Request } from './request.js'
import { type ImageWait, takeImage, waitedForLimit, waitForLatch, waitForImage } from './stall.js'
import { Counter, Frame, State } from '../../shared/words.js'

/**
 * A miss to read that meets nobody, without a generator: from a frame that `takeAbsent` gave to a pin. In a sequence the
 * blocks behind it are loaded by the same call, as many as `together` with it.
 * @requires the frame's latch, which is given up; a thread that may block
 * @throws ERR_DCACHE_READ_FAILED, ERR_DCACHE_CLOSED
 */
export function missSync(
  core: Core,
  partition: PartitionView,
  block: number,
  frame: FrameIndex,
  entry: number,
  together: number,
): void {
  const startMs = performance.now()
  core.words[core.arena.frameAt(frame) + Frame.since] = clockMs(startMs)
  try {
    if (together === 1 || !loadBoth(core, partition, block, frame, together - 1))
      loadSync(core, partition, block, [frame])
  } catch (error) {
    leave(core, frame)
    throw error
  }
  keepPin(core, frame, entry)
  countMisses(core, 1, startMs)
}

/**
 * The block's frame: pinned for `read`, else latched and CHANGING. The request has the entry of its guard then.
 * @throws ERR_DCACHE_READ_FAILED, _TIMEOUT, _EXHAUSTED, _FENCED, _DEADLOCK, _GUARDS, _CLOSED; nothing is held then
 */
export function* acquireSlow(core: Core, request: Request): Slow<FrameIndex> {
  try {
    const frame = yield* acquireFrame(core, request)
    keepEntry(core, request)
    return frame
  } catch (error) {
    giveEntry(core, request)
    throw error
  }
}

function* acquireFrame(core: Core, request: Request): Slow<FrameIndex> {
  const { words, arena } = core
  const { place, low, mode, deadline } = request
  let missedAtMs = -1
  for (;;) {
    core.assertOpen()
    yield* takeEntry(core, request)
    let frame = find(core, place, low)
    if (frame < 0) frame = yield* findSurely(core, place, low, deadline)
    const stateAt = frame < 0 ? -1 : arena.frameAt(frame) + Frame.state
    if (mode !== 'read' && (stateAt < 0 || (words[stateAt]! & State.CLASS_MASK) === 0)) {
      if (yield* waitedForLimit(core, request)) continue
    }
    if (frame < 0 || (words[stateAt]! & State.ABSENT) !== 0)
      missedAtMs = missedAtMs < 0 ? performance.now() : missedAtMs
    if (frame < 0) {
      frame = yield* takeFrame(core, request)
      if (!(yield* insertFrame(core, frame, place, low, deadline))) continue
    } else {
      const isRead = mode === 'read' && (words[stateAt]! & State.ABSENT) === 0
      let isIn = isRead ? pinNamed(core, frame, place, low, request.entry) : enter(core, frame)
      let isPinned = isRead
      if (!isIn) {
        const entered = yield* waitForLatch(core, request, frame)
        isPinned = entered === 'pinned'
        isIn = entered === 'latched' || (isPinned && isStillPinned(core, frame, place, low, request.entry))
      }
      if (!isIn) continue
      if (isPinned) {
        countLookup(core, frame, missedAtMs)
        return frame
      }
      if (!isNamed(core, arena.frameAt(frame), place, low)) {
        leave(core, frame)
        continue
      }
    }
    words[arena.frameAt(frame) + Frame.since] = clockMs()
    const imageWait = yield* prepareLatched(core, request, frame)
    if (imageWait !== undefined) {
      lendEntry(core, request)
      yield* waitForImage(core, request, imageWait)
      continue
    }
    countLookup(core, frame, missedAtMs)
    return frame
  }
}

/**
 * From the latch to what was asked for: contents, then a pin, or an image and CHANGING. Where the image can't be had
 * now the frame is let go, and what to wait for is returned. Whatever it throws, the frame is let go first.
 * @requires the frame's latch
 */
function* prepareLatched(core: Core, request: Request, frame: FrameIndex): Slow<ImageWait | undefined> {
  const { words, arena } = core
  const at = arena.frameAt(frame)
  try {
    if ((words[at + Frame.state]! & State.ABSENT) !== 0) {
      if (request.mode === 'overwrite') zero(core, frame, request.partition.blockSize)
      else yield* load(core, request.partition, request.block, [frame])
    }
    if (request.mode === 'read') {
      keepPin(core, frame, request.entry)
      return undefined
    }
    const isClean = (words[at + Frame.state]! & State.CLASS_MASK) === 0
    // Looked at again: others may have come as far while this one read its block.
    const isOverLimit = isClean && isFull(core, request.partition.group)
    const imageWait = isOverLimit ? 'limit' : isClean ? undefined : yield* takeImage(core, request, frame)
    if (imageWait === undefined) {
      beginChange(core, frame)
    } else {
      leave(core, frame)
    }
    return imageWait
  } catch (error) {
    leave(core, frame)
    throw error
  }
}

function countLookup(core: Core, frame: FrameIndex, missedAtMs: number): void {
  if (missedAtMs < 0) {
    core.slot.count(Counter.hits)
    core.policy.note(frame)
  } else {
    countMisses(core, 1, missedAtMs)
  }
}

const ZEROS = new Uint8Array(65536)
/** `set` of zeros is several times faster than `fill(0)` on shared memory. */
function zero(core: Core, frame: FrameIndex, length: number): void {
  core.arena.segment(frame).set(ZEROS.subarray(0, length), core.arena.offset(frame))
}
