/**
 * How large a journal file is, and what fits into it. Shared by the options, which refuse a journal that is too small, and by the
 * format (core/journal).
 *
 *   0          header, one page
 *   4096       half 0: records, each in whole pages: its header, then its images
 *   4096 + h   half 1
 */
import { CacheError } from './errors.js'

/** Records begin, and their images begin, at multiples of this, so that one write has whole pages. */
export const JOURNAL_PAGE = 4096
/** Bytes of a record's header that every record has. */
export const RECORD_FIXED_BYTES = 72
/** Bytes of a record's header for each block: its key and the checksum of its image. */
export const RECORD_KEY_BYTES = 12
/** Bytes of a record's header for each partition, in addition to its name. */
export const RECORD_PARTITION_BYTES = 32
/**
 * One half holds at least this many blocks. A cut is at most one half, so what a program changes at one moment, such as a split of
 * a tree from a leaf to the root, has to fit; and with fewer blocks every sync would be shared by a handful of changes.
 */
export const JOURNAL_BLOCKS_LEAST = 8
const SIZE_DEFAULT = 64 * 2 ** 20

/** A name is followed by zeros up to a multiple of 8 bytes. */
export const paddedNameBytes = (nameBytes: number): number => Math.ceil(nameBytes / 8) * 8

/** Bytes of a record's table, if it has blocks of all of these partitions. */
export const tableBytesOf = (partitions: readonly { readonly name: string }[]): number =>
  partitions.reduce(
    (sum, { name }) => sum + RECORD_PARTITION_BYTES + paddedNameBytes(Buffer.byteLength(name)),
    0,
  )

export const toPages = (bytes: number): number => Math.ceil(bytes / JOURNAL_PAGE) * JOURNAL_PAGE

/** Bytes of a record's header, in whole pages. */
export const recordHeaderBytes = (tableBytes: number, blocks: number): number =>
  toPages(RECORD_FIXED_BYTES + tableBytes + blocks * RECORD_KEY_BYTES)

/** How many blocks of `blockSize` bytes, the largest of the group, a record in a half of `halfBytes` may have. */
export function blocksInHalf(halfBytes: number, blockSize: number, tableBytes: number): number {
  const bytes = halfBytes - RECORD_FIXED_BYTES - tableBytes - (JOURNAL_PAGE - 1)
  return Math.max(0, Math.floor(bytes / (blockSize + RECORD_KEY_BYTES)))
}

/** The smallest half in which a record may have this many blocks: `blocksInHalf` of it is at least `blocks`. */
const halfFor = (blocks: number, blockSize: number, tableBytes: number): number =>
  toPages(RECORD_FIXED_BYTES + tableBytes + JOURNAL_PAGE - 1 + blocks * (blockSize + RECORD_KEY_BYTES))

/** The smallest half that a group with such blocks and names may have, in bytes. */
export const leastHalf = (blockSize: number, tableBytes: number): number =>
  halfFor(JOURNAL_BLOCKS_LEAST, blockSize, tableBytes)

export interface JournalSize {
  /** Bytes of the smallest half that the group may have. */
  readonly leastBytes: number
  /** Bytes of one half, whole pages. */
  readonly halfBytes: number
  /** False: the size is the default, and an existing journal keeps its own. */
  readonly isGiven: boolean
}

/**
 * The size of a group's journal.
 * @param group what the group is called in messages
 * @param bytes the option `size`: both halves, in bytes; undefined for the default, which is 64 MiB, or less if all blocks of the
 *   cache fit into one half of less
 * @param blockSize the largest of the group
 * @param blocks of the cache, at most
 * @throws ERR_DCACHE_BAD_OPTION
 */
export function journalSize(
  group: string,
  bytes: number | undefined,
  { blockSize, tableBytes, blocks }: { blockSize: number; tableBytes: number; blocks: number },
): JournalSize {
  const least = leastHalf(blockSize, tableBytes)
  if (bytes === undefined) {
    const halfBytes = Math.max(least, Math.min(SIZE_DEFAULT / 2, halfFor(blocks, blockSize, tableBytes)))
    return { leastBytes: least, halfBytes, isGiven: false }
  }
  const bad = (why: string) => new CacheError('ERR_DCACHE_BAD_OPTION', `${group}: journal.size is ${bytes} bytes; ${why}`) // prettier-ignore
  if (bytes % (2 * JOURNAL_PAGE) !== 0)
    throw bad(`it must be a multiple of ${2 * JOURNAL_PAGE} bytes: two halves of whole pages`)
  if (bytes < 2 * least)
    throw bad(
      `it must be at least ${2 * least} bytes: each half holds ${JOURNAL_BLOCKS_LEAST} blocks of ${blockSize} bytes and their names`,
    )
  return { leastBytes: least, halfBytes: bytes / 2, isGiven: true }
}
