/**
 * The files of the partitions: the owner opens them once, checks them, and protects them against a second writer. All threads
 * use the owner's descriptors: one opened by a worker would be closed when the worker ends, and its number soon reused for
 * another file.
 *
 *   open --> open or create --> claim --> does the path still lead there? --no--> close, open again
 *   extend --> keep --> close
 *   close without keep: restores sizes and removes created files, and only then closes descriptors and releases claims
 *
 * Until the claim, another process may use a file that this one has just created. After the claim, no other open cache uses
 * it, and none can finish opening it after it was removed. So only a file that this call has created and claimed is removed,
 * and only if its path still leads to it.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs'
import { alignedBytes } from '../shared/buffer.js'
import type { PartitionConfig } from '../shared/config.js'
import { CacheError } from '../shared/errors.js'
import { claimFile, type Claim } from './claim.js'
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
  withCause,
} from './open-file.js'

/** How often a path may lead to another file by the time that the file found there is claimed. */
const ATTEMPTS_MAX = 10

export interface OpenFile {
  readonly partition: PartitionConfig
  /** Absolute, resolved when opening began. */
  readonly path: string
  readonly fd: number
  readonly identity: string
  /** Where the partition begins in the file, in bytes. */
  readonly offset: number
  readonly blocks: number
  /** The smallest size that the file must have, in bytes; undefined for a block device or a read-only partition. */
  readonly end: number | undefined
}

export class OpenFiles {
  readonly list: OpenFile[] = []
  readonly #fds = new Set<number>()
  /** By identity, because several partitions may be in one file. */
  readonly #claims = new Map<string, Claim>()
  /** The real paths of files that this call created, by identity. */
  readonly #created = new Map<string, string>()
  readonly #extended: { readonly fd: number; readonly from: number; readonly to: number }[] = []
  #isKept = false

  /**
   * Opens all files, or none. Existing files are not changed yet: they are extended later, when nothing else can be refused.
   * @throws ERR_DCACHE_BAD_FILE, ERR_DCACHE_READ_ONLY, ERR_DCACHE_IN_USE, ERR_DCACHE_UNSUPPORTED
   */
  static async open(partitions: readonly PartitionConfig[]): Promise<OpenFiles> {
    const files = new OpenFiles()
    // Before the first await, because the program may change its working directory in the meantime.
    const paths = partitions.map(({ path }) => absolute(path))
    try {
      for (const [i, partition] of partitions.entries()) await files.#add(partition, paths[i]!)
      assertDisjoint(files.list)
      return files
    } catch (error) {
      files.close()
      await files.#removeUnclaimed()
      throw error
    }
  }

  async #add(partition: PartitionConfig, path: string): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const found = findFile(partition, path)
      if (found === undefined) continue
      this.#fds.add(found.fd)
      const file = await this.#take(partition, path, found).catch((error: unknown) => {
        throw fileError(partition, error)
      })
      if (file !== undefined) {
        this.list.push(file)
        return
      }
      this.#giveUp(found.fd)
    }
    const why = `the path led to another file each of the ${ATTEMPTS_MAX} times that it was opened`
    throw new CacheError('ERR_DCACHE_BAD_FILE', `partition '${partition.name}': ${partition.path}: ${why}`)
  }

  /** Claims and checks the file; returns undefined if the path leads to another file by now. */
  async #take(partition: PartitionConfig, path: string, found: Found): Promise<OpenFile | undefined> {
    const { name, readOnly, direct, offset, blockSize } = partition
    const identity = identityOf(found.fd)
    if (found.created !== undefined) this.#created.set(identity, found.created)
    const stats = fstatSync(found.fd)
    if (!stats.isFile() && !stats.isBlockDevice()) {
      const why = 'it is neither a file nor a block device'
      throw new CacheError('ERR_DCACHE_BAD_FILE', `partition '${name}': ${partition.path}: ${why}`)
    }
    if (!readOnly) {
      await this.#claim(identity, `partition '${name}': ${partition.path}`, path)
      // Before the claim, another cache may have had it, and have removed a file that it had created.
      if (identityAt(path) !== identity) return undefined
      // That cache may also have filled the file that this call created.
      if (fstatSync(found.fd).size > 0) this.#created.delete(identity)
    }
    const bytes = sizeOf(partition, found.fd, fstatSync(found.fd))
    const fd = direct ? openDirect(partition, path, identity) : found.fd
    if (fd === undefined) return undefined
    if (fd !== found.fd) this.#swap(found.fd, fd)
    const end = stats.isFile() && !readOnly ? offset + bytes : undefined
    return { partition, path, fd, identity, offset, blocks: bytes / blockSize, end }
  }

  async #claim(identity: string, what: string, path: string): Promise<void> {
    if (this.#claims.has(identity)) return
    try {
      this.#claims.set(identity, await claimFile(identity, what, path))
    } catch (error) {
      if ((error as CacheError).code === 'ERR_DCACHE_IN_USE') this.#created.delete(identity)
      throw error
    }
  }

  /** Replaces the plain descriptor once the size is known: one for direct I/O cannot read single bytes. */
  #swap(plain: number, direct: number): void {
    this.#fds.add(direct)
    this.#close(plain)
  }

  /** Closes a file that its path does not lead to any more. */
  #giveUp(fd: number): void {
    const identity = identityOf(fd)
    this.#close(fd)
    if (this.list.some((file) => file.identity === identity)) return
    this.#removeCreated(identity)
    this.#claims.get(identity)?.release()
    this.#claims.delete(identity)
  }

  /**
   * Extends the files to the sizes of their partitions, and makes their names durable. Whether a file allows direct reads can
   * only be tested if it has bytes, so that is done last.
   * @throws ERR_DCACHE_BAD_FILE, ERR_DCACHE_UNSUPPORTED
   */
  extend(): void {
    for (const { partition, path, fd, end } of this.list) {
      withCause(partition, () => {
        const { size } = fstatSync(fd)
        if (end === undefined || size >= end) return
        // The name first: a file that has its size then also has a durable name, even for a process that did not create it.
        if (size === 0) syncFolder(realFolder(path))
        this.#extended.push({ fd, from: size, to: end })
        ftruncateSync(fd, end)
        fsyncSync(fd)
      })
    }
    for (const file of this.list) if (file.partition.direct) probeDirect(file)
  }

  /** Opening has succeeded: `close` does not undo what it did to the files. */
  keep(): void {
    this.#isKept = true
  }

  /** Closes all files. Before that, undoes what opening did to them, unless it has succeeded. */
  close(): void {
    if (!this.#isKept) this.#undo()
    for (const fd of this.#fds) this.#close(fd)
    for (const claim of this.#claims.values()) claim.release()
    this.#claims.clear()
  }

  #close(fd: number): void {
    this.#fds.delete(fd)
    closeSync(fd)
  }

  #undo(): void {
    for (const { fd, from, to } of this.#extended.splice(0).reverse()) {
      attempt(() => {
        if (fstatSync(fd).size === to) ftruncateSync(fd, from)
      })
    }
    for (const identity of this.#claims.keys()) this.#removeCreated(identity)
  }

  /** Removes a file that this call created. @requires the file's claim */
  #removeCreated(identity: string): void {
    const path = this.#created.get(identity)
    this.#created.delete(identity)
    if (path !== undefined && identityAt(path) === identity) attempt(() => rmSync(path))
  }

  /**
   * Removes what was created and could not be claimed, for example because of EMFILE. Called after `close`, which frees
   * descriptors. A file that another cache has claimed or filled stays.
   */
  async #removeUnclaimed(): Promise<void> {
    for (const [identity, path] of [...this.#created]) {
      const claim = await claimFile(identity, path, path).catch(() => undefined)
      if (claim === undefined) continue
      if (isEmpty(path)) this.#removeCreated(identity)
      claim.release()
    }
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
function probeDirect({ partition, fd, offset }: OpenFile): void {
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
function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Refuses overlapping partitions: the same byte would be cached twice, incoherently. */
function assertDisjoint(files: readonly OpenFile[]): void {
  const endOf = ({ offset, blocks, partition }: OpenFile) => offset + blocks * partition.blockSize
  for (const [i, a] of files.entries()) {
    const b = files
      .slice(0, i)
      .find((other) => other.identity === a.identity && other.offset < endOf(a) && a.offset < endOf(other))
    if (b) {
      throw new CacheError(
        'ERR_DCACHE_IN_USE',
        `partitions '${b.partition.name}' and '${a.partition.name}' overlap in one file: ${a.partition.path}`,
      )
    }
  }
}
