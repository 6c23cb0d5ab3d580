/**
 * A record of a journal: the images of one cut, with what is needed to write them in place again. Records follow each other in a
 * half, each from the beginning of a page on, so that a cut is one sequential write:
 *
 *   byte  0   magic, 8 bytes          byte 40   partitions in the table
 *         8   id of the journal            44   blocks
 *        24   number, 64 bits              48   bytes of the record, 64 bits
 *        32   half                         56   checksum of all up to the end of the keys, this word taken as 0
 *        36   pages of the header          64   turn, 64 bits
 *                                          72   table, then keys, then zeros up to the end of the page
 *
 *   turn      drawn at random each time that a half is begun: what the half had before does not follow its records
 *   table     for each partition: bytes of the name, block size, flags (1: marked), 0, blocks (64 bits),
 *             offset in its file (64 bits), the name, zeros up to a multiple of 8
 *   keys      for each block: number (48 bits), partition in the table (16 bits), checksum of its image
 *   images    from the next page on, in the order of the keys, each at a multiple of its block size or of 4096, so that
 *             direct I/O can write it from where it lies
 *
 * The checksum of the header covers the keys, and so the checksums of the images: a record is whole only if all of it is. They
 * are CRC-32, as in ext4's journal and InnoDB's doublewrite buffer, and fast: zlib's is native. Every change of up to 32
 * neighbouring bits is found. Of torn records one in 2^32 is taken for whole if one block is torn, and fewer if several are.
 * A second CRC over the same bytes would add nothing: the polynomials are the same, so what one misses the other misses.
 */
import { crc32 } from 'node:zlib'
import {
  JOURNAL_PAGE,
  paddedNameBytes,
  RECORD_FIXED_BYTES,
  RECORD_KEY_BYTES,
  RECORD_PARTITION_BYTES,
  recordHeaderBytes,
  tableBytesOf,
} from '../../shared/journal-size.js'
import { type HalfIndex, ID_BYTES } from './file-header.js'

const MAGIC = Buffer.from('dcacherc', 'latin1')
const ID_AT = 8
const NUMBER_AT = 24
const HALF_AT = 32
const PAGES_AT = 36
const PARTITIONS_AT = 40
const BLOCKS_AT = 44
const BYTES_AT = 48
const CHECKSUM_AT = 56
const TURN_AT = 64
const MARKED = 1

/** Where a record goes, or is. */
export interface RecordPlace {
  /** 1, 2, ...: the next number is used up by a record that has become durable. */
  readonly number: number
  readonly half: HalfIndex
  /** Bytes from the beginning of the half: whole pages. */
  readonly at: number
  /** Less than 2^48. */
  readonly turn: number
}

export interface RecordIdentity extends RecordPlace {
  readonly id: Uint8Array
}

/** A partition of which a record has blocks, as it was when the record was made. */
export interface RecordPartition {
  readonly name: string
  readonly blockSize: number
  readonly blocks: number
  /** Where it begins in its file, bytes. */
  readonly offset: number
  /** Whether its file has a mark, which tells that the file belongs to the journal. */
  readonly isMarked: boolean
}

/** The blocks of a record, in the order of their images: two lists of one length. */
export interface RecordKeys {
  /** Indices into the record's list of partitions. */
  readonly partitions: ArrayLike<number>
  readonly blocks: ArrayLike<number>
}

/** What a record has, in the order of its images. */
export interface RecordContents {
  readonly partitions: readonly RecordPartition[]
  readonly keys: RecordKeys
  readonly plan: RecordPlan
}

/** Where the parts of a record are, in bytes from its beginning. */
export interface RecordPlan {
  readonly headerBytes: number
  /** Of each image. */
  readonly positions: Float64Array
  /** Of the whole record. */
  readonly bytes: number
}

/** What the header of a record says. */
export interface RecordHeader extends RecordIdentity, RecordContents {
  /** Of each image. */
  readonly checksums: Uint32Array
}

/**
 * Plans a record before the images are there, so that each can be copied to its place. Sorted by block size, the largest first,
 * and then by number, the images have no gaps and neighbours can be written in place by one call.
 */
export function planRecord(partitions: readonly RecordPartition[], keys: RecordKeys): RecordPlan {
  const count = keys.blocks.length
  const headerBytes = recordHeaderBytes(tableBytesOf(partitions), count)
  const positions = new Float64Array(count)
  let end = headerBytes
  for (let i = 0; i < count; i++) {
    const { blockSize } = partitions[keys.partitions[i]!]!
    const align = Math.min(blockSize, JOURNAL_PAGE)
    positions[i] = Math.ceil(end / align) * align
    end = positions[i]! + blockSize
  }
  return { headerBytes, positions, bytes: end }
}

/** The checksum of an image, about 0.75 ns a byte. */
export const checksumOf = (image: Uint8Array): number => crc32(image)

/**
 * Writes the header of a record.
 * @param header its memory, `plan.headerBytes` long
 * @param id of the journal
 * @param checksums of the images
 */
export function encodeHeader(
  header: Uint8Array,
  id: Uint8Array,
  { number, half, turn }: RecordPlace,
  { partitions, keys, plan }: RecordContents,
  checksums: ArrayLike<number>,
): void {
  header.fill(0)
  const view = viewOf(header)
  header.set(MAGIC)
  header.set(id, ID_AT)
  setNumber(view, NUMBER_AT, number)
  setNumber(view, TURN_AT, turn)
  view.setUint32(HALF_AT, half, true)
  view.setUint32(PAGES_AT, plan.headerBytes / JOURNAL_PAGE, true)
  view.setUint32(PARTITIONS_AT, partitions.length, true)
  view.setUint32(BLOCKS_AT, keys.blocks.length, true)
  setNumber(view, BYTES_AT, plan.bytes)
  let at = RECORD_FIXED_BYTES
  for (const partition of partitions) at = encodePartition(header, view, at, partition)
  for (let i = 0; i < keys.blocks.length; i++) {
    const block = keys.blocks[i]!
    view.setUint32(at, block % 2 ** 32, true)
    view.setUint16(at + 4, Math.floor(block / 2 ** 32), true)
    view.setUint16(at + 6, keys.partitions[i]!, true)
    view.setUint32(at + 8, checksums[i]!, true)
    at += RECORD_KEY_BYTES
  }
  view.setUint32(CHECKSUM_AT, crc32(header.subarray(0, at)), true)
}

function encodePartition(header: Uint8Array, view: DataView, at: number, partition: RecordPartition): number {
  const { name, blockSize, blocks, offset, isMarked } = partition
  const nameBytes = Buffer.from(name)
  view.setUint32(at, nameBytes.length, true)
  view.setUint32(at + 4, blockSize, true)
  view.setUint32(at + 8, isMarked ? MARKED : 0, true)
  setNumber(view, at + 16, blocks)
  setNumber(view, at + 24, offset)
  header.set(nameBytes, at + RECORD_PARTITION_BYTES)
  return at + RECORD_PARTITION_BYTES + paddedNameBytes(nameBytes.length)
}

/**
 * How many bytes the header has whose first page this is; a sentence if it is no record of this journal and half.
 * @param roomBytes from the beginning of the page to the end of the half
 */
export function headerBytesIn(
  page: Uint8Array,
  { id, half }: Pick<RecordIdentity, 'id' | 'half'>,
  roomBytes: number,
): number | string {
  if (!MAGIC.equals(page.subarray(0, MAGIC.length))) return 'it does not begin as a record does'
  if (!Buffer.from(id).equals(page.subarray(ID_AT, ID_AT + ID_BYTES)))
    return 'it is a record of another journal'
  const view = viewOf(page)
  if (view.getUint32(HALF_AT, true) !== half) return 'it is a record of the other half'
  const bytes = view.getUint32(PAGES_AT, true) * JOURNAL_PAGE
  return bytes >= JOURNAL_PAGE && bytes <= roomBytes ? bytes : 'its header has a wrong length'
}

/** Reads the header of a record that is at byte `at` of its half. Returns undefined if it is damaged. */
export function decodeRecord(header: Uint8Array, at: number, roomBytes: number): RecordHeader | undefined {
  const view = viewOf(header)
  const table = decodeTable(header, view)
  if (table === undefined) return undefined
  const { partitions, end } = table
  const count = view.getUint32(BLOCKS_AT, true)
  const keysEnd = end + count * RECORD_KEY_BYTES
  if (keysEnd > header.length) return undefined
  const copy = header.slice(0, keysEnd)
  viewOf(copy).setUint32(CHECKSUM_AT, 0, true)
  if (crc32(copy) !== view.getUint32(CHECKSUM_AT, true)) return undefined
  const keys = { partitions: new Uint16Array(count), blocks: new Float64Array(count) }
  const checksums = new Uint32Array(count)
  for (let i = 0, key = end; i < count; i++, key += RECORD_KEY_BYTES) {
    keys.blocks[i] = view.getUint32(key, true) + view.getUint16(key + 4, true) * 2 ** 32
    keys.partitions[i] = view.getUint16(key + 6, true)
    checksums[i] = view.getUint32(key + 8, true)
    if (keys.partitions[i]! >= partitions.length) return undefined
  }
  const plan = planRecord(partitions, keys)
  if (plan.headerBytes !== header.length || plan.bytes !== numberAt(view, BYTES_AT) || plan.bytes > roomBytes)
    return undefined
  return {
    id: header.slice(ID_AT, ID_AT + ID_BYTES),
    number: numberAt(view, NUMBER_AT),
    half: view.getUint32(HALF_AT, true) as HalfIndex,
    at,
    turn: numberAt(view, TURN_AT),
    partitions,
    keys,
    checksums,
    plan,
  }
}

/** The table of partitions, and where it ends; undefined if it does not fit into the header. */
function decodeTable(
  header: Uint8Array,
  view: DataView,
): { partitions: RecordPartition[]; end: number } | undefined {
  const partitions: RecordPartition[] = []
  let end = RECORD_FIXED_BYTES
  for (let i = view.getUint32(PARTITIONS_AT, true); i > 0; i--) {
    const nameAt = end + RECORD_PARTITION_BYTES
    if (nameAt > header.length) return undefined
    const nameBytes = view.getUint32(end, true)
    partitions.push({
      name: Buffer.from(header.subarray(nameAt, nameAt + nameBytes)).toString(),
      blockSize: view.getUint32(end + 4, true),
      blocks: numberAt(view, end + 16),
      offset: numberAt(view, end + 24),
      isMarked: (view.getUint32(end + 8, true) & MARKED) !== 0,
    })
    end = nameAt + paddedNameBytes(nameBytes)
  }
  return { partitions, end }
}

/** Whether these bytes are the `i`-th image of a record. */
export const isImage = (record: RecordHeader, i: number, image: Uint8Array): boolean =>
  checksumOf(image) === record.checksums[i]!

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function setNumber(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true)
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
}

const numberAt = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
