/**
 * What the owner writes to a journal file: its header, zeros where a journal grows, and zeros over records that are torn or not
 * needed any more. Records themselves are written by the flush worker.
 */
import { JOURNAL_PAGE } from '../../shared/journal-size.js'
import { encodeFileHeader, type FileHeader, fileBytesOf, halfAt, type HalfIndex } from './file-header.js'
import { otherHalf } from './recover.js'
import type { HalfState } from './scan.js'
import type { Storage } from './storage.js'

const CHUNK_BYTES = 2 ** 20

/**
 * Makes a new journal of a file that is empty or has only zeros. The zeros are written, so that the blocks of the file are
 * allocated: the sync of a record then has no map of the file to write, and the disk cannot become full in a round. The
 * header comes last: a file with only zeros is a journal that was not finished.
 */
export async function createJournal(storage: Storage, file: FileHeader): Promise<void> {
  await writeZeros(storage, 0, fileBytesOf(file.halfBytes))
  await storage.sync()
  await storage.write(encodeFileHeader(file), 0)
  await storage.sync()
}

/**
 * Erases all records, so that the next start replays nothing. All their blocks must be durable in place. A half without its first
 * record has none: what lies behind it follows nothing, also not the records of a later turn. The half of the newest is erased
 * last: without it the older ones would be replayed over newer blocks. Costs two syncs. If it fails or is cut short, recovery
 * replays what is left, which changes nothing.
 * @param newest the half of the newest durable record
 */
export async function eraseRecords(storage: Storage, file: FileHeader, newest: HalfIndex): Promise<void> {
  await eraseHalf(storage, file, otherHalf(newest))
  await eraseHalf(storage, file, newest)
}

/**
 * Erases what is torn. To be called in recovery, before the next record is written: that one may go to the same place, have some of
 * the same sectors, and be torn in its turn, and what was torn before would be whole then. Costs a sync if anything is torn.
 */
export async function eraseTorn(
  storage: Storage,
  file: FileHeader,
  halves: readonly HalfState[],
): Promise<void> {
  const places = halves.flatMap(({ torn }, half) =>
    torn === undefined ? [] : [halfAt(file, half as HalfIndex) + torn.at],
  )
  for (const at of places) await storage.write(new Uint8Array(JOURNAL_PAGE), at)
  if (places.length > 0) await storage.sync()
}

async function eraseHalf(storage: Storage, file: FileHeader, half: HalfIndex): Promise<void> {
  await storage.write(new Uint8Array(JOURNAL_PAGE), halfAt(file, half))
  await storage.sync()
}

/**
 * Gives a journal another size. Its records are erased first, so their blocks must be durable in place. Nothing that lies where
 * a half begins now may look like a record, so that is erased next; then the header changes, in one sector. The caller
 * truncates a file that has become shorter.
 * @param newest the half of the newest durable record; undefined if there is none
 */
export async function resizeJournal(
  storage: Storage,
  from: FileHeader,
  to: FileHeader,
  newest: HalfIndex | undefined,
): Promise<void> {
  if (newest !== undefined) await eraseRecords(storage, from, newest)
  const [end, newEnd] = [fileBytesOf(from.halfBytes), fileBytesOf(to.halfBytes)]
  if (newEnd > end) await writeZeros(storage, end, newEnd)
  for (const half of [0, 1] as const) await storage.write(new Uint8Array(JOURNAL_PAGE), halfAt(to, half))
  await storage.sync()
  await storage.write(encodeFileHeader(to), 0)
  await storage.sync()
}

async function writeZeros(storage: Storage, from: number, to: number): Promise<void> {
  const zeros = new Uint8Array(Math.min(CHUNK_BYTES, to - from))
  for (let at = from; at < to; at += zeros.length)
    await storage.write(zeros.subarray(0, Math.min(zeros.length, to - at)), at)
}
