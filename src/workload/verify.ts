/**
 * Reads every block of the files without the cache: before a load to record the contents, and after it to compare them
 * with the truth.
 */
import { open, stat } from 'node:fs/promises'
import { type LoadFile, type Mismatch, Truth } from './truth.js'

/** Up to this many mismatches are described; further ones are only counted. */
export const MISMATCHES_MAX = 20

export interface Verification {
  readonly blocks: number
  readonly mismatched: number
  /** The first mismatches. */
  readonly mismatches: readonly Mismatch[]
}

/** Records the contents of the files. @throws the file system's error, or the signal's reason */
export async function learn(files: readonly LoadFile[], signal?: AbortSignal): Promise<Truth> {
  const truth = Truth.create(files)
  for (const [partition, file] of files.entries()) {
    for await (const { block, bytes } of blocksOf(file, signal)) truth.setOriginal(partition, block, bytes)
  }
  return truth
}

/**
 * Compares every block of the files with the truth. No thread may write the files in the meantime.
 * @throws the file system's error, or an error that says which file has another size than its blocks
 */
export async function verify(files: readonly LoadFile[], truth: Truth): Promise<Verification> {
  let blocks = 0
  let mismatched = 0
  const mismatches: Mismatch[] = []
  for (const [partition, file] of files.entries()) {
    await assertSize(file)
    for await (const { block, bytes } of blocksOf(file)) {
      blocks++
      if (truth.holds(partition, block, bytes)) continue
      mismatched++
      if (mismatches.length < MISMATCHES_MAX)
        mismatches.push(truth.mismatch(partition, block, bytes, 'the final comparison of the file'))
    }
  }
  return { blocks, mismatched, mismatches }
}

async function assertSize({ path, blockSize, blocks }: LoadFile): Promise<void> {
  const found = await stat(path)
  if (!found.isFile() || found.size === blocks * blockSize) return
  throw new Error(`${path} has ${found.size} bytes, and its ${blocks} blocks have ${blocks * blockSize}`)
}

const CHUNK_BYTES = 1 << 20

/** Yields the blocks of a file in order. The bytes of a block are valid until the next one is requested. */
async function* blocksOf(
  { path, blockSize, blocks }: LoadFile,
  signal?: AbortSignal,
): AsyncGenerator<{ block: number; bytes: Uint8Array }, void> {
  const file = await open(path, 'r')
  try {
    const chunk = new Uint8Array(CHUNK_BYTES)
    for (let first = 0; first < blocks; first += CHUNK_BYTES / blockSize) {
      signal?.throwIfAborted()
      const length = Math.min(CHUNK_BYTES, (blocks - first) * blockSize)
      for (let filled = 0; filled < length;) {
        const { bytesRead } = await file.read(chunk, filled, length - filled, first * blockSize + filled)
        if (bytesRead === 0) throw new Error(`${path} ends before its block ${blocks - 1}`)
        filled += bytesRead
      }
      for (let at = 0; at < length; at += blockSize)
        yield { block: first + at / blockSize, bytes: chunk.subarray(at, at + blockSize) }
    }
  } finally {
    await file.close()
  }
}
