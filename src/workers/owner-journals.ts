/**
 * The owner's part in the journals of its groups: it opens and recovers them before the engine starts, empties them before a
 * partition goes or shrinks, and at an orderly end. What is done with one journal is in journals.ts; records are written by
 * rounds.
 *
 *   open: check all --> recover --> format: where the first record goes --> rounds ... empty ... --> finish --> close
 *
 * After `close` without `finish`, as after a crash, the next opening replays what the journals have. After `close` without
 * `keep` everything is as before `open`, except that what a crash had left in a journal is in place.
 */
import { store } from '#atomics'
import type { Context } from '../core/context.js'
import { newestHalf, placeAnew, setPlace } from '../core/journal/place.js'
import type { JournalSteps } from '../core/partitions/drop.js'
import { placeAll, resumeRecords, stopRecords } from '../core/changes/stop-records.js'
import type { Arena } from '../shared/arena.js'
import type { PartitionConfig } from '../shared/config.js'
import type { SizedJournal } from '../shared/group-options.js'
import type { JournalHandle } from '../shared/interface.js'
import { blocksInHalf, tableBytesOf } from '../shared/journal-size.js'
import type { JournalRecovery } from '../shared/reports.js'
import { SLICE_MS, type Slow } from '../shared/wait.js'
import { Group, Partition } from '../shared/words.js'
import type { Claims } from './claims.js'
import type { PartitionFile } from './files.js'
import {
  assertApart,
  assertMarks,
  assertRoom,
  canBeMarked,
  type GroupJournal,
  openJournals,
} from './journals.js'

export class OwnerJournals {
  readonly #journals: readonly GroupJournal[]
  #recovered: readonly JournalRecovery[] = []
  #isKept = false

  /** Opens the journals and checks everything that can be refused. Parameters and errors as those of `openJournals`. */
  static async open(
    configs: readonly SizedJournal[],
    groups: readonly string[],
    files: readonly PartitionFile[],
    claims: Claims,
  ): Promise<OwnerJournals> {
    return new OwnerJournals(await openJournals(configs, groups, files, claims))
  }

  private constructor(journals: readonly GroupJournal[]) {
    this.#journals = journals
  }

  /** What `recover` found, of journals that had something. */
  get recovered(): readonly JournalRecovery[] {
    return this.#recovered
  }

  /** For the cache's handle. After `recover`. */
  get handles(): JournalHandle[] {
    return this.#journals.map(({ group, file, id, header }) => {
      const { path, fd } = file
      return { group, path, fd, id: id!, halfBytes: header.halfBytes }
    })
  }

  /** Descriptors, as a warning names them. */
  get descriptors(): string[] {
    return this.#journals.map(({ file, name }) => `${file.fd} of the journal of group '${name}'`)
  }

  /** Writes in place what the journals hold, before anything is read. Errors as those of `GroupJournal.recover`. */
  async recover(): Promise<void> {
    const recovered: JournalRecovery[] = []
    for (const journal of this.#journals) recovered.push(await journal.recover())
    this.#recovered = recovered.filter(({ replayed, torn }) => replayed.length > 0 || torn.length > 0)
  }

  /** Sets the words of groups and partitions that journals need. Called before any other thread has the buffer. */
  format(arena: Arena, files: readonly PartitionFile[], frameSize: number): void {
    for (const journal of this.#journals) setPlace(arena, journal.group, journal.next)
    this.storeLimits(arena, files, frameSize)
    for (const [index, file] of files.entries())
      arena.words[arena.partitionAt(index) + Partition.marked] = this.isMarked(file) ? 1 : 0
  }

  /**
   * Sets how many blocks a record may have: as many of the largest as fit into a half. To be called before a partition is added
   * to those of `files`, since its blocks may be larger, and after one is gone.
   */
  storeLimits(
    arena: Arena,
    files: readonly { readonly partition: PartitionConfig }[],
    frameSize: number,
  ): void {
    for (const { group, header } of this.#journals) {
      const own = files.map(({ partition }) => partition).filter((partition) => partition.group === group)
      const sizes = own.filter(({ readOnly }) => !readOnly).map(({ blockSize }) => blockSize)
      const blockSize = sizes.length === 0 ? frameSize : Math.max(...sizes)
      const blocks = blocksInHalf(header.halfBytes, blockSize, tableBytesOf(own))
      store(arena.words, arena.groupAt(group) + Group.recordMax, blocks)
    }
  }

  /** Whether the file of a partition has a mark, once it is open. */
  isMarked(file: PartitionFile): boolean {
    return this.#of(file.partition.group) !== undefined && canBeMarked(file)
  }

  /** Checks that the group's journal has room for a partition. @throws ERR_DCACHE_BAD_OPTION */
  assertRoom(added: PartitionConfig, files: readonly PartitionFile[]): void {
    const journal = this.#of(added.group)
    if (journal === undefined) return
    const own = files.map(({ partition }) => partition).filter(({ group }) => group === added.group)
    assertRoom(journal, [...own, added])
  }

  /** Checks the file of a partition that is added to those of `files`. @throws ERR_DCACHE_BAD_JOURNAL, _IN_USE, _BAD_OPTION */
  assertMayJoin(file: PartitionFile, files: readonly PartitionFile[]): void {
    assertApart(this.#journals, [...files, file])
    assertMarks([file], this.#journals)
  }

  /** Marks the file of a partition that is added, before a record has blocks of it. @throws ERR_DCACHE_BAD_JOURNAL */
  async mark(file: PartitionFile): Promise<void> {
    await this.#of(file.partition.group)?.mark(file)
  }

  /** Removes the mark of a partition that is gone, or was not added. @throws ERR_DCACHE_BAD_JOURNAL */
  async unmark(file: PartitionFile): Promise<void> {
    await this.#of(file.partition.group)?.unmark(file)
  }

  /**
   * What must be done before a partition goes or shrinks, because recovery would refuse a record that has its blocks; undefined
   * if its group has no journal, or records never have its blocks.
   */
  stepsFor(context: Context, { partition }: PartitionFile): JournalSteps | undefined {
    const journal = this.#of(partition.group)
    if (journal === undefined || partition.readOnly) return undefined
    return { place: () => placeAll(context, journal.group), erase: () => empty(context, journal) }
  }

  /** Opening has succeeded: `close` does not undo what it did. */
  keep(): void {
    for (const { file } of this.#journals) file.keep()
    this.#isKept = true
  }

  /**
   * The orderly end: erases all records, and removes the marks. Everything is durable in place, and no thread may write a
   * record. Tries all journals. @throws ERR_DCACHE_BAD_FILE, _BAD_JOURNAL: the first error
   */
  async finish(context: Context): Promise<void> {
    let failed: unknown
    for (const journal of this.#journals)
      await journal.finish(newestHalf(context, journal.group)).catch((error: unknown) => (failed ??= error))
    if (failed !== undefined) throw failed as Error
  }

  /** Closes the journals. Before that, undoes what opening did, unless it has succeeded. */
  async close(): Promise<void> {
    for (const journal of this.#journals)
      if (this.#isKept) journal.file.close()
      else await journal.undo()
  }

  #of(group: number): GroupJournal | undefined {
    return this.#journals.find((journal) => journal.group === group)
  }
}

/**
 * Erases the records of a journal while threads go on: they may change blocks, but flushes wait until it is over.
 * @throws ERR_DCACHE_FENCED, ERR_DCACHE_TIMEOUT; ERR_DCACHE_BAD_FILE. The records are still replayed then, which changes
 *   nothing
 */
function* empty(context: Context, journal: GroupJournal): Slow<void> {
  const { group } = journal
  yield* stopRecords(context, group)
  try {
    yield* untilSettled('the journal', journal.erase(newestHalf(context, group)))
  } finally {
    placeAnew(context, group)
    resumeRecords(context, group)
  }
}

/** Waits for a call of this thread's event loop, in a slow path. @throws what the call rejects with */
function* untilSettled(what: string, call: Promise<void>): Slow<void> {
  let outcome: { readonly error?: unknown } | undefined
  const turn = call.then(
    () => void (outcome = {}),
    (error: unknown) => void (outcome = { error }),
  )
  while (outcome === undefined) yield { kind: 'turn', what, turn, timeoutMs: SLICE_MS }
  if ('error' in outcome) throw (outcome as { error: Error }).error
}
