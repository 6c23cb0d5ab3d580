/**
 * The stamp that a writer leaves in a block: the thread, the time, the version, and a checksum of the stamp. A writer
 * puts it at a random multiple of 64 bytes. So a wrong block usually still tells which thread wrote it last.
 */
import { crc32 } from 'node:zlib'

export const STAMP_BYTES = 64
const MAGIC = 0x444c4344 // 'DCLD'
const CRC_AT = 60

export interface Stamp {
  readonly partition: number
  readonly block: number
  readonly version: number
  readonly thread: number
  /** Milliseconds since 1970. */
  readonly atMs: number
}

const scratch = new Uint8Array(STAMP_BYTES)
const fields = new DataView(scratch.buffer)

/** Writes a stamp at offset `at`. Its unused bytes keep their contents. */
export function writeStamp(target: Uint8Array, at: number, stamp: Stamp): void {
  scratch.set(target.subarray(at, at + STAMP_BYTES))
  fields.setUint32(0, MAGIC, true)
  fields.setUint32(4, stamp.partition, true)
  fields.setFloat64(8, stamp.block, true)
  fields.setUint32(16, stamp.version, true)
  fields.setUint32(20, stamp.thread, true)
  fields.setFloat64(24, stamp.atMs, true)
  fields.setUint32(CRC_AT, crc32(scratch.subarray(0, CRC_AT)), true)
  target.set(scratch, at)
}

/** The stamp with the highest version in a block; undefined if the block has none. */
export function newestStamp(block: Uint8Array): Stamp | undefined {
  let newest: Stamp | undefined
  for (let at = 0; at + STAMP_BYTES <= block.length; at += STAMP_BYTES) {
    scratch.set(block.subarray(at, at + STAMP_BYTES))
    if (fields.getUint32(0, true) !== MAGIC) continue
    if (fields.getUint32(CRC_AT, true) !== crc32(scratch.subarray(0, CRC_AT))) continue
    const version = fields.getUint32(16, true)
    if (newest !== undefined && newest.version >= version) continue
    newest = {
      partition: fields.getUint32(4, true),
      block: fields.getFloat64(8, true),
      version,
      thread: fields.getUint32(20, true),
      atMs: fields.getFloat64(24, true),
    }
  }
  return newest
}
