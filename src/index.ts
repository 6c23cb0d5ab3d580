/**
 * dcache: a disk block cache that all threads of a process share. The public interface, nothing else; the types are
 * explained in shared/interface.ts.
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
  CacheStats,
  FlushScope,
  HandlePartition,
  Holder,
  LostBlock,
  Mode,
  Partition,
  PartitionOptions,
  TraceRecord,
  WaitOptions,
} from './shared/interface.js'
export { attachCache, type AttachOptions } from './workers/attach.js'
export { openCache } from './workers/host.js'
