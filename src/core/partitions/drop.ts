/**
 * Dropping a partition: none of its blocks is used any more, by no thread, when its descriptor is closed.
 *
 *   OPEN --flush--> LEAVING --no guard, no read under way--> flush --> no frame has a block of it --> FREE
 *                      '--a holder, or a failed write--> OPEN
 *
 * From LEAVING on no call gets a block: each looks at the standing after it has a latch or a pin, and before a frame gets the
 * key of a block, under the stripe of its chain. So once each stripe was taken, no frame gets a key of the partition any more
 * (standing.ts, decision D61). A block that a round is writing keeps its frame until the round has synced it, or failed: so when no
 * frame has a block of the partition, no round has to do with it.
 */
import { load, store } from '#atomics'
import { CacheError } from '../../shared/errors.js'
import { freePartition, setPartitionState } from '../../shared/engine-state.js'
import type { FrameIndex } from '../../shared/indices.js'
import { isLatched, pinsOf } from '../../shared/latch.js'
import type { Deadline, Slow } from '../../shared/wait.js'
import { forgetBlock } from '../blocks/forget.js'
import { freeFrame } from '../blocks/frames.js'
import { flush, type FlushTarget, lockRound, unlockRound } from '../changes/rounds.js'
import { blockOf, type Context, partitionOf, type PartitionView } from '../context.js'
import { holders } from '../inspect/holders.js'
import { lineOf } from '../inspect/holders-text.js'
import { waitForMutex } from '../wait/wait-graph.js'
import { Fence, Frame, Group, Partition, PartitionState } from '../../shared/words.js'

/** Milliseconds until a frame that is held is looked at again. */
const HELD_MS = 2

/** What a drop does in a group with a journal, in addition (owner-journals.ts). */
export interface JournalSteps {
  /** In place of a flush, after which a block may be durable in the journal only, and its frame could not be cleared. */
  readonly place: () => Slow<void>
  /** Erases the journal's records, which may have blocks of the partition, when no frame has one any more. */
  readonly erase: () => Slow<void>
}

/**
 * Drops a partition, and frees its number. With `flushes` its changes are made durable before; else they are forgotten. If it
 * fails, the partition is as it was. The caller closes its file.
 * @takes stripes, policy mutex, round mutex, one after the other
 * @throws ERR_DCACHE_GUARDS_HELD, naming the holders; ERR_DCACHE_FENCED, ERR_DCACHE_TIMEOUT
 */
export function* drop(
  context: Context,
  partition: PartitionView,
  flushes: boolean,
  deadline: Deadline,
  journal?: JournalSteps,
): Slow<void> {
  const { arena } = context
  const { index } = partition
  const settle = journal?.place ?? (() => flush(context, [allOf(context, partition)]))
  if (flushes) yield* settle()
  setPartitionState(arena, index, PartitionState.LEAVING)
  try {
    yield* untilFree(context, partition, 0, deadline)
    if (flushes) yield* settle()
    yield* clear(context, partition, 0, deadline)
    yield* unfence(context, partition, deadline)
    if (journal !== undefined) yield* journal.erase()
  } catch (error) {
    setPartitionState(arena, index, PartitionState.OPEN)
    throw error
  }
  freePartition(arena, index)
}

/** What a flush of the whole partition covers. */
function allOf(context: Context, { index, group }: PartitionView): FlushTarget {
  return { group, covers: (frame) => partitionOf(context.words, context.arena.frameAt(frame)) === index }
}

/** The frames that have a block of the partition from `first` on. */
function framesOf({ words, arena }: Context, { index }: PartitionView, first: number): FrameIndex[] {
  const frames: FrameIndex[] = []
  for (let frame = 0; frame < arena.frames; frame++) {
    const at = arena.frameAt(frame)
    if (partitionOf(words, at) === index && blockOf(words, at) >= first) frames.push(frame)
  }
  return frames
}

/**
 * Waits until no frame gets a key of these blocks any more, and none of them is held.
 * @requires that their standing was changed @throws ERR_DCACHE_GUARDS_HELD
 */
export function* untilFree(
  context: Context,
  partition: PartitionView,
  first: number,
  deadline: Deadline,
): Slow<void> {
  const { words, arena } = context
  for (const stripe of context.stripes) {
    if (!stripe.tryLock(context.slot.index)) yield* waitForMutex(context, stripe, deadline)
    stripe.unlock()
  }
  const isHeld = (frame: FrameIndex) => {
    const word = load(words, arena.frameAt(frame) + Frame.latch)
    return pinsOf(word) > 0 || isLatched(word)
  }
  for (;;) {
    const held = framesOf(context, partition, first).filter(isHeld)
    if (held.length === 0) return
    if (deadline.leftMs() <= 0) throw heldError(context, partition, first)
    yield* pause(context, held[0]!)
  }
}

/** Drops these blocks from the cache, dirty or not. @requires that none of them can be held for long any more */
export function* clear(
  context: Context,
  partition: PartitionView,
  first: number,
  deadline: Deadline,
): Slow<void> {
  for (;;) {
    const frames = framesOf(context, partition, first)
    for (const frame of frames) {
      forgetBlock(context, partition, frame, first)
      freeFrame(context, frame, (mutex) => mutex.tryLock(context.slot.index))
    }
    const [left] = framesOf(context, partition, first)
    context.rounds[partition.group]!.signal()
    context.freed.signal()
    if (left === undefined) return
    if (deadline.leftMs() <= 0) throw heldError(context, partition, first)
    yield* pause(context, left)
  }
}

/** Lifts the fence of a partition that has nothing to write any more. @takes round mutex */
function* unfence(context: Context, { index, group }: PartitionView, deadline: Deadline): Slow<void> {
  const { words, arena } = context
  const at = arena.partitionAt(index)
  yield* lockRound(context, group, deadline)
  if (words[at + Partition.fenced] !== Fence.OPEN) {
    store(words, at + Partition.fenced, Fence.OPEN)
    words[arena.groupAt(group) + Group.fences]!--
  }
  unlockRound(context, group)
}

/** Waits until a frame changes hands, or for some milliseconds. @throws the error of notOpenError, if the engine stops */
function* pause(context: Context, frame: FrameIndex): Slow<void> {
  const { words, arena } = context
  context.assertRunning()
  const at = arena.frameAt(frame) + Frame.latch
  yield { kind: 'wait', words, at, value: load(words, at), timeoutMs: HELD_MS }
}

function heldError(context: Context, { name }: PartitionView, first: number): CacheError {
  const held = holders(context).filter(
    ({ what, partition, block = 0 }) => what === 'holds' && partition === name && block >= first,
  )
  const use = held.length === 0 ? 'a block is being written' : held.slice(0, 5).map(lineOf).join('; ')
  return new CacheError('ERR_DCACHE_GUARDS_HELD', `partition '${name}' is in use: ${use}; release the guards`)
}
