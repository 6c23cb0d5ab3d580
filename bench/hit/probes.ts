/**
 * Counts the steps of a hit in its hash chain, over all cached blocks, while no other thread runs. It reads the
 * engine's memory, because the hit path has no counter for it.
 */
import { openArena } from '#dist/workers/attach.js'
import type { CacheHandle } from 'dcache'
import { Frame } from '#dist/shared/words.js'

export interface Probes {
  readonly blocks: number
  readonly mean: number
  readonly most: number
}

export function countProbes(handle: CacheHandle): Probes {
  const { words, bucketsAt, geometry, framesAt } = openArena(handle)
  let [blocks, sum, most] = [0, 0, 0]
  for (let head = 0; head < geometry.buckets; head++) {
    let depth = 0
    for (let link = words[bucketsAt + head]!; link !== 0;) {
      depth++
      blocks++
      sum += depth
      link = words[framesAt + (link - 1) * Frame.WORDS + Frame.next]!
    }
    most = Math.max(most, depth)
  }
  return { blocks, mean: sum / blocks, most }
}
