// An append-only log of at most 65,536 records and 64 MiB, in three files:
//
//   data     the bytes of all records, end to end
//   index    for each record: where it begins, its length and its checksum, 16 bytes
//   trailer  one sector: how many records there are, and where the data ends
//
// Each file has a write class of its own. An append changes the files in the order in which the classes are written, so a
// trailer on the disk never counts a record whose index entry or data is not there.

import { openCache } from 'dcache'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

const ENTRY = 16
const TRAILER = 20

/** Opens the log in a folder, or creates it. Its records have the numbers from 0 to `count - 1`. */
export async function openLog(folder) {
  mkdirSync(folder, { recursive: true })
  const cache = await openCache({
    memory: '4MiB',
    writeOrder: ['data', 'index', 'trailer'],
    partitions: {
      data: { path: join(folder, 'data'), blockSize: 4096, size: '64MiB' },
      index: { path: join(folder, 'index'), blockSize: 4096, size: '1MiB' },
      trailer: { path: join(folder, 'trailer'), blockSize: 512, size: 512 },
    },
  })
  const [data, index, trailer] = ['data', 'index', 'trailer'].map((name) => cache.partition(name))
  let count = 0
  let end = 0

  async function writeTrailer(newCount, newEnd) {
    const bytes = Buffer.alloc(TRAILER)
    bytes.writeUInt32LE(newCount, 0)
    bytes.writeBigUInt64LE(BigInt(newEnd), 8)
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 16)), 16)
    await trailer.write(bytes, 0, 'trailer')
    ;[count, end] = [newCount, newEnd]
  }

  /** Finds where the log ends. What data and index hold behind it is left of appends that a crash interrupted. */
  async function recover() {
    const bytes = Buffer.alloc(TRAILER)
    await trailer.read(bytes, 0)
    const isNew = bytes.every((byte) => byte === 0)
    if (!isNew && bytes.readUInt32LE(16) !== crc32(bytes.subarray(0, 16)))
      throw new Error('the trailer is damaged')
    // The process that wrote this trailer may have ended before its fsync. Data and index were durable by then.
    await writeTrailer(bytes.readUInt32LE(0), Number(bytes.readBigUInt64LE(8)))
    await cache.flush()
  }

  /** Adds a record; says its number. The caller awaits each append before the next. A failed one leaves the log as it was. */
  async function append(record) {
    const entry = Buffer.alloc(ENTRY)
    entry.writeBigUInt64LE(BigInt(end), 0)
    entry.writeUInt32LE(record.length, 8)
    entry.writeUInt32LE(crc32(record), 12)
    await data.write(record, end, 'data')
    await index.write(entry, count * ENTRY, 'index')
    await writeTrailer(count + 1, end + record.length)
    return count - 1
  }

  /** Returns a record. @throws where it is not whole */
  async function read(number) {
    if (!(number >= 0 && number < count)) throw new RangeError(`the log has no record ${number}`)
    const entry = Buffer.alloc(ENTRY)
    await index.read(entry, number * ENTRY)
    const record = Buffer.alloc(entry.readUInt32LE(8))
    await data.read(record, Number(entry.readBigUInt64LE(0)))
    if (crc32(record) !== entry.readUInt32LE(12)) throw new Error(`record ${number} is damaged`)
    return record
  }

  /** When this resolves, all records that were appended before the call are durable. */
  const commit = () => cache.flush()
  const close = () => cache.close()

  try {
    await recover()
  } catch (error) {
    await cache.abandon()
    throw error
  }
  return { append, commit, read, close, count: () => count }
}
