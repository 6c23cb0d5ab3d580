/**
 * The files of the partitions: opened once, by the owner, checked, and guarded against a second writer. Everybody uses
 * these descriptors: one opened by a worker would die with it, and its number would soon be a foreign file's.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  type Stats,
} from 'node:fs'
import { dirname } from 'node:path'
import type { PartitionConfig } from '../shared/config.js'
import { alignedBytes } from '../shared/buffer.js'
import { CacheError } from '../shared/errors.js'
import { claimFile, type Claim } from './claim.js'

export interface OpenFile {
  readonly partition: PartitionConfig
  readonly fd: number
  /** Where the partition begins, bytes. */
  readonly offset: number
  readonly blocks: number
  /** How many bytes the file has to be extended to; undefined: it is long enough. */
  readonly extendTo: number | undefined
  /** The file was not there before. */
  readonly isNew: boolean
}

/**
 * Opens all, or none. On failure every descriptor and claim is given back, and no file was changed. Files are extended
 * later (`extendFiles`), when nothing else can be refused.
 * @throws ERR_DCACHE_BAD_FILE, ERR_DCACHE_READ_ONLY, ERR_DCACHE_IN_USE
 */
export async function openFiles(
  partitions: readonly PartitionConfig[],
): Promise<{ files: OpenFile[]; claims: Claim[] }> {
  const opened: Opened[] = []
  const claims: Claim[] = []
  try {
    for (const partition of partitions) opened.push(openOne(partition))
    const files = opened.map(measure)
    assertDisjoint(files.map((file, i) => extentOf(file, opened[i]!.key)))
    const writable = new Map(
      opened.filter(({ partition }) => !partition.readOnly).map(({ partition, key }) => [key, partition]),
    )
    for (const [key, { name, path }] of writable)
      claims.push(await claimFile(key, `partition '${name}': ${path}`))
    return { files, claims }
  } catch (error) {
    for (const { fd } of opened) closeSync(fd)
    for (const claim of claims) claim.release()
    removeCreated(opened)
    throw error
  }
}

/**
 * Makes the files as long as their partitions say, and their names durable. Whether a file can be read directly shows only
 * where it has bytes, so that is tried last.
 * @throws ERR_DCACHE_BAD_FILE, ERR_DCACHE_UNSUPPORTED; the files are as long as before then
 */
export function extendFiles(files: readonly OpenFile[]): void {
  const extended: { fd: number; size: number }[] = []
  try {
    for (const { partition, fd, extendTo, isNew } of files) {
      withCause(partition, () => {
        if (extendTo !== undefined) {
          extended.push({ fd, size: fstatSync(fd).size })
          ftruncateSync(fd, extendTo)
          fsyncSync(fd)
        }
        if (isNew) syncFolder(dirname(partition.path))
      })
    }
    for (const file of files) if (file.partition.direct) probeDirect(file)
  } catch (error) {
    for (const { fd, size } of extended.reverse()) ftruncateSync(fd, size)
    throw error
  }
}

/** @throws ERR_DCACHE_UNSUPPORTED when the first block can't be read past the page cache */
function probeDirect({ partition, fd, offset }: OpenFile): void {
  const { blockSize } = partition
  try {
    readSync(fd, alignedBytes(blockSize), 0, blockSize, offset)
  } catch (cause) {
    throw notDirect(
      partition,
      `blocks of ${blockSize} bytes from offset ${offset} can't be read directly: its sectors may be larger`,
      cause,
    )
  }
}

function notDirect({ name, path }: PartitionConfig, why: string, cause?: unknown): CacheError {
  const message = `partition '${name}': ${path}: ${why}; open it without direct`
  return new CacheError('ERR_DCACHE_UNSUPPORTED', message, { cause })
}

/** Removes the files that opening created, when it fails after all. */
export function removeCreated(files: readonly { partition: PartitionConfig; isNew: boolean }[]): void {
  for (const { partition, isNew } of files) if (isNew) rmSync(partition.path, { force: true })
}

interface Opened {
  readonly partition: PartitionConfig
  readonly fd: number
  readonly stats: Stats
  readonly isNew: boolean
  /** The file's identity: by device and inode, not by name. */
  readonly key: string
}

function openOne(partition: PartitionConfig): Opened {
  const { path, readOnly, size } = partition
  // O_NONBLOCK: a pipe is to be refused, not waited for.
  const flags = (readOnly ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NONBLOCK
  const mayCreate = size !== undefined && !readOnly
  return withCause(partition, () => {
    const isNew = mayCreate && !existsSync(path)
    const fd = openFile(partition, isNew ? flags | constants.O_CREAT | constants.O_EXCL : flags)
    const stats = fstatSync(fd)
    const key = stats.isBlockDevice() ? `device-${stats.rdev}` : `${stats.dev}-${stats.ino}`
    return { partition, fd, stats, isNew, key }
  })
}

function openFile(partition: PartitionConfig, flags: number): number {
  const { path, direct } = partition
  if (!direct) return openSync(path, flags, 0o666)
  // Linux has it; where it is missing, so is the number.
  const { O_DIRECT } = constants as { O_DIRECT?: number }
  if (O_DIRECT === undefined) throw notDirect(partition, 'this system has no direct I/O')
  try {
    return openSync(path, flags | O_DIRECT, 0o666)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EINVAL') throw cause
    // It is created before it is refused.
    if ((flags & constants.O_EXCL) !== 0) rmSync(path, { force: true })
    throw notDirect(partition, 'its file system has no direct I/O', cause)
  }
}

/** Runs calls on a partition's file; the system's error becomes the cause of one that names the partition. */
function withCause<T>(partition: PartitionConfig, calls: () => T): T {
  try {
    return calls()
  } catch (cause) {
    if (cause instanceof CacheError) throw cause
    const { code } = cause as NodeJS.ErrnoException
    const { name, path, readOnly } = partition
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') {
      const hint = readOnly
        ? 'it may not be read'
        : 'it may not be written; open the partition with readOnly: true'
      throw new CacheError('ERR_DCACHE_READ_ONLY', `partition '${name}': ${path}: ${hint}`, { cause })
    }
    const hint =
      code === 'ENOENT' ? 'there is no such file; give a size to create it' : (cause as Error).message
    throw new CacheError('ERR_DCACHE_BAD_FILE', `partition '${name}': ${path}: ${hint}`, { cause })
  }
}

function measure({ partition, fd, stats, isNew }: Opened): OpenFile {
  const bytes = sizeOf(partition, fd, stats)
  const end = partition.offset + bytes
  return {
    partition,
    fd,
    offset: partition.offset,
    blocks: bytes / partition.blockSize,
    extendTo: stats.isFile() && stats.size < end ? end : undefined,
    isNew,
  }
}

const extentOf = ({ partition, offset, blocks }: OpenFile, file: string): Extent => ({
  partition,
  file,
  start: offset,
  end: offset + blocks * partition.blockSize,
})

/** A new name is in its folder, and lost with it unless that is synced too. */
function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY)
  fsyncSync(fd)
  closeSync(fd)
}

/** Bytes of the partition within its file. */
function sizeOf(
  { name, path, blockSize, size, offset, readOnly, direct }: PartitionConfig,
  fd: number,
  stats: Stats,
): number {
  const bad = (why: string) => new CacheError('ERR_DCACHE_BAD_FILE', `partition '${name}': ${path}: ${why}`)
  if (!stats.isFile() && !stats.isBlockDevice()) throw bad('it is neither a file nor a block device')
  const fileSize = stats.isFile() ? stats.size : direct ? deviceSizeAt(path) : deviceSize(fd)
  if (size !== undefined) {
    if ((readOnly || stats.isBlockDevice()) && offset + size > fileSize)
      throw bad(`it has ${fileSize} bytes, ${offset + size} are asked for`)
    return size
  }
  const rest = fileSize - offset
  if (rest <= 0)
    throw bad(
      fileSize === 0
        ? 'it is empty; give a size to extend it'
        : `it has ${fileSize} bytes, the partition would begin at ${offset}`,
    )
  if (rest % blockSize !== 0)
    throw bad(
      `${rest} bytes from offset ${offset} are not a multiple of the block size ${blockSize}; give a size`,
    )
  return rest
}

/** A descriptor for direct I/O can't read single bytes. */
function deviceSizeAt(path: string): number {
  const fd = openSync(path, constants.O_RDONLY)
  try {
    return deviceSize(fd)
  } finally {
    closeSync(fd)
  }
}

/** A block device's size is not in its stat: the last readable byte is searched for. */
function deviceSize(fd: number): number {
  const byte = new Uint8Array(1)
  let readable = 0
  let end = 512
  while (readSync(fd, byte, 0, 1, end - 1) === 1) [readable, end] = [end, end * 2]
  while (end - readable > 512) {
    const middle = readable + Math.floor((end - readable) / 1024) * 512
    if (readSync(fd, byte, 0, 1, middle - 1) === 1) readable = middle
    else end = middle
  }
  return readable
}

interface Extent {
  readonly partition: PartitionConfig
  readonly file: string
  readonly start: number
  readonly end: number
}

/** The same byte in two partitions would be cached twice, and not coherent. */
function assertDisjoint(extents: readonly Extent[]): void {
  for (const [i, a] of extents.entries()) {
    const b = extents
      .slice(0, i)
      .find((other) => other.file === a.file && other.start < a.end && a.start < other.end)
    if (b) {
      throw new CacheError(
        'ERR_DCACHE_IN_USE',
        `partitions '${b.partition.name}' and '${a.partition.name}' are the same bytes of one file: ${a.partition.path}`,
      )
    }
  }
}
