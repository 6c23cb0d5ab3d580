/**
 * The dirty limits of the groups, which each get an equal part of the frames in use. The owner sets them when it opens the cache,
 * and when it changes settings.
 */
import { store } from '#atomics'
import type { Arena } from '../shared/arena.js'
import type { Settings } from '../shared/settings.js'
import { Group } from '../shared/words.js'

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
