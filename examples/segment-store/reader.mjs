// Reading a record: by any thread, while others append and while the owner deletes segments.

import { BLOCK, ENTRY, checksumOf, entryIn, isDeleted, nameOf, segmentOf, slotOf } from './segment.mjs'

/** The record that an entry points at; undefined if it is not there whole. */
export async function recordOf(segment, { offset, length, checksum }, number) {
  if (length === 0 || offset + length > segment.blocks * BLOCK) return undefined
  const record = Buffer.alloc(length)
  await segment.read(record, offset)
  return checksumOf(record, number) === checksum ? record : undefined
}

/**
 * Resolves to a record; to undefined if it was never written, or was deleted. No lock is needed between the two reads: an
 * entry is set once, after its record, and neither changes again. If the owner deletes the segment in between, the second
 * read says so. `client`: the thread's own, or the owner's cache.
 */
export async function read(client, number) {
  try {
    const segment = client.partition(nameOf(segmentOf(number)))
    const bytes = Buffer.alloc(ENTRY)
    await segment.read(bytes, slotOf(number) * ENTRY)
    const entry = entryIn(bytes)
    if (entry.length === 0) return undefined
    const record = await recordOf(segment, entry, number)
    if (record === undefined) throw new Error(`record ${number} is damaged`)
    return record
  } catch (error) {
    if (isDeleted(error)) return undefined
    throw error
  }
}
