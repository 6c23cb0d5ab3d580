// The owner's part of the store: it opens and recovers it, adds segments when they are needed, and deletes old ones.

import { openCache } from 'dcache'
import { closeSync, fsyncSync, mkdirSync, openSync, unlinkSync } from 'node:fs'
import { findSegments, openingOf, recoverSegment } from './recover.mjs'
import { isDeleted, nameOf, optionsOf } from './segment.mjs'

/** Makes it durable which files a folder has. */
function syncFolder(folder) {
  const fd = openSync(folder, 'r')
  fsyncSync(fd)
  closeSync(fd)
}

/** Opens the store in a folder, or creates it. All records are there that were acknowledged and not deleted. */
export async function openStore(folder) {
  mkdirSync(folder, { recursive: true })
  const segments = findSegments(folder)
  let [first, last] = [segments[0], segments.at(-1)]
  const cache = await openCache({
    memory: '4MiB',
    maxPartitions: 1024,
    writeOrder: ['data', 'directory'],
    partitions: Object.fromEntries(segments.map((segment) => [nameOf(segment), openingOf(folder, segment)])),
  })

  /** Index entries without a record, over all segments. */
  let freed = 0
  try {
    for (const segment of segments) freed += await recoverSegment(segment, cache.partition(nameOf(segment)))
    await cache.flush()
  } catch (error) {
    await cache.abandon()
    throw error
  }

  /** Changes are made one after the other. A failed one does not keep the next ones from being tried. */
  let turn = Promise.resolve()
  function inTurn(change) {
    const own = turn.then(change)
    turn = own.catch(() => undefined)
    return own
  }

  /**
   * Adds segments up to this one if they are not there; resolves to the newest. `addPartition` syncs the file and its name
   * before any thread sees the segment. So the segments on the disk never have a gap, and a record in a segment has a file.
   */
  const roll = (segment) =>
    inTurn(async () => {
      while (last < segment) {
        await cache.addPartition(nameOf(last + 1), optionsOf(folder, last + 1))
        last++
      }
      return last
    })

  /**
   * Deletes the segments before this one, except the newest, whose number tells the next one. The cache first forgets a
   * segment: it waits for guards, later reads find the partition unknown, and unwritten changes are dropped, so a full disk
   * is no obstacle. Then its file goes, and that is made durable before the next one, so that no gap is left. A crash in
   * between leaves the file as it was at its last flush: with all acknowledged records, and not deleted. So this is done when
   * it resolves, not before.
   */
  const deleteBefore = (segment) =>
    inTurn(async () => {
      for (; first < Math.min(segment, last); first++) {
        await cache.dropPartition(nameOf(first), { flush: false }).catch((error) => {
          if (!isDeleted(error)) throw error // else the unlink failed the last time
        })
        unlinkSync(optionsOf(folder, first).path)
        syncFolder(folder)
      }
    })

  return {
    cache,
    freed,
    roll,
    deleteBefore,
    first: () => first,
    last: () => last,
    close: () => cache.close(),
  }
}
