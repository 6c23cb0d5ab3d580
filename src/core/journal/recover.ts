/**
 * Recovery: the whole records are written in place again, in the order of their numbers, and the partitions are synced, before
 * anything is read of them. No whole record is erased: the next record goes to the other half, and until that is full the newest
 * record stays. So recovery may end at any point, and can be done again.
 *
 * Both halves may have records: the later half is in use while the blocks of the earlier are still on their way in place. If
 * those were durable already, writing them again changes nothing that the later records do not restore.
 */
import { randomInt } from 'node:crypto'
import { CacheError } from '../../shared/errors.js'
import { alignedBytes } from '../../shared/buffer.js'
import { toPages } from '../../shared/journal-size.js'
import type { ReplayedRecord } from '../../shared/reports.js'
import type { FileHeader, HalfIndex } from './file-header.js'
import { isImage, type RecordHeader, type RecordPartition, type RecordPlace } from './record.js'
import { type HalfState, type ImagesRead, imagesOf, memoryFor } from './scan.js'
import type { Storage } from './storage.js'

const TURNS = 2 ** 48 - 1

/** A partition of the group, as it is opened now. */
export interface RecoveryTarget extends RecordPartition {
  readonly isReadOnly: boolean
  /** Whether the file is opened with O_DIRECT. */
  readonly isDirect: boolean
  /** Its file; positions are those of the file. */
  readonly storage: Storage
  /** Converts the system's error of a call on its file. */
  readonly failed: (error: unknown) => CacheError
}

/**
 * The records to replay, the older first. If the newer half begins two numbers or more behind the last record of the older one, the
 * older half was being begun again when the machine stopped, and has only a part of its records left. All of it is in place,
 * and writing a part would bring old images back: it is left out.
 * @param what the journal in messages
 * @throws ERR_DCACHE_BAD_JOURNAL if the numbers of the halves overlap, which no order of writes leaves
 */
export function replayOrder(what: string, halves: readonly HalfState[]): readonly RecordHeader[] {
  const [older, newer] = halves
    .map(({ records }) => records)
    .filter((records) => records.length > 0)
    .sort(([a], [b]) => a!.number - b!.number)
  if (older === undefined || newer === undefined) return older ?? []
  const [last, first] = [older.at(-1)!.number, newer[0]!.number]
  // The same number: a record that had failed was tried again, had become longer, and did not fit any more.
  if (first < last || first === older[0]!.number)
    throw bad(
      what,
      `one half has the records ${older[0]!.number} to ${last}, the other one those from ${first} on; they are of different journals, or the disk has lost a write`,
    )
  return first > last + 1 ? newer : [...older, ...newer]
}

/**
 * Where the next record goes after recovery: to the half that does not have the newest record, since that half is the only one
 * that may be needed after the next crash. Numbers continue.
 */
export function placeAfter(records: readonly RecordPlace[]): RecordPlace {
  const newest = records.at(-1)
  return newest === undefined ? beginning(1, 0) : beginning(newest.number + 1, otherHalf(newest.half))
}

/**
 * Where a record of so many bytes goes: to its place, or if it does not fit there, to the beginning of the other half. Of that
 * half nothing may be owed in place any more. Any record fits into a whole half.
 */
export const placeFor = (place: RecordPlace, bytes: number, { halfBytes }: FileHeader): RecordPlace =>
  place.at + bytes <= halfBytes ? place : beginning(place.number, otherHalf(place.half))

/** Where the next record goes when the one at `place` has become durable. After a failure the next one goes to the same place. */
export const placeBehind = ({ number, half, at, turn }: RecordPlace, bytes: number): RecordPlace => ({
  number: number + 1,
  half,
  at: at + toPages(bytes),
  turn,
})

const beginning = (number: number, half: HalfIndex): RecordPlace => ({
  number,
  half,
  at: 0,
  turn: randomInt(TURNS),
})

export const otherHalf = (half: HalfIndex): HalfIndex => (half === 0 ? 1 : 0)

/**
 * Checks that each record belongs to the partitions as they are opened now. Nothing has been written by then.
 * @throws ERR_DCACHE_BAD_JOURNAL, which names the partition
 */
export function assertBelongs(
  what: string,
  records: readonly RecordHeader[],
  targets: ReadonlyMap<string, RecoveryTarget>,
): void {
  for (const record of records)
    for (const [index, partition] of record.partitions.entries()) {
      const why = whyNot(partition, lastBlockOf(record, index), targets.get(partition.name))
      if (why === undefined) continue
      throw bad(what, `record ${record.number} has blocks of partition '${partition.name}', ${why}`)
    }
}

/** The largest number of a block that a record has of a partition. */
function lastBlockOf({ keys }: RecordHeader, index: number): number {
  let last = -1
  for (let i = 0; i < keys.blocks.length; i++)
    if (keys.partitions[i] === index) last = Math.max(last, keys.blocks[i]!)
  return last
}

function whyNot(was: RecordPartition, last: number, now: RecoveryTarget | undefined): string | undefined {
  if (now === undefined) return 'which the group does not have; open the cache with it once'
  if (now.isReadOnly) return 'which is opened readOnly; open it once without'
  if (now.blockSize !== was.blockSize)
    return `whose blocks had ${was.blockSize} bytes and now have ${now.blockSize}`
  if (now.offset !== was.offset)
    return `which began at byte ${was.offset} of its file and now begins at byte ${now.offset}`
  if (last >= now.blocks)
    return `of which block ${last} is the last; the partition has ${now.blocks} blocks, and had ${was.blocks}`
  if (was.isMarked && !now.isMarked)
    return 'but its file has no mark of this journal, so it may be another file, or an older copy; copy the file together with its mark, or, if what the journal holds may be lost, remove the journal'
  return undefined
}

/**
 * Writes the records in place, in this order, and syncs the partitions that they have blocks of.
 * @throws ERR_DCACHE_BAD_FILE or _READ_ONLY if a partition's file fails, ERR_DCACHE_BAD_JOURNAL if the journal's does; the journal is unchanged
 */
export async function replay(
  what: string,
  storage: Storage,
  file: FileHeader,
  records: readonly RecordHeader[],
  targets: ReadonlyMap<string, RecoveryTarget>,
): Promise<ReplayedRecord[]> {
  const touched = new Set<RecoveryTarget>()
  const replayed: ReplayedRecord[] = []
  for (const record of records) {
    const places = record.partitions.map(({ name }) => targets.get(name)!)
    await replayOne(what, storage, file, record, places)
    for (const place of places) touched.add(place)
    replayed.push({ number: record.number, partitions: countsOf(record) })
  }
  for (const target of touched) await target.storage.sync().catch((error: unknown) => throwAs(target, error))
  return replayed
}

async function replayOne(
  what: string,
  storage: Storage,
  file: FileHeader,
  record: RecordHeader,
  places: readonly RecoveryTarget[],
): Promise<void> {
  const bytes = memoryFor(record)
  const memory = places.some(({ isDirect }) => isDirect) ? alignedBytes(bytes) : new Uint8Array(bytes)
  for await (const images of readable(what, imagesOf(storage, file, record, memory))) {
    const { first, end, imageOf, bytesOf } = images
    // They were whole when they were scanned. Nothing else may be written in place.
    for (let i = first; i < end; i++)
      if (!isImage(record, i, imageOf(i)))
        throw bad(what, `record ${record.number} was whole, and is not when it is read again`)
    // A record has a block once, so the order of its writes does not matter.
    const writes: Promise<void>[] = []
    let to: number
    for (let from = first; from < end; from = to) {
      to = endOfRun(record, from, end)
      const target = places[record.keys.partitions[from]!]!
      const at = target.offset + record.keys.blocks[from]! * target.blockSize
      writes.push(
        target.storage.write(bytesOf(from, to), at).catch((error: unknown) => throwAs(target, error)),
      )
    }
    await allOf(writes)
  }
}

/** The same, but errors of reading name the journal. */
async function* readable(what: string, reads: AsyncGenerator<ImagesRead>): AsyncGenerator<ImagesRead> {
  try {
    yield* reads
  } catch (cause) {
    throw unreadable(what, cause)
  }
}

/** Waits for all, so that none uses its descriptor any more when one has failed. @throws the first error */
async function allOf(calls: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(calls)).find(({ status }) => status === 'rejected')
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason as Error
}

/** Behind the last image that one call can write together with image `from`: neighbours in their file and in the record. */
function endOfRun({ keys, plan, partitions }: RecordHeader, from: number, end: number): number {
  const index = keys.partitions[from]!
  const { blockSize } = partitions[index]!
  let to = from + 1
  while (
    to < end &&
    keys.partitions[to] === index &&
    keys.blocks[to] === keys.blocks[to - 1]! + 1 &&
    plan.positions[to] === plan.positions[to - 1]! + blockSize
  )
    to++
  return to
}

export function countsOf({ partitions, keys }: RecordHeader): Record<string, number> {
  const counts = partitions.map(() => 0)
  for (let i = 0; i < keys.blocks.length; i++) counts[keys.partitions[i]!]!++
  return Object.fromEntries(partitions.map(({ name }, index) => [name, counts[index]!]))
}

function throwAs(target: RecoveryTarget, error: unknown): never {
  throw target.failed(error)
}

/** @param what the journal in messages */
export const unreadable = (what: string, cause: unknown): CacheError =>
  bad(what, `it cannot be read: ${(cause as Error).message}`, cause)

/** An error that names a journal. */
export function bad(what: string, why: string, cause?: unknown): CacheError {
  return new CacheError('ERR_DCACHE_BAD_JOURNAL', `${what}: ${why}`, cause === undefined ? {} : { cause })
}
