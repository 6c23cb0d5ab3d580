// Appending records: by any thread. All threads append to one segment, the newest one.

import { BLOCK, EXTENT, RECORD_MAX, SEGMENT_BYTES, SLOTS } from './segment.mjs'
import {
  bytesOf,
  checksumOf,
  freeSlot,
  isDeleted,
  nameOf,
  numberOf,
  offsetOf,
  writeEntry,
} from './segment.mjs'

/**
 * `client`: the thread's own, or the owner's cache. `roll(segment)` asks the owner to have that segment, and resolves to the
 * number of the newest one: only the owner can add partitions.
 */
export async function openWriter(client, roll) {
  let newest = await roll(0)

  /**
   * Appends to a segment. Resolves to the record's number, or to undefined if the segment is full.
   *
   * The guard of the index block is the lock of the segment's end: other appends wait for it, also those of other threads. The
   * record is released before its entry, and with an earlier class. So no crash leaves an entry on the disk whose record is
   * not there. A thread that ends in between leaves the entry free, and bytes that the next append overwrites.
   */
  async function appendTo(segment, record) {
    const partition = client.partition(nameOf(segment))
    for (;;) {
      const guard = await partition.acquire(0, 'modify')
      try {
        const index = bytesOf(guard)
        const slot = freeSlot(index)
        const offset = offsetOf(index, slot)
        const end = offset + record.length
        if (slot === SLOTS || end > SEGMENT_BYTES) return undefined
        if (end <= partition.blocks * BLOCK) {
          const number = numberOf(segment, slot)
          await partition.write(record, offset, 'data')
          writeEntry(index, slot, { offset, length: record.length, checksum: checksumOf(record, number) })
          guard.markDirty('directory')
          return number
        }
      } finally {
        guard.release()
      }
      // Without the guard. The owner makes one change of partitions at a time; if it is dropping one, it waits for guards,
      // and would wait for this one until its deadline. Two threads that extend at the same time extend twice: that costs
      // only space.
      await partition.extend(EXTENT)
    }
  }

  /** Resolves to the record's number when all threads can read it. It is durable after `commit`. */
  async function append(record) {
    if (!(record.length > 0 && record.length <= RECORD_MAX))
      throw new RangeError(`the record has ${record.length} bytes; it must have 1 to ${RECORD_MAX}`)
    for (;;) {
      const segment = newest
      try {
        const number = await appendTo(segment, record)
        if (number !== undefined) return number
      } catch (error) {
        // While this thread was idle, others may have filled the segment, and the owner may have deleted it.
        if (!isDeleted(error)) throw error
      }
      newest = Math.max(newest, await roll(segment + 1))
    }
  }

  /** When this resolves, all that was appended before the call is durable, and may be acknowledged. */
  const commit = () => client.flush()

  return { append, commit }
}
