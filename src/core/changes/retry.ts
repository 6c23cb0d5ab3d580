/**
 * Retry after a failure: opens the fence for one attempt. Everything that is not durable is written again, never only
 * fsynced: the system reports a failed fsync once, and then marks the pages clean.
 */
import { store } from '#atomics'
import { Deadline, type Slow } from '../../shared/wait.js'
import { want } from '../wait/bell.js'
import type { Context, PartitionView } from '../context.js'
import { flush, lockRound, unlockRound } from './rounds.js'
import { Fence, Group, Partition } from '../../shared/words.js'

/** Writes everything in the partition's group that is not durable. @throws ERR_DCACHE_FENCED if it fails again */
export function* retry(context: Context, partition: PartitionView): Slow<void> {
  const { words, arena } = context
  const fencedAt = arena.partitionAt(partition.index) + Partition.fenced
  yield* lockRound(context, partition.group, new Deadline())
  if (words[fencedAt] === Fence.FENCED) store(words, fencedAt, Fence.RETRYING)
  want(context, partition.group, words[arena.groupAt(partition.group) + Group.epoch]!)
  unlockRound(context, partition.group)
  yield* flush(context, [{ group: partition.group }])
}
