/**
 * After a failure: the fence is lifted for one try. Everything that is not durable is written again, never just
 * fsynced: the system reports a failed fsync once, and marks the pages clean.
 */
import { store } from '#atomics'
import { Deadline, type Slow } from '../../shared/wait.js'
import { want } from '../wait/bell.js'
import type { Context, PartitionView } from '../context.js'
import { flush, lockRound, unlockRound } from './rounds.js'
import { Fence, Group, Partition } from '../../shared/words.js'

/** Writes what is not durable of the partition's group. @throws ERR_DCACHE_FENCED when it fails again */
export function* retry(context: Context, partition: PartitionView): Slow<void> {
  const { words, arena } = context
  const fencedAt = arena.partitionAt(partition.index) + Partition.fenced
  yield* lockRound(context, partition.group, new Deadline())
  if (words[fencedAt] === Fence.FENCED) store(words, fencedAt, Fence.RETRYING)
  want(context, partition.group, words[arena.groupAt(partition.group) + Group.epoch]!)
  unlockRound(context, partition.group)
  yield* flush(context, [{ group: partition.group }])
}
