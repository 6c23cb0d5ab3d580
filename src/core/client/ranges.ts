/**
 * Divides byte ranges into blocks: which bytes of which block a read or a write at a position touches.
 */
import { types } from 'node:util'
import { CacheError } from '../../shared/errors.js'
import { show } from '../../shared/values.js'
import type { Span } from '../blocks/copy.js'
import type { PartitionView } from '../context.js'

/** A part of a byte range that is within one block. */
export interface Piece extends Span {
  readonly block: number
}

/** The piece that begins `at` bytes into the range of `length` bytes from `position`. */
export function pieceAt(blockSize: number, position: number, length: number, at: number): Piece {
  const block = Math.floor((position + at) / blockSize)
  const start = position + at - block * blockSize
  return { block, start, length: Math.min(blockSize - start, length - at), at }
}

/** The pieces of the range of `length` bytes from `position`, in ascending order. */
export function* pieces(blockSize: number, position: number, length: number): Generator<Piece, void, void> {
  for (let at = 0; at < length;) {
    const piece = pieceAt(blockSize, position, length, at)
    yield piece
    at += piece.length
  }
}

/** @throws ERR_DCACHE_OUT_OF_RANGE, ERR_DCACHE_BAD_OPTION */
export function assertBytes(partition: PartitionView, bytes: Uint8Array, position: number): void {
  if (!types.isUint8Array(bytes)) {
    throw new CacheError('ERR_DCACHE_BAD_OPTION', `the buffer is ${show(bytes)}; it must be a Uint8Array`)
  }
  const { blockSize } = partition
  if (Number.isSafeInteger(position) && position >= 0) {
    const end = position + bytes.length
    // It may have grown since this thread last looked.
    if (end <= partition.blocks * blockSize || end <= partition.look() * blockSize) return
  }
  throw new CacheError(
    'ERR_DCACHE_OUT_OF_RANGE',
    `${bytes.length} bytes at ${show(position)} are not inside partition '${partition.name}', which has ${partition.blocks * blockSize} bytes`,
  )
}

/** @throws ERR_DCACHE_OUT_OF_RANGE */
export function assertBlock(partition: PartitionView, block: number): void {
  if (Number.isSafeInteger(block) && block >= 0 && isBefore(block, partition)) return
  throw new CacheError(
    'ERR_DCACHE_OUT_OF_RANGE',
    `block ${show(block)} is not in partition '${partition.name}', which has blocks 0 to ${partition.blocks - 1}`,
  )
}

/** Whether the partition has this block. It may have grown since this thread last looked. */
const isBefore = (block: number, partition: PartitionView): boolean =>
  block < partition.blocks || block < partition.look()

/** @throws ERR_DCACHE_OUT_OF_RANGE */
export function assertBlocks(partition: PartitionView, block: number, count: number): void {
  assertBlock(partition, block)
  if (Number.isSafeInteger(count) && count >= 0 && isBefore(block + count - 1, partition)) return
  throw new CacheError(
    'ERR_DCACHE_OUT_OF_RANGE',
    `${show(count)} blocks from block ${block} are not inside partition '${partition.name}', which has blocks 0 to ${partition.blocks - 1}`,
  )
}
