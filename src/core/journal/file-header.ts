/**
 * The first page of a journal file. It is one sector, which a disk writes whole or not at all, and then zeros:
 *
 *   byte  0   magic, 8 bytes          byte 16   id of the journal, 16 random bytes
 *         8   version            byte 508   checksum of the bytes before it
 *        12   pages of one half
 *
 * All numbers in a journal are little-endian.
 */
import { crc32 } from 'node:zlib'
import { JOURNAL_PAGE } from '../../shared/journal-size.js'

export const JOURNAL_VERSION = 1
export const ID_BYTES = 16

const SECTOR = 512
const MAGIC = Buffer.from('dcachejr', 'latin1')
const VERSION_AT = 8
const HALF_AT = 12
const ID_AT = 16
const CHECKSUM_AT = SECTOR - 4

export type HalfIndex = 0 | 1

export interface FileHeader {
  /** Each record has it, so that what an older journal left on the same disk is not taken for one. */
  readonly id: Uint8Array
  readonly halfBytes: number
}

export const halfAt = ({ halfBytes }: FileHeader, half: HalfIndex): number => JOURNAL_PAGE + half * halfBytes
export const fileBytesOf = (halfBytes: number): number => JOURNAL_PAGE + 2 * halfBytes

export const idText = (id: Uint8Array): string => Buffer.from(id).toString('hex')

export function encodeFileHeader({ id, halfBytes }: FileHeader): Uint8Array {
  const sector = new Uint8Array(SECTOR)
  const view = new DataView(sector.buffer)
  sector.set(MAGIC)
  view.setUint32(VERSION_AT, JOURNAL_VERSION, true)
  view.setUint32(HALF_AT, halfBytes / JOURNAL_PAGE, true)
  sector.set(id, ID_AT)
  view.setUint32(CHECKSUM_AT, crc32(sector.subarray(0, CHECKSUM_AT)), true)
  return sector
}

/** Why bytes are no header: `none`: this is no journal. `version`: of another version. `damaged`: the checksum is wrong. */
export type NoHeader = 'none' | 'damaged' | 'version'

/** @param sector at least the first 512 bytes of the file */
export function decodeFileHeader(sector: Uint8Array): FileHeader | NoHeader {
  if (!MAGIC.equals(sector.subarray(0, MAGIC.length))) return 'none'
  const view = new DataView(sector.buffer, sector.byteOffset, SECTOR)
  if (view.getUint32(CHECKSUM_AT, true) !== crc32(sector.subarray(0, CHECKSUM_AT))) return 'damaged'
  if (view.getUint32(VERSION_AT, true) !== JOURNAL_VERSION) return 'version'
  const pages = view.getUint32(HALF_AT, true)
  return { id: sector.slice(ID_AT, ID_AT + ID_BYTES), halfBytes: pages * JOURNAL_PAGE }
}
