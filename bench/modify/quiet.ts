/**
 * A cache for measurements without write-back.
 */
import type { BlockCache, CacheOptions } from 'dcache'
import { openFull } from '../harness/cache.js'
import type { BenchSettings } from '../harness/suite.js'
import { BLOCK_SIZE } from '../hit/workload.js'

/** The length of a declared range, and of a short write. */
export const RANGE_BYTES = 64

/** Far from the dirty limit, and no round starts automatically. */
export const NO_ROUNDS: Partial<CacheOptions> = {
  flushDelayMs: 2 ** 31 - 1,
  dirtyLimit: 1,
  dirtyBackground: 1,
}

export const openQuiet = (
  path: string,
  blocks: number,
  settings: BenchSettings,
  engine = 'dcache',
): Promise<BlockCache> =>
  openFull({ path, blocks, blockSize: BLOCK_SIZE, policy: settings.policy, engine, more: NO_ROUNDS })
