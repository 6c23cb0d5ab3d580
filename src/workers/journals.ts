/**
 * The journals of a cache's groups, from opening to the orderly end. The owner does all of this; records are written by the flush
 * worker, through the descriptors.
 *
 *   openJournals: open, claim, check against files, marks and records ---- nothing of a file has changed yet
 *   recover: write the records in place again, erase what is torn, create or resize, mark ---- before anything is read
 *   keep --> rounds --> finish: erase the records, remove the marks --> close
 *
 * Without `finish`, as after a crash, the records and the marks stay, and the next opening replays them.
 */
import { randomBytes } from 'node:crypto'
import { fstatSync } from 'node:fs'
import { type FileHeader, type HalfIndex, ID_BYTES, idText } from '../core/journal/file-header.js'
import { eraseRecords } from '../core/journal/owner-writes.js'
import type { RecordHeader, RecordPlace } from '../core/journal/record.js'
import {
  assertBelongs,
  bad,
  placeAfter,
  type RecoveryTarget,
  replay,
  replayOrder,
  unreadable,
} from '../core/journal/recover.js'
import { type HalfState, scanJournal } from '../core/journal/scan.js'
import { FileStorage } from '../core/journal/storage.js'
import { CacheError } from '../shared/errors.js'
import type { SizedJournal } from '../shared/group-options.js'
import { type JournalSize, leastHalf, tableBytesOf } from '../shared/journal-size.js'
import type { JournalRecovery, ReplayedRecord } from '../shared/reports.js'
import { refuse } from '../shared/values.js'
import type { Claims } from './claims.js'
import type { PartitionFile } from './files.js'
import { JournalFile } from './journal-file.js'
import { JournalMarks, type Mark, markPath, readMark } from './journal-marks.js'
import { fileError } from './open-file.js'

/**
 * @param configs the journals (`sizeJournals`)
 * @param groups the names of all groups, in the order of their numbers
 * @param files those of all partitions, open and claimed
 * @throws ERR_DCACHE_BAD_OPTION, _BAD_FILE, _BAD_JOURNAL, _READ_ONLY, _IN_USE, _UNSUPPORTED; then nothing is open or changed
 */
export async function openJournals(
  configs: readonly SizedJournal[],
  groups: readonly string[],
  files: readonly PartitionFile[],
  claims: Claims,
): Promise<readonly GroupJournal[]> {
  const journals = configs.map(
    (config) => new GroupJournal(config, groups.indexOf(config.group), files, claims),
  )
  try {
    for (const journal of journals) await journal.file.open()
    assertApart(journals, files)
    for (const journal of journals) await journal.readHeader()
    assertMarks(files, journals)
    for (const journal of journals) await journal.examine()
    return journals
  } catch (error) {
    for (const journal of journals) journal.file.close()
    throw error
  }
}

/** The journal of one group. */
export class GroupJournal {
  readonly name: string
  readonly group: number
  readonly file: JournalFile
  readonly #size: JournalSize
  readonly #files: readonly PartitionFile[]
  #header: FileHeader | undefined
  #marks: JournalMarks | undefined
  #halves: readonly HalfState[] = []
  #records: readonly RecordHeader[] = []

  constructor(config: SizedJournal, group: number, files: readonly PartitionFile[], claims: Claims) {
    this.name = config.group
    this.group = group
    this.file = new JournalFile(config.group, config.path, claims)
    this.#size = config.size
    this.#files = files.filter(({ partition }) => partition.group === group)
  }

  /** After `recover`. */
  get header(): FileHeader {
    return this.#header!
  }
  /** Undefined if the journal is new. */
  get id(): string | undefined {
    return this.#header && idText(this.#header.id)
  }
  /** Where the next record goes. After `recover`. */
  get next(): RecordPlace {
    return placeAfter(this.#records)
  }

  async readHeader(): Promise<void> {
    this.#header = await this.file.readHeader()
  }

  /** Reads the records, and checks that they belong to the partitions. @throws ERR_DCACHE_BAD_JOURNAL */
  async examine(): Promise<void> {
    const { what, storage } = this.file
    if (this.#header === undefined) return
    this.#halves = await scanJournal(storage, this.#header).catch((error: unknown) => {
      throw unreadable(what, error)
    })
    this.#records = replayOrder(what, this.#halves)
    assertBelongs(what, this.#records, this.#targets())
  }

  /**
   * Writes the records in place again, and readies the journal for rounds: it has a header, the size that was asked for, and
   * its partitions have marks. The files of partitions have their sizes by now.
   * @throws ERR_DCACHE_BAD_FILE, _BAD_JOURNAL, _READ_ONLY; what the journal held, it still holds
   */
  async recover(): Promise<JournalRecovery> {
    const { what, storage, path } = this.file
    let replayed: ReplayedRecord[] = []
    if (this.#header === undefined) {
      const header = { id: randomBytes(ID_BYTES), halfBytes: this.#size.halfBytes }
      await this.file.create(header)
      this.#header = header
    } else {
      replayed = await replay(what, storage, this.#header, this.#records, this.#targets())
      await this.file.eraseTorn(this.#header, this.#halves)
      await this.#resize(this.#header)
    }
    for (const file of this.#files) await this.mark(file)
    const torn = this.#halves.flatMap((half, i) => (half.torn ? [`half ${i}: ${half.torn.why}`] : []))
    return { group: this.name, path, replayed, torn }
  }

  /** An existing journal keeps its size, unless another one was asked for, or it is too small for the group. */
  async #resize(header: FileHeader): Promise<void> {
    const { halfBytes, leastBytes, isGiven } = this.#size
    if (header.halfBytes === halfBytes || (!isGiven && header.halfBytes >= leastBytes)) return
    const resized = { id: header.id, halfBytes }
    await this.file.resize(header, resized, this.#records.at(-1)?.half)
    this.#records = []
    this.#header = resized
  }

  /**
   * Marks the file of a partition, before a record has blocks of it. Also called when a partition is added. `assertMarks` has
   * found no mark of another journal.
   * @throws ERR_DCACHE_BAD_JOURNAL
   */
  async mark(file: PartitionFile): Promise<void> {
    this.#marks ??= new JournalMarks({ id: idText(this.header.id), journal: this.file.path })
    if (canBeMarked(file)) await this.#marks.put(file)
  }

  /**
   * A partition goes: removes its mark. The records have been erased, or no record has blocks of it.
   * @throws ERR_DCACHE_BAD_JOURNAL
   */
  async unmark(file: PartitionFile): Promise<void> {
    if (canBeMarked(file)) await this.#marks?.remove(file.identity)
  }

  /**
   * Erases all records. All their blocks are durable in place, and no record is being written. Before a partition of the group goes
   * or shrinks, else a record that names its blocks would be refused after a crash.
   * @param newest the half of the newest durable record
   * @throws ERR_DCACHE_BAD_FILE; the records are still replayed then
   */
  async erase(newest: HalfIndex): Promise<void> {
    await eraseRecords(this.file.storage, this.header, newest).catch((cause: unknown) => {
      const why = `its records cannot be erased: ${(cause as Error).message}`
      throw new CacheError('ERR_DCACHE_BAD_FILE', `${this.file.what}: ${why}`, { cause })
    })
  }

  /** The orderly end: nothing of the files is in the journal any more. As `erase`. @throws ERR_DCACHE_BAD_FILE, _BAD_JOURNAL */
  async finish(newest: HalfIndex): Promise<void> {
    await this.erase(newest)
    await this.#marks?.removeAll()
  }

  /** Opening has failed later on: removes the marks and the file that were made for it, and closes. */
  async undo(): Promise<void> {
    await this.#marks?.undo()
    this.file.close()
  }

  #targets(): Map<string, RecoveryTarget> {
    return new Map(
      this.#files.map((file) => {
        const { name, blockSize, offset, readOnly, direct } = file.partition
        const target: RecoveryTarget = {
          name,
          blockSize,
          offset,
          blocks: file.blocks,
          isReadOnly: readOnly,
          isDirect: direct,
          isMarked: canBeMarked(file) && readMark(file.path)?.id === this.id,
          storage: new FileStorage(file.fd),
          failed: (error) => fileError(file.partition, error),
        }
        return [name, target]
      }),
    )
  }
}

/**
 * Checks that a group's journal has room for a partition that is added to it.
 * @param partitions those of the group, with the new one
 * @throws ERR_DCACHE_BAD_OPTION
 */
export function assertRoom(
  { name, header, file }: GroupJournal,
  partitions: readonly { readonly name: string; readonly blockSize: number }[],
): void {
  const blockSize = Math.max(...partitions.map((partition) => partition.blockSize))
  const least = leastHalf(blockSize, tableBytesOf(partitions))
  if (header.halfBytes >= least) return
  refuse(
    `group '${name}': its journal ${file.path} has ${2 * header.halfBytes} bytes; blocks of ${blockSize} bytes need at least ${2 * least}; ` +
      'open the cache with a larger journal.size',
  )
}

/** Block devices have no mark; and nothing is written through a partition that is readOnly. */
export const canBeMarked = (file: PartitionFile): boolean =>
  !file.partition.readOnly && fstatSync(file.fd).isFile()

/**
 * Checks that no journal is another one's file or that of a partition, and that all partitions of a file are in one group if that has
 * a journal. Also called when a partition is added.
 * @throws ERR_DCACHE_IN_USE, ERR_DCACHE_BAD_OPTION
 */
export function assertApart(journals: readonly GroupJournal[], files: readonly PartitionFile[]): void {
  for (const [i, { file: journal, name, group }] of journals.entries()) {
    const { identity, what } = journal
    const other = journals.slice(0, i).find(({ file }) => file.identity === identity)
    if (other !== undefined)
      throw new CacheError('ERR_DCACHE_IN_USE', `${what}: it is the journal of group '${other.name}' too`)
    const inUse = files.find((file) => file.identity === identity)
    if (inUse !== undefined)
      throw new CacheError(
        'ERR_DCACHE_IN_USE',
        `${what}: it is the file of partition '${inUse.partition.name}' too`,
      )
    // A file has one mark.
    for (const file of files) {
      const { partition } = file
      const second = files.find((each) => each.identity === file.identity && each.partition.group !== group)
      if (
        partition.group !== group ||
        second === undefined ||
        partition.readOnly ||
        second.partition.readOnly
      )
        continue
      refuse(
        `partitions '${partition.name}' and '${second.partition.name}' are in one file, ${file.path}, and in different groups; ` +
          `group '${name}' has a journal, so all partitions of the file must be in it`,
      )
    }
  }
}

/**
 * Checks that each file that has a mark is opened together with the journal which the mark names. Called for every cache,
 * also without journals, before anything is read or written; and for a partition that is added. Costs one open(2) for each
 * file.
 * @throws ERR_DCACHE_BAD_JOURNAL
 */
export function assertMarks(
  files: readonly PartitionFile[],
  journals: readonly { readonly id: string | undefined; readonly group: number; readonly name: string }[],
): void {
  for (const file of files) {
    if (!canBeMarked(file)) continue
    const mark = readMark(file.path)
    if (mark === undefined) continue
    const journal = journals.find(({ id }) => id === mark.id)
    const { name, group } = file.partition
    const what = `partition '${name}': ${file.path}`
    if (journal === undefined) throw bad(what, missing(file.path, mark))
    if (journal.group !== group)
      throw bad(
        what,
        `its mark ${markPath(file.path)} names the journal of group '${journal.name}'; open it in that group`,
      )
  }
}

const missing = (path: string, { journal, id }: Mark): string =>
  `changes of it may be in the journal ${journal} (id ${id}), which is not opened with it; open the cache with that journal, ` +
  `or, if what it holds may be lost, remove it and the mark ${markPath(path)}`
