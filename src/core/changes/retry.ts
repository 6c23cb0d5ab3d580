/**
 * Retry after a failure: opens the fence for one attempt. Everything that is not durable is written again, never only
 * fsynced: the system reports a failed fsync once, and then marks the pages clean.
 */
import { load, store } from '#atomics'
import { Deadline, type Slow, timedOut } from '../../shared/wait.js'
import { want } from '../wait/bell.js'
import type { Context, PartitionView } from '../context.js'
import { fencedError } from '../wait/failure.js'
import { Watch } from '../wait/watch.js'
import { hasJournal } from './recorded.js'
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
  if (!hasJournal(context, partition.group)) return
  // The record was written. Then the blocks are written in place, and only that ends the attempt.
  const { group } = partition
  const round = context.rounds[group]!
  const watch = new Watch(context)
  const deadline = new Deadline()
  yield* round.until(
    () => (load(words, fencedAt) === Fence.RETRYING ? undefined : true),
    () => {
      watch.look()
      return deadline
    },
    () => timedOut(`the blocks of '${partition.name}' were not written in place`, deadline.timeoutMs),
  )
  if (load(words, fencedAt) === Fence.FENCED) throw fencedError(context, group)
}
