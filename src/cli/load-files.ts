/**
 * The files that a load works on: those that were named, or, where none were, bytes that every machine has, in a
 * temporary folder that does not outlive the process.
 */
import { rmSync } from 'node:fs'
import { chmod, copyFile, constants, mkdtemp, open, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PartitionOptions } from '../index.js'
import { Random } from '../workload/random.js'
import { BLOCK_SIZE, type NamedPartition } from './load-settings.js'

export interface LoadFiles extends Disposable {
  /** For openCache. */
  readonly partitions: Record<string, PartitionOptions>
  /** They are the user's, and will be changed. */
  readonly areNamed: boolean
}

const FRESH_BYTES = 64 << 20
const CHUNK_BYTES = 1 << 20

/** @throws what the file system says, or the signal's reason */
export async function useFiles(
  named: readonly NamedPartition[],
  seed: number,
  signal: AbortSignal,
): Promise<LoadFiles> {
  if (named.length > 0)
    return { partitions: partitionsOf(named), areNamed: true, [Symbol.dispose]: () => undefined }
  const folder = await mkdtemp(join(tmpdir(), 'dcache-load-'))
  const remove = () => {
    rmSync(folder, { recursive: true, force: true })
  }
  // For an exit of the process that runs no `finally` block.
  process.once('exit', remove)
  const files: LoadFiles = {
    partitions: {
      node: { path: join(folder, 'node'), blockSize: BLOCK_SIZE },
      fresh: { path: join(folder, 'fresh'), blockSize: BLOCK_SIZE },
    },
    areNamed: false,
    [Symbol.dispose]() {
      process.off('exit', remove)
      remove()
    },
  }
  try {
    await copyExecutable(join(folder, 'node'))
    signal.throwIfAborted()
    await writeNoise(join(folder, 'fresh'), seed, signal)
    return files
  } catch (error) {
    files[Symbol.dispose]()
    throw error
  }
}

/** By path; a path that was named twice is for openCache to refuse, as it does with two names of one file. */
function partitionsOf(named: readonly NamedPartition[]): Record<string, PartitionOptions> {
  const partitions: Record<string, PartitionOptions> = {}
  for (const { path, blockSize } of named) {
    let name = path
    while (Object.hasOwn(partitions, name)) name += ' again'
    partitions[name] = { path, blockSize }
  }
  return partitions
}

/** The running Node: some 100 MB that differ from block to block, filled up with zeros to a whole block. */
async function copyExecutable(path: string): Promise<void> {
  await copyFile(process.execPath, path, constants.COPYFILE_FICLONE)
  await chmod(path, 0o600)
  const { size } = await stat(path)
  await truncate(path, Math.ceil(size / BLOCK_SIZE) * BLOCK_SIZE)
}

async function writeNoise(path: string, seed: number, signal: AbortSignal): Promise<void> {
  const random = new Random(seed, -1)
  const chunk = new Uint8Array(CHUNK_BYTES)
  const file = await open(path, 'w')
  try {
    for (let written = 0; written < FRESH_BYTES; written += CHUNK_BYTES) {
      signal.throwIfAborted()
      random.fill(chunk)
      await file.writeFile(chunk)
    }
  } finally {
    await file.close()
  }
}
