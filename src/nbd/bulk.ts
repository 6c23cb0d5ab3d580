/**
 * Large requests. They are served in slices, and the connections of a thread take turns slice by slice. So a trim of a
 * whole disk does not block other connections, and it stops when its own connection ends.
 */
import type { Partition } from '../index.js'
import * as nbd from './constants.js'
import { readHits, writeHits } from './hits.js'
import type { Request } from './request-reader.js'
import type { Lane } from './turns.js'

/** Reads and writes of more bytes than this are served in slices. Trims and zero writes always are. */
const BULK_BYTES = 2 ** 20
/** A multiple of all block sizes, so that no block spans two slices. */
const SLICE_BYTES = 2 ** 18
const SLICE_BLOCKS = 1024
const ZEROES = Buffer.alloc(SLICE_BYTES)

/** Whether a request is served in slices. */
export function isBulk({ type, length }: Pick<Request, 'type' | 'length'>): boolean {
  switch (type) {
    case nbd.NBD_CMD_TRIM:
    case nbd.NBD_CMD_WRITE_ZEROES:
      return true
    case nbd.NBD_CMD_READ:
    case nbd.NBD_CMD_WRITE:
      return length > BULK_BYTES
    default:
      return false
  }
}

/** Writes zeros through the cache like any other bytes. @throws CacheError */
export const writeZeroes = (partition: Partition, position: number, length: number, lane: Lane) =>
  inSlices(position, length, lane, (at, size) => writeAll(partition, ZEROES.subarray(0, size), at))

/** Writes all of `source` at `position`. @throws CacheError */
export const writeBulk = (partition: Partition, source: Buffer, position: number, lane: Lane) =>
  inSlices(position, source.length, lane, (at, size) =>
    writeAll(partition, source.subarray(at - position, at - position + size), at),
  )

/** Fills all of `target` from `position` on. @throws CacheError */
export const readBulk = (partition: Partition, target: Buffer, position: number, lane: Lane) =>
  inSlices(position, target.length, lane, (at, size) => {
    const piece = target.subarray(at - position, at - position + size)
    const done = readHits(partition, piece, 0, at, size)
    return done === size ? undefined : partition.read(piece.subarray(done), at + done)
  })

/** Forgets the blocks that lie completely within the range. @throws CacheError */
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
