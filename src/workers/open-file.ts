/**
 * Finding, creating and identifying a partition's file, and what system errors mean there. files.ts keeps, claims and closes
 * what is opened here.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs'
import { basename, dirname, isAbsolute } from 'node:path'
import { cwd } from 'node:process'
import type { PartitionConfig } from '../shared/config.js'
import { CacheError } from '../shared/errors.js'

/** As many symbolic links as Linux follows. */
const LINKS_MAX = 40

/**
 * The absolute path, relative to the current working directory. Not normalized: `link/..` is the parent of the link's target.
 */
export const absolute = (path: string): string => (isAbsolute(path) ? path : `${cwd()}/${path}`)

/** A file's identity: its device and inode, not its name. Read as bigints, since inode numbers may exceed 2^53. */
export function identityOf(fd: number): string {
  return identityIn(fstatSync(fd, { bigint: true }))
}

/** The identity of the file that a path leads to; undefined if there is none. */
export function identityAt(path: string): string | undefined {
  try {
    return identityIn(statSync(path, { bigint: true }))
  } catch {
    return undefined
  }
}

const identityIn = (stats: { isBlockDevice(): boolean; dev: bigint; ino: bigint; rdev: bigint }): string =>
  stats.isBlockDevice() ? `device-${stats.rdev}` : `${stats.dev}-${stats.ino}`

/** The flags to open a partition's file with, except O_DIRECT. O_NONBLOCK, so that opening a pipe does not wait. */
const flagsOf = ({ readOnly }: PartitionConfig): number =>
  (readOnly ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NONBLOCK

/** `created`: the real path of a file that did not exist before. */
export interface Found {
  readonly fd: number
  readonly created: string | undefined
}

/**
 * Opens the file, or creates it if a size is given. Returns undefined if it appeared or vanished in the meantime; the caller
 * may try again.
 * @throws ERR_DCACHE_BAD_FILE, ERR_DCACHE_READ_ONLY
 */
export function findFile(partition: PartitionConfig, path: string): Found | undefined {
  const mayCreate = partition.size !== undefined && !partition.readOnly
  return withCause(partition, () => {
    try {
      return { fd: openSync(path, flagsOf(partition)), created: undefined }
    } catch (error) {
      if (!mayCreate || !isCode(error, 'ENOENT')) throw error
    }
    const created = placeToCreate(path)
    try {
      const fd = openSync(created, flagsOf(partition) | constants.O_CREAT | constants.O_EXCL, 0o666)
      return { fd, created }
    } catch (error) {
      if (isCode(error, 'EEXIST')) return undefined
      throw error
    }
  })
}

/**
 * The path at which open(2) with O_CREAT would create a file: behind symbolic links whose target does not exist yet, in its
 * real directory. With O_EXCL, which shows whether this call created the file, open(2) follows no link.
 */
export function placeToCreate(path: string): string {
  let at = path
  for (let links = 0; links < LINKS_MAX; links++) {
    const folder = realpathSync.native(dirname(at))
    at = `${folder}/${basename(at)}`
    const target = linkTarget(at)
    if (target === undefined) return at
    at = isAbsolute(target) ? target : `${folder}/${target}`
  }
  return at
}

/** The directory that contains a file, behind symbolic links. */
export const realFolder = (path: string): string => dirname(realpathSync.native(path))

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'EINVAL')) return undefined
    throw error
  }
}

/**
 * Opens the same file again, for direct I/O. Returns undefined if the path leads to another file by now.
 * @throws ERR_DCACHE_UNSUPPORTED, ERR_DCACHE_BAD_FILE, ERR_DCACHE_READ_ONLY
 */
export function openDirect(partition: PartitionConfig, path: string, identity: string): number | undefined {
  // Only Linux has it; elsewhere the constant is undefined.
  const { O_DIRECT } = constants as { O_DIRECT?: number }
  if (O_DIRECT === undefined) throw notDirect(partition, 'this system has no direct I/O')
  return withCause(partition, () => {
    let fd: number
    try {
      fd = openSync(path, flagsOf(partition) | O_DIRECT)
    } catch (cause) {
      if (isCode(cause, 'EINVAL')) throw notDirect(partition, 'its file system has no direct I/O', cause)
      if (isCode(cause, 'ENOENT')) return undefined
      throw cause
    }
    if (identityOf(fd) === identity) return fd
    closeSync(fd)
    return undefined
  })
}

export function notDirect({ name, path }: PartitionConfig, why: string, cause?: unknown): CacheError {
  const message = `partition '${name}': ${path}: ${why}; open it without direct`
  return new CacheError('ERR_DCACHE_UNSUPPORTED', message, { cause })
}

/** The size of the partition within its file, in bytes. @throws ERR_DCACHE_BAD_FILE */
export function sizeOf(
  { name, path, blockSize, size, offset, readOnly }: PartitionConfig,
  fd: number,
  stats: Stats,
): number {
  const bad = (why: string) => new CacheError('ERR_DCACHE_BAD_FILE', `partition '${name}': ${path}: ${why}`)
  const fileSize = stats.isFile() ? stats.size : deviceSize(fd)
  if (size !== undefined) {
    if ((readOnly || stats.isBlockDevice()) && offset + size > fileSize)
      throw bad(`it has ${fileSize} bytes, but offset and size need ${offset + size}`)
    return size
  }
  const rest = fileSize - offset
  if (rest <= 0)
    throw bad(
      fileSize === 0
        ? 'it is empty; give a size to extend it'
        : `it has ${fileSize} bytes, but the partition begins at byte ${offset}`,
    )
  if (rest % blockSize !== 0)
    throw bad(
      `the ${rest} bytes from offset ${offset} are not a multiple of the block size, ${blockSize} bytes; give a size`,
    )
  return rest
}

/** The size of a block device, which stat(2) does not report: searches for the last readable byte. */
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

export const isCode = (error: unknown, code: string): boolean =>
  (error as NodeJS.ErrnoException).code === code

/** Makes calls on a partition's file. A system error becomes the cause of an error that names the partition. */
export function withCause<T>(partition: PartitionConfig, calls: () => T): T {
  try {
    return calls()
  } catch (cause) {
    throw fileError(partition, cause)
  }
}

/** Converts the error of a call on a partition's file. A CacheError is returned unchanged. */
export function fileError({ name, path, readOnly, size }: PartitionConfig, error: unknown): CacheError {
  if (error instanceof CacheError) return error
  const cause = error as NodeJS.ErrnoException
  const failed = (code: 'ERR_DCACHE_BAD_FILE' | 'ERR_DCACHE_READ_ONLY', why: string) =>
    new CacheError(code, `partition '${name}': ${path}: ${why}`, { cause })
  switch (cause.code) {
    case 'EACCES':
    case 'EROFS':
    case 'EPERM':
      return failed(
        'ERR_DCACHE_READ_ONLY',
        readOnly ? 'it may not be read' : 'it may not be written; open the partition with readOnly: true',
      )
    case 'ERR_ACCESS_DENIED':
      return failed(
        'ERR_DCACHE_READ_ONLY',
        `Node's permission model refuses it; start Node with --allow-fs-read${readOnly ? '' : ' and --allow-fs-write'} for it`,
      )
    case 'ENOENT':
      return failed(
        'ERR_DCACHE_BAD_FILE',
        size === undefined || readOnly
          ? 'there is no such file; give a size to create it'
          : 'there is no such file, and no folder to create it in',
      )
    case 'EMFILE':
      return failed(
        'ERR_DCACHE_BAD_FILE',
        `this process has too many open files (${cause.message}); close some, or raise the limit (ulimit -n)`,
      )
    case 'ENOSPC':
    case 'EDQUOT':
      return failed(
        'ERR_DCACHE_BAD_FILE',
        `the disk is full, or a quota is used up (${cause.message}); free space, then try again`,
      )
    case 'EFBIG':
      return failed(
        'ERR_DCACHE_BAD_FILE',
        `its file may not be that large (${cause.message}); choose a smaller size, or raise the limit (ulimit -f)`,
      )
    default:
      return failed('ERR_DCACHE_BAD_FILE', cause.message)
  }
}
