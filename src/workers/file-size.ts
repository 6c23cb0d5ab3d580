/**
 * Changing the size of a partition's file while it is open. Nothing half-done stays: if a step fails, the file has its old size
 * again.
 */
import { fstatSync, fsync, ftruncate } from 'node:fs'
import { promisify } from 'node:util'
import { CacheError } from '../shared/errors.js'
import type { PartitionFile } from './files.js'
import { fileError } from './open-file.js'

const truncate = promisify(ftruncate)
const sync = promisify(fsync)

/**
 * Checks that the partition is what its file ends with, so that the file can end at byte `newEnd`. If it does already, because
 * another program has changed its size, any partition at the end of a file may follow.
 * @throws ERR_DCACHE_READ_ONLY, ERR_DCACHE_UNSUPPORTED; ERR_DCACHE_BAD_FILE if bytes that would stay are missing already
 */
export function assertResizable(file: PartitionFile, others: readonly PartitionFile[], newEnd: number): void {
  const { partition, fd, end, identity } = file
  const { name, path, readOnly } = partition
  const stats = fstatSync(fd)
  if (readOnly && stats.size !== newEnd)
    throw new CacheError('ERR_DCACHE_READ_ONLY', `partition '${name}' is read-only, and keeps its size`)
  const fixed = (why: string) =>
    new CacheError('ERR_DCACHE_UNSUPPORTED', `partition '${name}': ${path}: ${why}, so its size is fixed`)
  if (!stats.isFile()) throw fixed('it is a block device')
  const behind = others.find((other) => other.identity === identity && other.offset >= end)
  if (behind !== undefined) throw fixed(`partition '${behind.partition.name}' lies behind it in the file`)
  if (stats.size > end && stats.size !== newEnd)
    throw fixed(`the file has ${stats.size} bytes, of which the partition has those up to ${end}`)
  // Growth would replace what is missing with zeros, and the loss would not show any more.
  if (stats.size < Math.min(end, newEnd))
    throw new CacheError(
      'ERR_DCACHE_BAD_FILE',
      `partition '${name}': ${path}: the file ends at byte ${stats.size}, before the end of the partition at ${end}; ` +
        'another program has truncated it: restore it, or resize the partition to what is left',
    )
}

/** Sets the size of the file to `end` bytes, and makes it durable. @throws ERR_DCACHE_BAD_FILE; the file is as before then */
export async function setFileSize({ partition, fd }: PartitionFile, end: number): Promise<void> {
  const { size } = fstatSync(fd)
  try {
    if (size !== end) await truncate(fd, end)
    await sync(fd)
  } catch (error) {
    await truncate(fd, size).catch(() => undefined)
    throw fileError(partition, error)
  }
}
