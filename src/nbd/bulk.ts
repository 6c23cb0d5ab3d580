/**
 * Requests that name many bytes: done in slices, each when it is its connection's turn, so that a trim of a whole disk
 * holds up no other connection, and ends with its own.
 */
import type { Partition } from '../index.js'
import { readHits, writeHits } from './hits.js'
import type { Lane } from './turns.js'

/** Reads and writes of more bytes than this are done in slices; trims and zeros always. */
export const BULK_BYTES = 2 ** 20
/** A multiple of all block sizes, so that no block is changed twice. */
const SLICE_BYTES = 2 ** 18
const SLICE_BLOCKS = 1024
const ZEROES = Buffer.alloc(SLICE_BYTES)

/** Writes zeros, as any other bytes. @throws CacheError */
export const writeZeroes = (partition: Partition, position: number, length: number, lane: Lane) =>
  inSlices(position, length, lane, (at, size) => writeAll(partition, ZEROES.subarray(0, size), at))

/** @throws CacheError */
export const writeBulk = (partition: Partition, source: Buffer, position: number, lane: Lane) =>
  inSlices(position, source.length, lane, (at, size) =>
    writeAll(partition, source.subarray(at - position, at - position + size), at),
  )

/** @throws CacheError */
export const readBulk = (partition: Partition, target: Buffer, position: number, lane: Lane) =>
  inSlices(position, target.length, lane, (at, size) => {
    const piece = target.subarray(at - position, at - position + size)
    const done = readHits(partition, piece, 0, at, size)
    return done === size ? undefined : partition.read(piece.subarray(done), at + done)
  })

/** Forgets the blocks that lie in the range as a whole. @throws CacheError */
export async function trim(
  partition: Partition,
  position: number,
  length: number,
  lane: Lane,
): Promise<void> {
  const { blockSize } = partition
  const end = Math.floor((position + length) / blockSize)
  for (let block = Math.ceil(position / blockSize); block < end; block += SLICE_BLOCKS) {
    const count = Math.min(SLICE_BLOCKS, end - block)
    await lane.run(() => {
      partition.forget(block, count)
    }, count / SLICE_BLOCKS)
  }
}

function writeAll(partition: Partition, source: Buffer, position: number): Promise<void> | undefined {
  const done = writeHits(partition, source, position)
  return done === source.length ? undefined : partition.write(source.subarray(done), position + done)
}

async function inSlices(
  position: number,
  length: number,
  lane: Lane,
  work: (at: number, size: number) => Promise<void> | undefined,
): Promise<void> {
  for (let at = position, end = position + length; at < end;) {
    const size = Math.min((Math.floor(at / SLICE_BYTES) + 1) * SLICE_BYTES, end) - at
    const from = at
    await lane.run(() => work(from, size), size / SLICE_BYTES)
    at += size
  }
}
