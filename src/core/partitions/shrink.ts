/**
 * Making a partition smaller: none of the blocks beyond the new end is used any more, by no thread, when the file is cut. As a
 * drop (drop.ts), for a part of the partition.
 */
import { announce } from '../../shared/engine-state.js'
import { storeBlocks } from '../../shared/partition-record.js'
import type { Deadline, Slow } from '../../shared/wait.js'
import type { Context, PartitionView } from '../context.js'
import { clear, untilFree } from './drop.js'

/**
 * Sets the size to `blocks`, which is smaller than before, and forgets what is beyond, durable or not. If it fails, the size is as
 * before. The caller cuts the file.
 * @takes stripes, policy mutex, round mutex, one after the other @throws ERR_DCACHE_GUARDS_HELD, naming the holders
 */
export function* shrink(
  context: Context,
  partition: PartitionView,
  blocks: number,
  deadline: Deadline,
): Slow<void> {
  const before = partition.look()
  setBlocks(context, partition, blocks)
  try {
    yield* untilFree(context, partition, blocks, deadline)
    yield* clear(context, partition, blocks, deadline)
  } catch (error) {
    setBlocks(context, partition, before)
    throw error
  }
}

/** Changes the size, and tells every call that it has changed. Called by the owner. */
export function setBlocks({ words, arena }: Context, { index }: PartitionView, blocks: number): void {
  storeBlocks(arena, index, blocks)
  announce(words)
}
