/**
 * Which changes may be lost when the cache ends without a flush.
 */
import { load } from '#atomics'
import type { LostBlock } from '../../shared/reports.js'
import { classOf } from '../../shared/stamp.js'
import { imageStamps } from '../changes/images.js'
import { blockOf, type Context, partitionOf } from '../context.js'
import { Frame } from '../../shared/words.js'

/** @requires that no thread changes blocks any more */
export function lostBlocks(context: Context): LostBlock[] {
  const { words, arena, partitions, writeOrder } = context
  const lost: LostBlock[] = []
  for (let frame = 0; frame < arena.frames; frame++) {
    const at = arena.frameAt(frame)
    if (words[at + Frame.keyHigh] === 0) continue
    // Pending releases are changes too.
    const released = load(words, at + Frame.released)
    const newest = released > 0 ? released : classOf(imageStamps(context, frame)[0] ?? 0)
    if (newest === 0) continue
    lost.push({
      partition: partitions.at(partitionOf(words, at)).name,
      block: blockOf(words, at),
      writeClass: writeOrder[newest - 1]!,
    })
  }
  return lost
}
