/**
 * Partitions that come and go while the cache is open. All of this runs in the owner's event loop, one change at a time.
 */
import { runCall } from '../core/client/call.js'
import { assertTimeout } from '../core/client/call-options.js'
import type { Context, PartitionView } from '../core/context.js'
import { drop } from '../core/partitions/drop.js'
import { setBlocks, shrink } from '../core/partitions/shrink.js'
import { type Config, shareOf, parseAdded } from '../shared/config.js'
import { show } from '../shared/values.js'
import { CacheError } from '../shared/errors.js'
import type { DropOptions, PartitionOptions } from '../shared/options.js'
import { openRecord, stateIn, storeBlocks } from '../shared/partition-record.js'
import { Deadline, DEFAULT_TIMEOUT_MS } from '../shared/wait.js'
import { Partition, PartitionState } from '../shared/words.js'
import type { Claims } from './claims.js'
import { closeFiles, extendFiles, openFiles, type PartitionFile } from './files.js'
import { assertResizable, setFileSize } from './file-size.js'
import type { OwnerJournals } from './owner-journals.js'
import { openError } from './surroundings.js'

/** Behind the last byte that a partition of so many blocks has in its file. */
const endOf = ({ offset, partition }: PartitionFile, blocks: number): number =>
  offset + blocks * partition.blockSize

/** @throws ERR_DCACHE_OUT_OF_RANGE */
function assertSize(file: PartitionFile, blocks: number): void {
  if (Number.isSafeInteger(blocks) && blocks > 0 && Number.isSafeInteger(endOf(file, blocks))) return
  throw new CacheError(
    'ERR_DCACHE_OUT_OF_RANGE',
    `partition '${file.partition.name}' cannot have ${show(blocks)} blocks; it must have 1 or more, and end before byte 2^53`,
  )
}

export class Partitions {
  readonly #context: Context
  readonly #config: Config
  readonly #claims: Claims
  readonly #journals: OwnerJournals
  /** By the partition's number. */
  readonly #files = new Map<number, PartitionFile>()
  /** The last change that was asked for; a change begins when the one before has ended. */
  #last: Promise<unknown> = Promise.resolve()
  /** How many changes are under way or wait for their turn. */
  #changes = 0
  #isEnding = false

  constructor(
    context: Context,
    config: Config,
    { files, claims, journals }: { files: readonly PartitionFile[]; claims: Claims; journals: OwnerJournals },
  ) {
    this.#context = context
    this.#config = config
    this.#claims = claims
    this.#journals = journals
    for (const [index, file] of files.entries()) this.#files.set(index, file)
  }

  get files(): readonly PartitionFile[] {
    return [...this.#files.values()]
  }

  /**
   * Opens a partition, or leaves everything as it was.
   * @throws what openCache throws for a partition; ERR_DCACHE_BAD_OPTION also for a name that is taken, or if there are too
   *   many
   */
  add(name: string, options: PartitionOptions): Promise<void> {
    const { groups, frameSize } = this.#config
    const isAligned = this.#context.arena.memory !== undefined
    const partition = parseAdded(name, options, { groups, frameSize, isAligned })
    return this.inTurn(async () => {
      const index = this.#freeNumber(name)
      this.#journals.assertRoom(partition, this.files)
      const files = await openFiles([partition], this.#claims, this.files)
      const [file] = files as [PartitionFile]
      try {
        this.#journals.assertMayJoin(file, this.files)
        await extendFiles(files)
        await this.#journals.mark(file)
        try {
          this.#enter(index, file)
        } catch (error) {
          await this.#journals.unmark(file).catch(() => undefined) // the first failure is the one to report
          throw error
        }
      } catch (error) {
        closeFiles(files)
        throw openError(error)
      }
    })
  }

  /** Opens the record of a partition that was added. @throws the error of notOpenError */
  #enter(index: number, file: PartitionFile): void {
    const { arena } = this.#context
    const { partition, fd, offset } = file
    this.#context.assertOpen() // it may have been closed in the meantime
    this.#journals.storeLimits(arena, [...this.files, file], this.#config.frameSize)
    const share = shareOf(partition, arena.frames)
    const marked = this.#journals.isMarked(file)
    openRecord(arena, index, { ...partition, fd, offset, share, marked }, file.blocks)
    file.keep()
    this.#files.set(index, file)
  }

  /**
   * Drops a partition and closes its file. Errors as those of `drop` in core, and of the journal's steps;
   * ERR_DCACHE_BAD_JOURNAL if only the mark has stayed.
   */
  async drop(view: PartitionView, options: DropOptions = {}): Promise<void> {
    const { flush = true, timeoutMs = DEFAULT_TIMEOUT_MS } = options
    assertTimeout(timeoutMs)
    if (typeof flush !== 'boolean')
      throw new CacheError('ERR_DCACHE_BAD_OPTION', `flush is ${show(flush)}; it must be true or false`)
    await this.inTurn(async () => {
      const file = this.#fileOf(view)
      const steps = this.#journals.stepsFor(this.#context, file)
      await runCall(this.#context, drop(this.#context, view, flush, new Deadline(timeoutMs), steps))
      this.#files.delete(view.index)
      this.#journals.storeLimits(this.#context.arena, this.files, this.#config.frameSize)
      try {
        await this.#journals.unmark(file)
      } finally {
        file.close()
      }
    })
  }

  /**
   * Sets the size of a partition in blocks, or adds to it. Resolves to the number of blocks before.
   * @throws ERR_DCACHE_OUT_OF_RANGE, _READ_ONLY, _UNSUPPORTED, _BAD_FILE, _GUARDS_HELD, _UNKNOWN_PARTITION
   */
  async resize(
    view: PartitionView,
    what: 'resize' | 'extend',
    count: number,
    timeoutMs: number,
  ): Promise<number> {
    let before = 0
    await this.inTurn(async () => {
      this.#context.assertOpen()
      const file = this.#fileOf(view)
      before = view.look()
      const blocks = what === 'extend' ? before + count : count
      assertSize(file, blocks)
      assertResizable(file, this.files, endOf(file, blocks))
      if (blocks > before) await this.#grow(view, file, blocks)
      else if (blocks < before) await this.#shrink(view, file, blocks, timeoutMs)
    })
    return before
  }

  /** The file first: a thread that sees the new size may read the new blocks, and they are there after a crash. */
  async #grow(view: PartitionView, file: PartitionFile, blocks: number): Promise<void> {
    await setFileSize(file, endOf(file, blocks))
    storeBlocks(this.#context.arena, view.index, blocks)
    file.blocks = blocks
  }

  /**
   * The file last: until then a thread may still use the blocks beyond the new end, and recovery may replay records that have
   * them.
   */
  async #shrink(view: PartitionView, file: PartitionFile, blocks: number, timeoutMs: number): Promise<void> {
    const before = view.look()
    const steps = this.#journals.stepsFor(this.#context, file)
    if (steps !== undefined) await runCall(this.#context, steps.place())
    await runCall(this.#context, shrink(this.#context, view, blocks, new Deadline(timeoutMs)))
    try {
      if (steps !== undefined) await runCall(this.#context, steps.erase())
      await setFileSize(file, endOf(file, blocks))
      file.blocks = blocks
    } catch (error) {
      setBlocks(this.#context, view, before)
      throw error
    }
  }

  /** @throws ERR_DCACHE_UNKNOWN_PARTITION */
  #fileOf(view: PartitionView): PartitionFile {
    const file = this.#context.partitions.find(view.index) === view ? this.#files.get(view.index) : undefined
    if (file !== undefined) return file
    throw new CacheError('ERR_DCACHE_UNKNOWN_PARTITION', `partition '${view.name}' was dropped`)
  }

  /** For calls of other threads, which know a partition by its number and generation. */
  viewOf(index: number, generation: number): PartitionView {
    const view = this.#context.partitions.find(index)
    if (view?.generation === generation) return view
    throw new CacheError('ERR_DCACHE_UNKNOWN_PARTITION', 'the partition was dropped')
  }

  /** Whether a change is under way, which may use a descriptor. */
  get isChanging(): boolean {
    return this.#changes > 0
  }

  /** No change begins after this. */
  end(): void {
    this.#isEnding = true
  }

  /** Closes all files. @requires `end`, and that no change is under way */
  close(): void {
    closeFiles(this.files)
    this.#files.clear()
  }

  /** Runs a change when those before it have ended. */
  inTurn(change: () => Promise<void>): Promise<void> {
    this.#changes++
    const own = this.#last
      .then(() => {
        if (this.#isEnding) throw this.#context.notOpen()
        return change()
      })
      .finally(() => this.#changes--)
    this.#last = own.catch(() => undefined)
    return own
  }

  /** The number for a new partition: the one that has been free for longest. @throws ERR_DCACHE_BAD_OPTION */
  #freeNumber(name: string): number {
    const { words, arena, partitions } = this.#context
    if (partitions.all().some((view) => view.name === name))
      throw new CacheError('ERR_DCACHE_BAD_OPTION', `there is a partition '${name}' already`)
    let best = -1
    let oldest = Infinity
    for (let index = 0; index < arena.geometry.partitions; index++) {
      const standing = words[arena.partitionAt(index) + Partition.standing]!
      if (stateIn(standing) !== PartitionState.FREE || standing >= oldest) continue
      ;[best, oldest] = [index, standing]
    }
    if (best >= 0) return best
    const most = arena.geometry.partitions
    throw new CacheError(
      'ERR_DCACHE_BAD_OPTION',
      `partition '${name}' would be one too many: maxPartitions is ${most}; drop one, or open the cache with more`,
    )
  }
}
