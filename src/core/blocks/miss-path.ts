/**
 * The miss path of one thread: an absent block to read, if that takes no wait for another thread.
 *
 *   absent --take--> latched, a key, no contents --fill--> contents, and a pin in place of the latch
 *                                                '-failed-> the key, no contents, unlatched
 *
 * A thread comes here from a system call that has emptied the processor's caches, and goes into another. What a miss costs
 * is fetching its code again, more than running it. So both steps are closures over the thread's context, like the hit path,
 * and `take` calls as few functions as it can (decision D50). A wait for a lock or a frame is left to the slow path
 * (acquire.ts, frames.ts).
 */
import { performance } from 'node:perf_hooks'
import { compareExchange } from '#atomics'
import { clockMs } from '../../shared/clock.js'
import { hashOf } from '../../shared/hash.js'
import type { FrameIndex } from '../../shared/indices.js'
import { asWriter } from '../../shared/latch.js'
import { TRACE } from '../../shared/trace.js'
import { Counter, Latency, PartitionCounter } from '../../shared/counter-words.js'
import { Frame, Journal, Latch, State } from '../../shared/words.js'
import {
  assertLatched,
  blockOf,
  type Context,
  enter,
  leave,
  partitionOf,
  type PartitionView,
} from '../context.js'
import { spanEnd } from '../spans.js'
import { assertStanding, isStanding } from '../standing.js'
import { hasMissListeners } from '../told.js'
import { hasKey, WALK_MAX } from './directory.js'
import { giveBackNow, readFailed } from './frames.js'
import { chooseFrame, type Purpose } from './victims.js'

/** One fill in so many is timed, and its time also counts for those that follow it. */
const TIMED_EACH = 16

export interface MissPath {
  /**
   * Latches a frame for an absent block; the frame has no contents yet. Returns
   * -1 if the block has contents, is held, or a lock or a frame is not available at once; or if the partition may not stand.
   * @takes policy mutex, stripes, one after the other
   */
  readonly take: (partition: PartitionView, keyHigh: number, keyLow: number, purpose: Purpose) => FrameIndex
  /**
   * Reads a block into a frame from `take`, turns the latch into a pin, journaled in `entry`, and counts a miss.
   * @requires the frame's latch, which is released; a thread that may block
   * @throws ERR_DCACHE_READ_FAILED, and what `standingError` returns
   */
  readonly fill: (partition: PartitionView, block: number, frame: FrameIndex, entry: number) => void
}

export function missPath(context: Context): MissPath {
  const { words, framesAt, bucketsAt, buckets, slot, policyMutex, stripes, latches, freed, arena } = context
  const { counters, partitionCounters } = arena
  const { countersAt } = slot
  const stripeMask = stripes.length - 1
  const latched = asWriter(slot.index)
  const { isTraced, tracesBlocks, tracer } = context
  let lastMs = 0
  /** When `take` was called, if it is traced: the beginning of the fill that follows. */
  let takenMs = 0

  /** Latches the frame that has the block's key, if it has no contents. */
  function takeNamed(frame: FrameIndex, keyHigh: number, keyLow: number): FrameIndex {
    const at = framesAt + frame * Frame.WORDS
    if ((words[at + Frame.state]! & State.ABSENT) === 0 || !enter(context, frame)) return -1
    if (hasKey(context, at, keyHigh, keyLow) && (words[at + Frame.state]! & State.ABSENT) !== 0) return frame
    leave(context, frame)
    return -1
  }

  function take(partition: PartitionView, keyHigh: number, keyLow: number, purpose: Purpose): FrameIndex {
    takenMs = isTraced || hasMissListeners() ? performance.now() : 0
    const bucket = hashOf(buckets, keyHigh, keyLow)
    let link = words[bucketsAt + bucket]!
    for (let steps = WALK_MAX; link !== 0 && steps > 0; steps--) {
      const at = framesAt + (link - 1) * Frame.WORDS
      if (words[at + Frame.keyLow] === keyLow && words[at + Frame.keyHigh] === keyHigh)
        return takeNamed(link - 1, keyHigh, keyLow)
      link = words[at + Frame.next]!
    }
    // If the walk missed the block, this evicts another in vain: the search under the stripe finds it.
    if (!policyMutex.tryLock(slot.index)) return -1
    const frame = chooseFrame(context, keyHigh, keyLow, purpose)
    policyMutex.unlock()
    if (frame < 0) return -1
    const at = framesAt + frame * Frame.WORDS
    if (words[at + Frame.keyHigh] !== 0) {
      // As evict and unname in frames.ts.
      const oldBucket = hashOf(buckets, words[at + Frame.keyHigh]!, words[at + Frame.keyLow]!)
      const oldStripe = stripes[oldBucket & stripeMask]!
      if (!oldStripe.tryLock(slot.index)) {
        leave(context, frame) // unchanged, so it can be a victim again
        return -1
      }
      if (tracesBlocks) tracer.record(TRACE['block.evict'], partitionOf(words, at), blockOf(words, at), frame)
      words[at + Frame.state]! |= State.ABSENT
      let linkAt = bucketsAt + oldBucket
      while (words[linkAt] !== frame + 1) linkAt = framesAt + (words[linkAt]! - 1) * Frame.WORDS + Frame.next
      words[linkAt] = words[at + Frame.next]!
      words[at + Frame.keyHigh] = 0
      oldStripe.unlock()
      counters[countersAt + Counter.evictions]! += 1
      if ((words[at + Frame.latch]! & Latch.MARKS) !== 0) latches.wakeAll(frame)
    }
    // As insertFrame in frames.ts.
    const stripe = stripes[bucket & stripeMask]!
    if (!stripe.tryLock(slot.index)) {
      giveBackNow(context, frame)
      return -1
    }
    const first = words[bucketsAt + bucket]!
    for (link = first; link !== 0;) {
      const otherAt = framesAt + (link - 1) * Frame.WORDS
      if (words[otherAt + Frame.keyLow] === keyLow && words[otherAt + Frame.keyHigh] === keyHigh) break
      link = words[otherAt + Frame.next]!
    }
    if (link !== 0 || !isStanding(context, partition)) {
      stripe.unlock()
      giveBackNow(context, frame)
      return -1
    }
    words[at + Frame.keyLow] = keyLow
    words[at + Frame.keyHigh] = keyHigh
    words[at + Frame.next] = first
    words[bucketsAt + bucket] = frame + 1
    stripe.unlock()
    return frame
  }

  function fill(partition: PartitionView, block: number, frame: FrameIndex, entry: number): void {
    assertLatched(context, frame)
    const at = framesAt + frame * Frame.WORDS
    const isTimed = partition.untimed === 0
    const startMs = isTimed ? performance.now() : 0
    partition.untimed = isTimed ? TIMED_EACH - 1 : partition.untimed - 1
    words[at + Frame.since] = isTimed ? clockMs(startMs) : 0
    slot.enterIo()
    try {
      assertStanding(context, partition, block)
      partition.device.readSync([context.view(partition, frame)], block * partition.blockSize)
    } catch (cause) {
      const error = readFailed(context, partition, block, [frame], cause)
      leave(context, frame)
      throw error
    } finally {
      slot.leaveIo()
    }
    if (takenMs > 0) spanEnd(context, 'block.load', takenMs, partition.index, block, 1)
    words[at + Frame.state] = 0
    words[entry] = (frame << 2) | Journal.TAKING
    if (compareExchange(words, at + Frame.latch, latched, 1) !== latched) latches.downgrade(frame)
    words[entry] = (frame << 2) | Journal.HELD
    freed.signal()
    const ownAt = partition.countersAt
    partitionCounters[ownAt + PartitionCounter.diskReads]! += 1
    partitionCounters[ownAt + PartitionCounter.diskReadBytes]! += partition.blockSize
    partitionCounters[ownAt + PartitionCounter.misses]! += 1
    if (isTimed) {
      lastMs = performance.now() - startMs
      partition.measured(Latency.read, lastMs, TIMED_EACH)
    }
    counters[countersAt + Counter.lookupTimeMs]! += lastMs
  }

  return { take, fill }
}
