/**
 * The files of the partitions: opened once, by the owner, checked, and guarded against a second writer. Everybody uses
 * these descriptors: one opened by a worker would die with it, and its number would soon be a foreign file's.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, type Stats } from 'node:fs'
import { type PartitionConfig } from '../shared/config.js'
import { CacheError } from '../shared/errors.js'
import { claimFile, type Claim } from './claim.js'

export interface OpenFile {
  readonly fd: number
  /** Where the partition begins, bytes. */
  readonly offset: number
  readonly blocks: number
}

/**
 * Opens all, or none. On failure every descriptor and claim is given back, and no file was changed.
 * @throws ERR_DCACHE_BAD_FILE, ERR_DCACHE_READ_ONLY, ERR_DCACHE_IN_USE
 */
export async function openFiles(
  partitions: readonly PartitionConfig[],
): Promise<{ files: OpenFile[]; claims: Claim[] }> {
  const opened: { partition: PartitionConfig; fd: number; stats: Stats }[] = []
  const claims: Claim[] = []
  try {
    for (const partition of partitions) {
      const fd = openOne(partition)
      opened.push({ partition, fd, stats: fstatSync(fd) })
    }
    const sizes = opened.map(({ partition, fd, stats }) => sizeOf(partition, fd, stats))
    assertDisjoint(
      opened.map(({ partition, stats }, i) => ({
        partition,
        file: fileKey(stats),
        start: partition.offset,
        end: partition.offset + sizes[i]!,
      })),
    )
    const writable = new Set(
      opened.filter(({ partition }) => !partition.readOnly).map(({ stats }) => fileKey(stats)),
    )
    for (const key of writable) {
      const { partition } = opened.find(({ stats }) => fileKey(stats) === key)!
      claims.push(await claimFile(key, `partition '${partition.name}': ${partition.path}`))
    }
    opened.forEach(({ partition, fd, stats }, i) => {
      if (stats.isFile() && partition.size !== undefined && stats.size < partition.offset + sizes[i]!)
        ftruncateSync(fd, partition.offset + sizes[i]!)
    })
    return {
      files: opened.map(({ partition, fd }, i) => ({
        fd,
        offset: partition.offset,
        blocks: sizes[i]! / partition.blockSize,
      })),
      claims,
    }
  } catch (error) {
    for (const { fd } of opened) closeSync(fd)
    for (const claim of claims) claim.release()
    throw error
  }
}

function openOne(partition: PartitionConfig): number {
  const { path, name, readOnly, size } = partition
  const flags = readOnly ? constants.O_RDONLY : constants.O_RDWR
  try {
    return openSync(path, flags)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' && size !== undefined && !readOnly)
      return openSync(path, flags | constants.O_CREAT, 0o666)
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

/** Bytes of the partition within its file. */
function sizeOf({ name, path, blockSize, size, offset }: PartitionConfig, fd: number, stats: Stats): number {
  const bad = (why: string) => new CacheError('ERR_DCACHE_BAD_FILE', `partition '${name}': ${path}: ${why}`)
  if (!stats.isFile() && !stats.isBlockDevice()) throw bad('it is neither a file nor a block device')
  const fileSize = stats.isFile() ? stats.size : deviceSize(fd)
  if (size !== undefined) {
    if (stats.isBlockDevice() && offset + size > fileSize)
      throw bad(`the device has ${fileSize} bytes, ${offset + size} are asked for`)
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

const fileKey = (stats: Stats): string =>
  `${stats.isBlockDevice() ? 'device' : stats.dev}-${stats.isBlockDevice() ? stats.rdev : stats.ino}`

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
