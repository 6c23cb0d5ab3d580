/**
 * The files of a load: those that the user named, or else generated ones in a temporary folder that is removed when the
 * process ends.
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
  /** Whether they are the user's own files, which the load changes. */
  readonly areNamed: boolean
}

const FRESH_BYTES = 64 << 20
const CHUNK_BYTES = 1 << 20

/** Returns the named files or creates temporary ones. @throws the file system's error, or the signal's reason */
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
  // For exits that run no `finally` block.
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

/**
 * Named by path. A path that was given twice gets two names, so that openCache refuses it as two partitions of one
 * file.
 */
function partitionsOf(named: readonly NamedPartition[]): Record<string, PartitionOptions> {
  const partitions: Record<string, PartitionOptions> = {}
  for (const { path, blockSize } of named) {
    let name = path
    while (Object.hasOwn(partitions, name)) name += ' again'
    partitions[name] = { path, blockSize }
  }
  return partitions
}

/** Copies the running Node: about 100 MB of varied blocks, padded with zeros to a whole block. */
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
