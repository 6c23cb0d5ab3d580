/**
 * dcache: a disk block cache that all threads of a process share. This file exports the public interface; the types are
 * documented in shared/interface.ts and shared/reports.ts.
 */
export { CacheError, type CacheErrorCode, type CacheErrorJson, CODES } from './shared/errors.js'
export type { CacheChannels, MissMessage, RoundMessage, StallMessage } from './shared/channel-messages.js'
export type {
  BlockCache,
  BlockGuard,
  BlockName,
  CacheClient,
  CacheEvents,
  CacheHandle,
  GuardsOf,
  JournalHandle,
  Mode,
  Partition,
} from './shared/interface.js'
export type {
  AbortOptions,
  AcquireOptions,
  CacheOptions,
  CloseOptions,
  DropOptions,
  FlushScope,
  GroupOptions,
  JournalOptions,
  LiveOptions,
  PartitionOptions,
  WaitOptions,
} from './shared/options.js'
export type {
  CacheState,
  CacheStats,
  GroupStats,
  Holder,
  JournalRecovery,
  JournalStats,
  LatencyStats,
  LostBlock,
  PartitionStats,
  PoolCell,
  PoolMap,
  ReplayedRecord,
  ThreadInfo,
  TraceOptions,
  TraceRecord,
} from './shared/reports.js'
export { attachCache, type AttachOptions } from './workers/attach.js'
export { openCache } from './workers/open-cache.js'
