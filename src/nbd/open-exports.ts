/**
 * Opens the cache of a server. Each export is a partition and a group of its own, so that a disk that fails stops only its export.
 * A cache has the groups that it was opened with, so those of exports that may come later are named at once. The cost: all groups
 * divide the dirty limit and the spare frames evenly.
 */
import { type BlockCache, openCache, type PartitionOptions } from '../index.js'
import { factsOf } from './export-files.js'
import { BLOCK_SIZE_DEFAULT } from './export-list.js'
import { messageOf } from './log.js'
import type { EngineSettings, ExportSettings } from './messages.js'

/** An export that is served. */
export interface Served extends ExportSettings {
  readonly group: string
  /** Of its file (export-files.ts). */
  readonly identity: string
}

export interface OpenExports {
  readonly cache: BlockCache
  readonly served: readonly Served[]
  /** The groups that no export has. */
  readonly groups: readonly string[]
  /** The largest block size that an export can have, in bytes. */
  readonly blockSizeMax: number
}

/** @throws with a message for the user */
export async function openExports(settings: EngineSettings): Promise<OpenExports> {
  const { exports, exportsMax, memory, policy, threads, flushDelayMs } = settings
  const groups = Array.from({ length: exportsMax }, (_, i) => String(i))
  // Looked at before the cache opens the file: another file that takes the path in between is found by the next look.
  const served = exports.map((each) => ({
    ...each,
    identity: identityOf(each),
    group: groups.shift()!,
  }))
  const sizes = served.map(({ blockSize }) => blockSize)
  const blockSizeMax = sizes.length === 0 ? BLOCK_SIZE_DEFAULT : Math.max(...sizes)
  const cache = await openCache({
    memory,
    policy,
    threads,
    flushDelayMs,
    maxPartitions: exportsMax,
    maxBlockSize: blockSizeMax,
    groups,
    partitions: Object.fromEntries(served.map((each) => [each.name, partitionOf(each)])),
  })
  return { cache, served, groups, blockSizeMax }
}

export const partitionOf = ({ path, blockSize, readOnly, group }: Served): PartitionOptions => ({
  path,
  blockSize,
  readOnly,
  group,
})

function identityOf(each: ExportSettings): string {
  try {
    return factsOf(each).identity
  } catch (error) {
    throw new Error(`export '${each.name}': ${messageOf(error)}`, { cause: error })
  }
}
