/**
 * The dirty limits. Each group gets an equal part of the frames in use; the owner sets that when it opens the cache, and when it
 * changes settings. A partition with a share of the frames may have the same part of them dirty as the cache of all: else it could
 * have only dirty ones, and none to read with.
 */
import { load, store } from '#atomics'
import type { Arena } from '../shared/arena.js'
import type { Settings } from '../shared/settings.js'
import type { Context, PartitionView } from './context.js'
import { framesIn } from '../shared/partition-record.js'
import { Group, Partition } from '../shared/words.js'

const NEVER = 2 ** 31 - 1

export function storeLimits(arena: Arena, { dirtyLimit, dirtyBackground }: Settings): void {
  const { words, frames, geometry } = arena
  const part = (share: number): number => Math.max(1, Math.floor((frames * share) / geometry.groups))
  for (let group = 0; group < geometry.groups; group++) {
    const at = arena.groupAt(group)
    store(words, at + Group.dirtyMax, part(dirtyLimit))
    // At or above the dirty limit background writing is off.
    store(words, at + Group.dirtyBackground, dirtyBackground < dirtyLimit ? part(dirtyBackground) : NEVER)
  }
}

/** Whether the group, or the partition in its share, has reached its dirty limit: a clean block must not be changed now. */
export function isFull({ words, arena }: Context, { group, index }: PartitionView): boolean {
  const at = arena.groupAt(group)
  if (load(words, at + Group.dirty) >= words[at + Group.dirtyMax]!) return true
  const partitionAt = arena.partitionAt(index)
  const share = words[partitionAt + Partition.share]!
  return share !== 0 && load(words, partitionAt + Partition.dirty) >= dirtyMaxIn(arena, share, group)
}

/** How many blocks of a partition with this `Partition.share` may be dirty. */
export function dirtyMaxIn(arena: Arena, share: number, group: number): number {
  const all = arena.words[arena.groupAt(group) + Group.dirtyMax]! * arena.geometry.groups
  return Math.max(1, framesIn(share, all))
}
