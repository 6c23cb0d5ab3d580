/**
 * Which blocks are cached, the most worth keeping first; and that a block was worth keeping before. For a cache that is opened
 * again after it was closed.
 */
import { load } from '#atomics'
import { keyHighOf, keyLowOf } from '../../shared/key.js'
import { blockOf, type Context, partitionOf, type PartitionView } from '../context.js'
import { lockSoon } from '../wait/lock-soon.js'
import { Frame, Header, State } from '../../shared/words.js'

/** Cached blocks: of the i-th the number of its partition and its block. */
export interface Cached {
  readonly partitions: Uint16Array
  readonly blocks: Float64Array
}

/** All blocks with contents, in order of worth. None if the policy's state stays locked. @takes policy mutex */
export function cachedByWorth(context: Context): Cached {
  const { words, arena, policy, policyMutex } = context
  const frames: number[] = []
  const ranks = new Float64Array(arena.frames)
  if (!lockSoon(context, policyMutex)) return { partitions: new Uint16Array(), blocks: new Float64Array() }
  policy.drain()
  for (let frame = 0; frame < arena.frames; frame++) {
    const at = arena.frameAt(frame)
    if (words[at + Frame.keyHigh] === 0 || (load(words, at + Frame.state) & State.ABSENT) !== 0) continue
    ranks[frame] = policy.rank(frame)
    frames.push(frame)
  }
  policyMutex.unlock()
  frames.sort((a, b) => ranks[a]! - ranks[b]!)
  return {
    partitions: Uint16Array.from(frames, (frame) => partitionOf(words, arena.frameAt(frame))),
    blocks: Float64Array.from(frames, (frame) => blockOf(words, arena.frameAt(frame))),
  }
}

/** The next fills of these blocks count as returns of blocks that were evicted. Does nothing if the policy is locked. */
export function expect(context: Context, partition: PartitionView, first: number, count: number): void {
  const { policy, policyMutex } = context
  if (!lockSoon(context, policyMutex)) return
  for (let block = first; block < first + count; block++)
    policy.expect(keyHighOf(partition.index, block), keyLowOf(block))
  policyMutex.unlock()
}

/** How many frames have no block at this moment. */
export const freeFrames = ({ words }: Context): number => words[Header.freeCount]!
