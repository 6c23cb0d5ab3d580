/**
 * Which changes may be lost when the cache ends without a flush.
 */
import { load } from '#atomics'
import type { LostBlock } from '../../shared/reports.js'
import { classOf, PLACE_CLASS } from '../../shared/stamp.js'
import { imageStamps } from '../changes/images.js'
import { releasedClass } from '../changes/pending.js'
import { hasJournal } from '../changes/recorded.js'
import { blockOf, type Context, partitionOf } from '../context.js'
import { Frame } from '../../shared/words.js'

/** @requires that no thread changes blocks any more */
export function lostBlocks(context: Context): LostBlock[] {
  const { words, arena, partitions } = context
  const lost: LostBlock[] = []
  for (let frame = 0; frame < arena.frames; frame++) {
    const at = arena.frameAt(frame)
    if (words[at + Frame.keyHigh] === 0) continue
    // Pending releases are changes too.
    const released = load(words, at + Frame.released)
    const newest = released > 0 ? releasedClass(released) : classOf(imageStamps(context, frame)[0] ?? 0)
    const { name, group } = partitions.at(partitionOf(words, at))
    // What is in the journal is written in place by the next opening.
    if (newest === 0 || (newest === PLACE_CLASS && hasJournal(context, group))) continue
    lost.push({ partition: name, block: blockOf(words, at), writeClass: context.className(group, newest) })
  }
  return lost
}
