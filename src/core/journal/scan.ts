/**
 * What a journal file holds: in each half the whole records from its beginning on, and what is torn behind them.
 *
 * A record follows another one if it begins where that one ends, has the next number and the same turn. Anything else there is
 * what the half had in an earlier turn. A torn record was being written when the machine stopped, and never acknowledged; or the
 * half was being begun again or erased, and its blocks were durable in place already. Damage to a record that had been
 * acknowledged looks the same, and is taken for the same.
 */
import { JOURNAL_PAGE, toPages } from '../../shared/journal-size.js'
import { type FileHeader, halfAt, type HalfIndex } from './file-header.js'
import { decodeRecord, headerBytesIn, isImage, type RecordHeader } from './record.js'
import type { Storage } from './storage.js'

export interface HalfState {
  /** The whole ones, as they follow each other. */
  readonly records: readonly RecordHeader[]
  /** Behind them. */
  readonly torn?: TornRecord
}

export interface TornRecord {
  readonly why: string
  /** Where it is, bytes from the beginning of its half. */
  readonly at: number
  /** If its header is whole. */
  readonly record?: RecordHeader
  /** The images that are not those of the header, by their places in it. */
  readonly damaged?: readonly number[]
}

/** Bytes that are read at a time. */
const CHUNK_BYTES = 2 ** 20

/** Reads and checks both halves. Costs one pass over each record that follows. @throws the system's error */
export async function scanJournal(
  storage: Storage,
  file: FileHeader,
): Promise<readonly [HalfState, HalfState]> {
  return [await scanHalf(storage, file, 0), await scanHalf(storage, file, 1)]
}

async function scanHalf(storage: Storage, file: FileHeader, half: HalfIndex): Promise<HalfState> {
  const records: RecordHeader[] = []
  let at = 0
  for (;;) {
    const next = await scanAt(storage, file, { half, at }, records.at(-1))
    if (next === undefined) return { records }
    if ('why' in next) return { records, torn: next }
    records.push(next)
    at += toPages(next.plan.bytes)
  }
}

/** What is at byte `at` of a half, behind the record `last`; undefined if nothing there follows it. */
async function scanAt(
  storage: Storage,
  file: FileHeader,
  { half, at }: { half: HalfIndex; at: number },
  last: RecordHeader | undefined,
): Promise<RecordHeader | TornRecord | undefined> {
  const room = file.halfBytes - at
  if (room < JOURNAL_PAGE) return undefined
  const page = new Uint8Array(JOURNAL_PAGE)
  await storage.read(page, halfAt(file, half) + at)
  if (page.every((byte) => byte === 0)) return undefined
  const bytes = headerBytesIn(page, { id: file.id, half }, room)
  if (typeof bytes === 'string') return last === undefined ? { why: bytes, at } : undefined
  const header = new Uint8Array(bytes)
  await storage.read(header, halfAt(file, half) + at)
  const record = decodeRecord(header, at, room)
  if (record === undefined) return { why: 'the checksum of its header is wrong', at }
  if (last !== undefined && !follows(record, last)) return undefined
  const damaged: number[] = []
  for await (const { first, end, imageOf } of imagesOf(storage, file, record))
    for (let i = first; i < end; i++) if (!isImage(record, i, imageOf(i))) damaged.push(i)
  if (damaged.length === 0) return record
  const why = `the checksums of ${damaged.length} of its ${record.checksums.length} blocks are wrong`
  return { why, at, record, damaged }
}

const follows = (record: RecordHeader, last: RecordHeader): boolean =>
  record.turn === last.turn && record.number === last.number + 1

/** The images `first` up to `end`, without `end`, of a record. Valid until the next ones are asked for. */
export interface ImagesRead {
  readonly first: number
  readonly end: number
  readonly imageOf: (i: number) => Uint8Array
  /** The images `from` up to `to`, without `to`, and what lies between them. */
  readonly bytesOf: (from: number, to: number) => Uint8Array
}

/** How much memory `imagesOf` needs for a record, in bytes. */
export function memoryFor({ partitions, plan }: RecordHeader): number {
  const largest = Math.max(JOURNAL_PAGE, ...partitions.map(({ blockSize }) => blockSize))
  return Math.min(Math.max(CHUNK_BYTES, JOURNAL_PAGE + largest), toPages(plan.bytes))
}

/**
 * Reads the images of a record one after the other, in large pieces. In memory they are aligned as they are in the file, if
 * `memory` is page-aligned.
 * @throws the system's error
 */
export async function* imagesOf(
  storage: Storage,
  file: FileHeader,
  record: RecordHeader,
  memory: Uint8Array = new Uint8Array(memoryFor(record)),
): AsyncGenerator<ImagesRead> {
  const { keys, plan, partitions } = record
  const endOf = (i: number) => plan.positions[i]! + partitions[keys.partitions[i]!]!.blockSize
  const count = keys.blocks.length
  for (let first = 0, end = 1; first < count; first = end++) {
    const from = plan.positions[first]!
    const base = from - (from % JOURNAL_PAGE)
    while (end < count && endOf(end) - base <= memory.length) end++
    const bytesOf = (i: number, j: number) => memory.subarray(plan.positions[i]! - base, endOf(j - 1) - base)
    await storage.read(bytesOf(first, end), halfAt(file, record.half) + record.at + from)
    yield { first, end, bytesOf, imageOf: (i) => bytesOf(i, i + 1) }
  }
}
