/**
 * What a journal file holds: nothing, a whole record, or something torn, in each of its halves.
 *
 * A half whose record is torn was being written or erased when the machine stopped: the record was never acknowledged, or its
 * blocks were durable in place already. Damage to a record that had been acknowledged looks the same, and is taken for the
 * same; only the loss of a whole record between two others shows (`replayOrder` in recover.ts).
 */
import { JOURNAL_PAGE, toPages } from '../../shared/journal-size.js'
import { type FileHeader, halfAt, type HalfIndex } from './file-header.js'
import { decodeRecord, headerBytesIn, isImage, type RecordHeader } from './record.js'
import type { Storage } from './storage.js'

export type HalfState =
  | { readonly kind: 'empty' }
  | { readonly kind: 'record'; readonly record: RecordHeader }
  /** `record`: its header is whole. `damaged`: the images that are not those of the header, by their places in it. */
  | {
      readonly kind: 'torn'
      readonly why: string
      readonly record?: RecordHeader
      readonly damaged?: readonly number[]
    }

/** Bytes that are read at a time. */
const CHUNK_BYTES = 2 ** 20

/** Reads and checks both halves. Costs one pass over each record. @throws the system's error */
export async function scanJournal(
  storage: Storage,
  file: FileHeader,
): Promise<readonly [HalfState, HalfState]> {
  return [await scanHalf(storage, file, 0), await scanHalf(storage, file, 1)]
}

async function scanHalf(storage: Storage, file: FileHeader, half: HalfIndex): Promise<HalfState> {
  const at = halfAt(file, half)
  const page = new Uint8Array(JOURNAL_PAGE)
  await storage.read(page, at)
  if (page.every((byte) => byte === 0)) return { kind: 'empty' }
  const bytes = headerBytesIn(page, { id: file.id, half }, file.halfBytes)
  if (typeof bytes === 'string') return { kind: 'torn', why: bytes }
  const header = new Uint8Array(bytes)
  await storage.read(header, at)
  const record = decodeRecord(header, file.halfBytes)
  if (record === undefined) return { kind: 'torn', why: 'the checksum of its header is wrong' }
  const damaged: number[] = []
  for await (const { first, end, imageOf } of imagesOf(storage, file, record))
    for (let i = first; i < end; i++) if (!isImage(record, i, imageOf(i))) damaged.push(i)
  if (damaged.length === 0) return { kind: 'record', record }
  const why = `the checksums of ${damaged.length} of its ${record.checksums.length} blocks are wrong`
  return { kind: 'torn', why, record, damaged }
}

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
    await storage.read(bytesOf(first, end), halfAt(file, record.half) + from)
    yield { first, end, bytesOf, imageOf: (i) => bytesOf(i, i + 1) }
  }
}
