// The format of a segment: a file that has one index block, and behind it the bytes of records, end to end.
//
//   block 0       an entry of 16 bytes for each record: offset in the file, length, checksum, 0; four 32-bit numbers
//   blocks 1 ...  the records
//
// Entries are filled from the first one on; an entry of zeros is free. So the last entry that is not zero says where the
// segment ends, and there is no counter that could differ from the entries. An entry lies in one sector of the disk, which is
// written whole. The number of a record is its address: its segment times SLOTS, plus its place in the index. The number of a
// segment is never used again.

import { join } from 'node:path'
import { crc32 } from 'node:zlib'

export const BLOCK = 4096
export const ENTRY = 16
/** Records in a segment. A store with smaller records or larger segments takes more index blocks. */
export const SLOTS = BLOCK / ENTRY
/** A segment is full at this size. Small here, so that segments come and go often. */
export const SEGMENT_BYTES = 128 * 1024
/** A segment grows by this many blocks at a time. Each time costs an fsync, and a message to the owner and back. */
export const EXTENT = 8
export const RECORD_MAX = SEGMENT_BYTES - BLOCK

export const segmentOf = (number) => Math.floor(number / SLOTS)
export const slotOf = (number) => number % SLOTS
export const numberOf = (segment, slot) => segment * SLOTS + slot

/** The name of a segment's partition, and of its file. */
export const nameOf = (segment) => `segment-${String(segment).padStart(8, '0')}`
/** The segment of a file's name; undefined for other files. */
export function segmentIn(name) {
  const digits = /^segment-(\d{8,})$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** The options with which a new segment is added. */
export const optionsOf = (folder, segment) => ({
  path: join(folder, nameOf(segment)),
  blockSize: BLOCK,
  size: (1 + EXTENT) * BLOCK,
})

/** The bytes of a guarded block as a Buffer, without a copy. They must not be used after the guard's release. */
export const bytesOf = ({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)

export const entryIn = (bytes, slot = 0) => ({
  offset: bytes.readUInt32LE(slot * ENTRY),
  length: bytes.readUInt32LE(slot * ENTRY + 4),
  checksum: bytes.readUInt32LE(slot * ENTRY + 8),
})

export function writeEntry(bytes, slot, { offset, length, checksum }) {
  bytes.writeUInt32LE(offset, slot * ENTRY)
  bytes.writeUInt32LE(length, slot * ENTRY + 4)
  bytes.writeUInt32LE(checksum, slot * ENTRY + 8)
}

/** The first free entry, or SLOTS. A binary search: all entries before it are taken, and all behind it are free. */
export function freeSlot(index) {
  let [low, high] = [0, SLOTS]
  while (low < high) {
    const middle = (low + high) >> 1
    if (entryIn(index, middle).length > 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Where the record of this entry begins: behind the record before it. */
export function offsetOf(index, slot) {
  if (slot === 0) return BLOCK
  const { offset, length } = entryIn(index, slot - 1)
  return offset + length
}

/** The number is part of the checksum, so that a record in the place of another one is noticed. */
export const checksumOf = (record, number) => crc32(record, number % 2 ** 32)

/** Whether an error says that the segment was deleted. Every call on a segment may throw it, at any time. */
export const isDeleted = (error) => error.code === 'ERR_DCACHE_UNKNOWN_PARTITION'
