// Maps the numbers of a command to blocks and bytes of a partition.

import type { AcquireOptions } from 'dcache'
import type { Access } from './commands.js'
import type { HistoryPartition } from './history.js'

export interface Place {
  readonly partition: number
  readonly block: number
}

/** The part of a byte range that is within one block. */
export interface Piece {
  readonly block: number
  /** The offset in the block, in bytes. */
  readonly start: number
  readonly end: number
  /** The offset of the piece in the range. */
  readonly at: number
}

type Partitions = readonly HistoryPartition[]

export function keyHighOf(partitions: Partitions, { partition, block }: Place): Place {
  return { partition, block: block % partitions[partition]!.blocks }
}

/** The bytes that an access changes. */
export function bytesOf(partitions: Partitions, access: Access): { start: number; length: number } {
  const share = partitions[access.partition]!.blockSize / 16
  return { start: access.start * share, length: Math.min(access.length, 16 - access.start) * share }
}

export function optionsOf(
  partitions: Partitions,
  access: Access,
  timeoutMs: number | undefined,
): AcquireOptions {
  const range = access.isDeclared && access.mode === 'modify' ? bytesOf(partitions, access) : {}
  return timeoutMs === undefined ? range : { ...range, timeoutMs }
}

/** Consecutive blocks. */
export function blocksOf(partitions: Partitions, { partition, block, count }: Place & { count: number }) {
  const { blocks } = partitions[partition]!
  const first = block % blocks
  return { partition, first, count: Math.min(count, blocks - first) }
}

/** A byte range, and the parts of blocks that it consists of. */
export function piecesOf(
  partitions: Partitions,
  { partition, position, length }: { partition: number; position: number; length: number },
) {
  const { blocks, blockSize } = partitions[partition]!
  const first = position % (blocks * blockSize)
  const size = Math.min(length, blocks * blockSize - first)
  const pieces: Piece[] = []
  for (let at = 0; at < size;) {
    const block = Math.floor((first + at) / blockSize)
    const start = (first + at) % blockSize
    const end = Math.min(blockSize, start + size - at)
    pieces.push({ block, start, end, at })
    at += end - start
  }
  return { partition, position: first, length: size, pieces }
}
