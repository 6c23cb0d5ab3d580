// What a start does with the files that it finds.

import { readdirSync, statSync } from 'node:fs'
import { recordOf } from './reader.mjs'
import { ENTRY, SLOTS, bytesOf, entryIn, numberOf, optionsOf, segmentIn } from './segment.mjs'

/**
 * The segments in a folder, in order: the folder is the only list of them. So a file that was just created when the process
 * was killed is a segment without records, and one that was to be deleted is a segment still. @throws if one between others
 * is missing
 */
export function findSegments(folder) {
  const segments = readdirSync(folder)
    .map(segmentIn)
    .filter((segment) => segment !== undefined)
    .sort((a, b) => a - b)
  segments.forEach((segment, i) => {
    if (segment !== segments[0] + i) throw new Error(`segment ${segments[0] + i} is missing`)
  })
  return segments.length > 0 ? segments : [0]
}

/** The options of a segment's partition: as large as its file. A file that is missing or too small is created or extended. */
export function openingOf(folder, segment) {
  const options = optionsOf(folder, segment)
  const size = statSync(options.path, { throwIfNoEntry: false })?.size ?? 0
  return { ...options, size: Math.max(size, options.size) }
}

/**
 * Finds where a segment ends: at the first entry whose record is not there whole. Frees the entries from there on, and
 * returns how many were taken. After SIGKILL there are none: the cache had the records durable before it wrote their entries.
 * After a power failure the disk may have written some sectors of the index block and not others; no record behind such a gap
 * was acknowledged.
 *
 * The index block counts as changed, so that the next flush writes and syncs it. The process that wrote it may have been killed
 * before its fsync, and a record that is read once must not be gone after a power failure later.
 *
 * This reads all records. A store with many segments remembers elsewhere from which segment on that is needed.
 */
export async function recoverSegment(segment, partition) {
  const guard = await partition.acquire(0, 'modify')
  try {
    const index = bytesOf(guard)
    const isWhole = async (slot) =>
      (await recordOf(partition, entryIn(index, slot), numberOf(segment, slot))) !== undefined
    let end = 0
    while (end < SLOTS && (await isWhole(end))) end++
    let freed = 0
    for (let slot = end; slot < SLOTS; slot++) if (entryIn(index, slot).length > 0) freed++
    index.fill(0, end * ENTRY)
    guard.markDirty('directory')
    return freed
  } finally {
    guard.release()
  }
}
