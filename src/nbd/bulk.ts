/**
 * Requests that name many bytes and bring none: done in slices, with a turn of the event loop between them, so that a
 * trim of a whole disk holds up nobody.
 */
import type { Partition } from '../index.js'
import type { Gate } from './gate.js'

const SLICE_BYTES = 2 ** 20
const SLICE_BLOCKS = 4096
const ZEROES = Buffer.alloc(SLICE_BYTES)

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Writes zeros, as any other bytes. @throws CacheError */
export async function writeZeroes(
  partition: Partition,
  position: number,
  length: number,
  gate: Gate,
): Promise<void> {
  for (let done = 0; done < length;) {
    // Slices end at block borders, or a block would be changed twice.
    const end = Math.floor((position + done) / SLICE_BYTES + 1) * SLICE_BYTES
    const size = Math.min(end - position - done, length - done)
    const at = position + done
    await gate.run(() => partition.write(ZEROES.subarray(0, size), at))
    done += size
    if (done < length) await turn()
  }
}

/** Forgets the blocks that lie in the range as a whole. @throws CacheError */
export async function trim(partition: Partition, position: number, length: number): Promise<void> {
  const { blockSize } = partition
  const end = Math.floor((position + length) / blockSize)
  for (let block = Math.ceil(position / blockSize); block < end; block += SLICE_BLOCKS) {
    partition.forget(block, Math.min(SLICE_BLOCKS, end - block))
    await turn()
  }
}
