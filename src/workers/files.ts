/**
 * The file of a partition: the owner opens it, checks it, and protects it against a second writer. All threads use the owner's
 * descriptor: one opened by a worker would be closed when the worker ends, and its number soon reused for another file.
 *
 *   open --> open or create --> claim --> does the path still lead there? --no--> close, open again
 *   extend --> keep --> close
 *   close without keep: restores the size and removes a created file, and only then closes the descriptor and releases the claim
 *
 * Until the claim, another process may use a file that this one has just created. After the claim, no other open cache uses
 * it, and none can finish opening it after it was removed. So only a file that this call has created and claimed is removed,
 * and only if its path still leads to it.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsync,
  ftruncate,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs'
import { promisify } from 'node:util'
import { alignedBytes } from '../shared/buffer.js'
import type { PartitionConfig } from '../shared/config.js'
import { CacheError } from '../shared/errors.js'
import { claimFile } from './claim.js'
import type { Claims } from './claims.js'
import {
  absolute,
  fileError,
  findFile,
  type Found,
  identityAt,
  identityOf,
  notDirect,
  openDirect,
  realFolder,
  sizeOf,
} from './open-file.js'

const truncate = promisify(ftruncate)
const sync = promisify(fsync)

/** How often a path may lead to another file by the time that the file found there is claimed. */
const ATTEMPTS_MAX = 10

/**
 * Opens the files of partitions, or none of them. Existing files are not changed yet: they are extended later, when nothing else
 * can be refused. `others`: files of partitions that are open already.
 * @throws ERR_DCACHE_BAD_FILE, ERR_DCACHE_READ_ONLY, ERR_DCACHE_IN_USE, ERR_DCACHE_UNSUPPORTED
 */
export async function openFiles(
  partitions: readonly PartitionConfig[],
  claims: Claims,
  others: readonly PartitionFile[] = [],
): Promise<PartitionFile[]> {
  // Made before the first await, because the program may change its working directory in the meantime.
  const files = partitions.map((partition) => new PartitionFile(partition, claims))
  try {
    for (const file of files) await file.open()
    for (const [i, file] of files.entries()) assertDisjoint(file, [...others, ...files.slice(0, i)])
    return files
  } catch (error) {
    closeFiles(files)
    for (const file of files) await file.removeUnclaimed()
    throw error
  }
}

/**
 * Extends the files to the sizes of their partitions, and makes their names durable. Whether a file allows direct reads can only
 * be tested if it has bytes, so that is done last.
 * @throws ERR_DCACHE_BAD_FILE, ERR_DCACHE_UNSUPPORTED
 */
export async function extendFiles(files: readonly PartitionFile[]): Promise<void> {
  for (const file of files) await file.extend()
  for (const file of files) if (file.partition.direct) probeDirect(file)
}

/** Closes files, the last one first: what opening did to a file that several partitions are in is undone in that order. */
export function closeFiles(files: readonly PartitionFile[]): void {
  for (const file of [...files].reverse()) file.close()
}

export class PartitionFile {
  readonly partition: PartitionConfig
  /** Absolute, resolved when opening began. */
  readonly path: string
  readonly #claims: Claims
  #fd = -1
  #identity = ''
  #blocks = 0
  /** The smallest size that the file must have, in bytes; undefined for a block device or a read-only partition. */
  #end: number | undefined
  #hasClaim = false
  /** The real path of a file that this call created. */
  #created: string | undefined
  #extended: { readonly from: number; readonly to: number } | undefined
  #isKept = false

  constructor(partition: PartitionConfig, claims: Claims) {
    this.partition = partition
    this.path = absolute(partition.path)
    this.#claims = claims
  }

  get fd(): number {
    return this.#fd
  }
  get identity(): string {
    return this.#identity
  }
  /** Where the partition begins in the file, in bytes. */
  get offset(): number {
    return this.partition.offset
  }
  get blocks(): number {
    return this.#blocks
  }
  set blocks(blocks: number) {
    this.#blocks = blocks
  }
  /** Behind the last byte of the partition in its file. */
  get end(): number {
    return this.offset + this.#blocks * this.partition.blockSize
  }

  /** Opens, claims and checks the file. Called once; after a failure, `close` must follow. */
  async open(): Promise<void> {
    const { partition } = this
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const found = findFile(partition, this.path)
      if (found === undefined) continue
      this.#fd = found.fd
      const isOpen = await this.#take(found).catch((error: unknown) => {
        throw fileError(partition, error)
      })
      if (isOpen) return
      this.#release()
    }
    const why = `the path led to another file each of the ${ATTEMPTS_MAX} times that it was opened`
    throw new CacheError('ERR_DCACHE_BAD_FILE', `partition '${partition.name}': ${partition.path}: ${why}`)
  }

  /** Claims and checks the file; returns false if the path leads to another file by now. */
  async #take(found: Found): Promise<boolean> {
    const { partition, path } = this
    const { name, readOnly, direct, offset, blockSize } = partition
    const identity = (this.#identity = identityOf(found.fd))
    this.#created = found.created
    const stats = fstatSync(found.fd)
    if (!stats.isFile() && !stats.isBlockDevice()) {
      const why = 'it is neither a file nor a block device'
      throw new CacheError('ERR_DCACHE_BAD_FILE', `partition '${name}': ${partition.path}: ${why}`)
    }
    if (!readOnly) {
      await this.#claim()
      // Before the claim, another cache may have had it, and have removed a file that it had created.
      if (identityAt(path) !== identity) return false
      // That cache may also have filled the file that this call created.
      if (fstatSync(found.fd).size > 0) this.#created = undefined
    }
    const bytes = sizeOf(partition, found.fd, fstatSync(found.fd))
    const fd = direct ? openDirect(partition, path, identity) : found.fd
    if (fd === undefined) return false
    // Replaced once the size is known: a descriptor for direct I/O cannot read single bytes.
    if (fd !== found.fd) closeSync(found.fd)
    this.#fd = fd
    this.#blocks = bytes / blockSize
    this.#end = stats.isFile() && !readOnly ? offset + bytes : undefined
    return true
  }

  async #claim(): Promise<void> {
    const { name, path } = this.partition
    try {
      await this.#claims.take(this.#identity, `partition '${name}': ${path}`, this.path)
      this.#hasClaim = true
    } catch (error) {
      if ((error as CacheError).code === 'ERR_DCACHE_IN_USE') this.#created = undefined
      throw error
    }
  }

  /** Does not block the event loop: the cache may be in use, and the disk busy. */
  async extend(): Promise<void> {
    const { partition, path } = this
    try {
      const { size } = fstatSync(this.#fd)
      const end = this.#end
      if (end === undefined || size >= end) return
      // The name first: a file that has its size then also has a durable name, even for a process that did not create it.
      if (size === 0) await syncFolder(realFolder(path))
      this.#extended = { from: size, to: end }
      await truncate(this.#fd, end)
      await sync(this.#fd)
    } catch (error) {
      throw fileError(partition, error)
    }
  }

  /** Opening has succeeded: `close` does not undo what it did to the file. */
  keep(): void {
    this.#isKept = true
  }

  /** Closes the file. Before that, undoes what opening did to it, unless it has succeeded. Does nothing if it is not open. */
  close(): void {
    if (this.#fd < 0) return
    if (!this.#isKept) this.#undo()
    this.#release()
  }

  #undo(): void {
    const extended = this.#extended
    if (extended !== undefined)
      attempt(() => {
        if (fstatSync(this.#fd).size === extended.to) ftruncateSync(this.#fd, extended.from)
      })
    if (this.#hasClaim) this.#removeCreated()
  }

  /** Removes a file that this call created, closes the descriptor, and releases the claim, in this order. */
  #release(): void {
    if (!this.#isKept && this.#hasClaim) this.#removeCreated()
    closeSync(this.#fd)
    this.#fd = -1
    if (this.#hasClaim) this.#claims.release(this.#identity)
    this.#hasClaim = false
  }

  /** Removes a file that this call created. @requires the file's claim */
  #removeCreated(): void {
    const created = this.#created
    this.#created = undefined
    if (created !== undefined && identityAt(created) === this.#identity) attempt(() => rmSync(created))
  }

  /**
   * Removes what was created and could not be claimed, for example because of EMFILE. Called after all files of the call are
   * closed, which frees descriptors. A file that another cache has claimed or filled stays.
   */
  async removeUnclaimed(): Promise<void> {
    const created = this.#created
    if (created === undefined) return
    const claim = await claimFile(this.#identity, created, created).catch(() => undefined)
    if (claim === undefined) return
    if (isEmpty(created)) this.#removeCreated()
    claim.release()
  }
}

const isEmpty = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.size === 0

/** For undoing after a failure: that failure is the one to report. */
function attempt(undo: () => void): void {
  try {
    undo()
  } catch {
    // What cannot be undone stays.
  }
}

/** @throws ERR_DCACHE_UNSUPPORTED if the first block cannot be read directly */
function probeDirect({ partition, fd, offset }: PartitionFile): void {
  const { blockSize } = partition
  try {
    readSync(fd, alignedBytes(blockSize), 0, blockSize, offset)
  } catch (cause) {
    throw notDirect(
      partition,
      `blocks of ${blockSize} bytes from offset ${offset} cannot be read directly; the disk's sectors may be larger`,
      cause,
    )
  }
}

/** Syncs a directory. A new name is lost in a power failure unless its directory is synced. */
export async function syncFolder(path: string): Promise<void> {
  const fd = openSync(path, constants.O_RDONLY)
  try {
    await sync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Refuses overlapping partitions: the same byte would be cached twice, incoherently. */
function assertDisjoint(file: PartitionFile, others: readonly PartitionFile[]): void {
  const other = others.find(
    ({ identity, offset, end }) => identity === file.identity && offset < file.end && file.offset < end,
  )
  if (other === undefined) return
  throw new CacheError(
    'ERR_DCACHE_IN_USE',
    `partitions '${other.partition.name}' and '${file.partition.name}' overlap in one file: ${file.partition.path}`,
  )
}
