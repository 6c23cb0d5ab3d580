/**
 * The fast path to blocks: blocks that are cached and not latched are copied at once, without a promise. Both functions
 * stop at the first block that they would have to wait for, and return the number of bytes copied.
 */
import type { Partition } from '../index.js'

/** Reads up to `length` bytes at `position` into `target` from `at` on. @throws CacheError */
export function readHits(
  partition: Partition,
  target: Uint8Array,
  at: number,
  position: number,
  length: number,
): number {
  const { blockSize } = partition
  for (let done = 0; done < length;) {
    const block = Math.floor((position + done) / blockSize)
    const start = position + done - block * blockSize
    const size = Math.min(blockSize - start, length - done)
    const guard = partition.tryAcquire(block, 'read')
    if (guard === undefined) return done
    target.set(size === blockSize ? guard.data : guard.data.subarray(start, start + size), at + done)
    guard.release()
    done += size
  }
  return length
}

/** Writes `source` at `position`. @throws CacheError */
export function writeHits(partition: Partition, source: Uint8Array, position: number): number {
  const { blockSize } = partition
  for (let done = 0; done < source.length;) {
    const block = Math.floor((position + done) / blockSize)
    const start = position + done - block * blockSize
    const size = Math.min(blockSize - start, source.length - done)
    const guard = partition.tryAcquire(block, size === blockSize ? 'overwrite' : 'modify')
    if (guard === undefined) return done
    guard.data.set(size === source.length ? source : source.subarray(done, done + size), start)
    guard.markDirty()
    guard.release()
    done += size
  }
  return source.length
}
