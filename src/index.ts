/**
 * dcache: a disk block cache that all threads of a process share. This file exports the public interface; the types are
 * documented in shared/interface.ts and shared/reports.ts.
 */
export { CacheError, type CacheErrorCode, type CacheErrorJson, CODES } from './shared/errors.js'
export type {
  AcquireOptions,
  BlockCache,
  BlockGuard,
  CacheClient,
  CacheEvents,
  CacheHandle,
  CacheOptions,
  DropOptions,
  FlushScope,
  Mode,
  Partition,
  PartitionOptions,
  WaitOptions,
} from './shared/interface.js'
export type { CacheStats, Holder, LostBlock, TraceRecord } from './shared/reports.js'
export { attachCache, type AttachOptions } from './workers/attach.js'
export { openCache } from './workers/host.js'
