/**
 * Opens the cache of a server. Each export is a partition and a group of its own, so that a disk that fails stops only its export.
 * A cache has the groups that it was opened with, so those of exports that may come later are named at once. The cost: all groups
 * divide the dirty limit and the spare frames evenly. With a journal there is one group instead (journal.ts).
 */
import { type BlockCache, CacheError, openCache, type PartitionOptions } from '../index.js'
import { factsOf } from './export-files.js'
import { BLOCK_SIZE_DEFAULT } from './export-list.js'
import { JOURNALED } from './journal.js'
import { RECORDER } from '../monitor/recorder.js'
import { messageOf } from './log.js'
import type { EngineSettings, ExportSettings, JournalSetting } from './messages.js'

/** An export that is served. */
export interface Served extends ExportSettings {
  readonly group: string
  /** Of its file (export-files.ts). */
  readonly identity: string
}

export interface OpenExports {
  readonly cache: BlockCache
  readonly served: readonly Served[]
  /** The groups for exports that come, one for each. */
  readonly groups: readonly string[]
  /** The largest block size that an export can have, in bytes. */
  readonly blockSizeMax: number
}

/** @throws with a message for the user */
export async function openExports(settings: EngineSettings): Promise<OpenExports> {
  const { exports, exportsMax, journal, memory, monitor, policy, threads, flushDelayMs } = settings
  const groups = Array.from({ length: exportsMax }, (_, i) => (journal === undefined ? String(i) : JOURNALED))
  const named = journal === undefined ? [...groups] : { [JOURNALED]: { journal: optionOf(journal) } }
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
    groups: named,
    ...(monitor === undefined ? {} : RECORDER),
    partitions: Object.fromEntries(served.map((each) => [each.name, partitionOf(each)])),
  }).catch((error: unknown) => {
    throw withHint(error, journal)
  })
  return { cache, served, groups, blockSizeMax }
}

export const partitionOf = ({ path, blockSize, readOnly, group }: Served): PartitionOptions => ({
  path,
  blockSize,
  readOnly,
  group,
})

const optionOf = ({ path, sizeBytes }: JournalSetting) =>
  sizeBytes === undefined ? { path } : { path, size: sizeBytes }

/** What is missing may be the option, which the cache does not know. */
function withHint(cause: unknown, journal: JournalSetting | undefined): unknown {
  if (journal !== undefined || !(cause instanceof CacheError) || cause.code !== 'ERR_DCACHE_BAD_JOURNAL')
    return cause
  return new CacheError(cause.code, `${cause.message}; the option for it is --journal FILE`, { cause })
}

function identityOf(each: ExportSettings): string {
  try {
    return factsOf(each).identity
  } catch (error) {
    throw new Error(`export '${each.name}': ${messageOf(error)}`, { cause: error })
  }
}
