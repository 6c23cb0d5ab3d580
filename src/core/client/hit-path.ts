/**
 * The hit path of one thread: acquiring a cached block to read, its bytes, and its release. The path walks the hash chain
 * with plain loads, pins with one compare-and-swap on the frame's own latch word, and checks the key again.
 *
 * The functions are closures over the thread's context, created once, and `read` calls as few helpers as possible. V8 then
 * compiles it with the addresses, the typed arrays and their bounds as constants; what it reads from the fields of an
 * argument, or in a helper that was not inlined, it must look up and check at every step. That took a third of a hit
 * (decision D20).
 */
import type { FrameIndex } from '../../shared/indices.js'
import { hashOf } from '../../shared/hash.js'
import { tryPin } from '../../shared/latch.js'
import { PartitionCounter } from '../../shared/counter-words.js'
import { Frame, Journal, State } from '../../shared/words.js'
import { copyHit } from '../blocks/copy.js'
import type { Context, PartitionView } from '../context.js'
import { WALK_MAX } from '../blocks/directory.js'
import { guardOf } from './guard.js'
import type { HitPath } from './guard-owner.js'
import { unpinFrame } from '../blocks/hit.js'
import { How } from './how.js'

export function hitPath(context: Context): HitPath {
  const { words, framesAt, bucketsAt, buckets, slot, policy, arena } = context

  const { partitionCounters } = arena

  const used = ({ countersAt }: PartitionView, frame: FrameIndex): void => {
    partitionCounters[countersAt + PartitionCounter.hits]! += 1
    policy.note(frame)
    // Hands this thread's notes to the policy, unless another thread holds the mutex.
    if (policy.notesDue && context.policyMutex.tryLock(slot.index)) {
      policy.drain()
      context.policyMutex.unlock()
    }
  }

  const unpin = (frame: FrameIndex, entry: number): void => {
    unpinFrame(context, frame, entry)
    slot.returnEntry(entry)
  }

  return {
    used,

    read(partition, keyHigh, block, sync) {
      const keyLow = block | 0
      let link = words[bucketsAt + hashOf(buckets, keyHigh, keyLow)]!
      for (let steps = WALK_MAX; link !== 0 && steps > 0; steps--) {
        const frame = link - 1
        const at = framesAt + frame * Frame.WORDS
        if (words[at + Frame.keyLow] !== keyLow || words[at + Frame.keyHigh] !== keyHigh) {
          link = words[at + Frame.next]!
          continue
        }
        if (slot.isFull) return undefined
        const entry = slot.takeEntry()
        words[entry] = (frame << 2) | Journal.TAKING
        if (!tryPin(words, at + Frame.latch)) {
          words[entry] = Journal.FREE
          slot.returnEntry(entry)
          return undefined
        }
        words[entry] = (frame << 2) | Journal.HELD
        if (
          words[at + Frame.keyLow] !== keyLow ||
          words[at + Frame.keyHigh] !== keyHigh ||
          (words[at + Frame.state]! & State.ABSENT) !== 0
        ) {
          unpin(frame, entry)
          return undefined
        }
        used(partition.view, frame)
        return guardOf(context, partition, block, frame, entry, How.READ | sync)
      }
      return undefined
    },

    copy(view, keyHigh, keyLow, span, target) {
      const frame = copyHit(context, view, keyHigh, keyLow, span, target)
      if (frame < 0) return false
      used(view, frame)
      return true
    },

    unpin,
    bytes: (frame) => arena.segment(frame),
    offset: (frame) => arena.offset(frame),
  }
}
