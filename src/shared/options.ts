/**
 * The options of the public calls (interface.ts), with units, ranges and defaults. Types only; config.ts validates them.
 */

/**
 * Options of `openCache`, which rejects with ERR_DCACHE_BAD_OPTION, or a more specific code, if one is out of range. Sizes
 * are numbers of bytes, or strings with a unit such as '64MiB' (powers of 1024) or '64MB' (powers of 1000).
 */
export interface CacheOptions {
  /**
   * Size of the frame pool, in bytes. One frame in 64, and at least two per group, is a spare for undo and saved images; the
   * others hold blocks. Descriptors, about 90 bytes per block, and 16 more with policy `adaptive`, are
   * allocated on top.
   */
  memory: number | string
  /**
   * The size to which `configure({ memory })` can let the pool grow, in bytes. The difference takes address space, and no memory
   * until it is used. Default: `memory`.
   */
  memoryMax?: number | string
  /**
   * The partitions by name, 1 to `maxPartitions`. Errors name them, and `client.partition(name)` looks them up. A name has 1 to
   * 4096 bytes of UTF-8.
   */
  partitions: Record<string, PartitionOptions>
  /** The most partitions at a time, 1 to 4096. Each takes 6 KiB from when it is first used. Default: 64. */
  maxPartitions?: number
  /**
   * Settings of groups by name; or only names, of groups that partitions which are added later may have, in addition to those
   * of `partitions`. Default: [].
   */
  groups?: readonly string[] | Readonly<Record<string, GroupOptions>>
  /**
   * The largest `blockSize` that a partition may have, in bytes: a power of two, 512 to 65536. All frames are as large. Default:
   * the largest of `partitions`, of which there may be none if this is given.
   */
  maxBlockSize?: number
  /** The write classes, 1 to 7 names, in the order in which they are written. Default: ['data', 'directory', 'trailer']. */
  writeOrder?: readonly string[]
  /** Replacement policy, which chooses victims. Default: 'adaptive'. */
  policy?: 'adaptive' | 'lru2'
  /**
   * How many threads may be attached at a time, the owner not counted; 1 to 250. Above 235 it leaves fewer than 16 writers, so
   * that fewer partitions are written at a time. Default: 64.
   */
  threads?: number
  /** Milliseconds after which a round starts for a change that no flush has covered yet; 0 to 2^31 - 1. Default: 5000. */
  flushDelayMs?: number
  /**
   * Largest share of the blocks that may be dirty, 0 < share <= 1. When it is reached, a round starts, and calls that would
   * make a clean block dirty wait. With several groups each gets an equal part. Default: 2/3.
   */
  dirtyLimit?: number
  /**
   * Share of the blocks, 0 < share <= 1, at which background writing starts. The rate rises as the dirty count approaches
   * `dirtyLimit`. A value of `dirtyLimit` or above turns background writing off. Default: half of `dirtyLimit`.
   */
  dirtyBackground?: number
  /**
   * Limit for background writes (those that `dirtyBackground` and `flushDelayMs` start), in bytes per second over all
   * partitions; at least 1. Writes that a call requested or waits for are not limited. Default: Infinity, no limit.
   */
  writeBytesPerSecond?: number | string
  /** Neighbouring blocks are written by one call of up to this many bytes and 256 blocks; 512 to 16 MiB. Default: 1 MiB. */
  writeBytes?: number | string
  /**
   * A file for a warm restart. `close` writes the names of the cached blocks into it, and `openCache` reads those blocks back in
   * the background, as long as frames are free. A list that is missing, old or damaged does no harm. Default: none.
   */
  warm?: string
  /** How fast they are read back, in bytes per second, at least 1. Default: 64 MiB. */
  warmBytesPerSecond?: number | string
  /**
   * Size of the flight recorder, which `trace()` reads, in records of 64 bytes: 0, or a power of two up to 2^20. Default: 0, which
   * turns it off.
   */
  traceEntries?: number
  /**
   * Whether the flight recorder also has the points of single blocks: each acquire, release, change, eviction and write. Without
   * them hits are as fast as without a recorder. Default: true.
   */
  traceBlocks?: boolean
  /**
   * Largest read-ahead window of a thread that reads a partition sequentially, in bytes. At most 1/40 of the cache is used.
   * 0 turns read-ahead off. Default: 1 MiB.
   */
  readAheadBytes?: number | string
}

export type PolicyName = NonNullable<CacheOptions['policy']>

/** What `configure` can change. */
export type LiveOptions = Partial<
  Pick<
    CacheOptions,
    'memory' | 'dirtyLimit' | 'dirtyBackground' | 'flushDelayMs' | 'writeBytesPerSecond' | 'readAheadBytes'
  >
>

export interface GroupOptions {
  /**
   * A file that takes each cut of the group before its blocks are written in place: after a crash the partitions hold exactly
   * one cut, not older than the last flush that resolved. Default: none.
   */
  journal?: JournalOptions
}

export interface JournalOptions {
  /** A regular file, created if it is missing. A relative path is resolved when `openCache` is called. */
  path: string
  /**
   * Bytes of its two halves together, a multiple of 8192; each must hold 8 blocks of the largest size of the group. A cut, and
   * what may be dirty and in no record yet, is at most one half. Default: what the file has; for a new one 64 MiB, or less if
   * the whole cache fits into a half of less.
   */
  size?: number | string
}

export interface PartitionOptions {
  /** A file or a block device. A relative path is resolved when `openCache` is called. */
  path: string
  /** Bytes per block: a power of two, 512 to 65536. */
  blockSize: number
  /**
   * Size of the partition in bytes, a positive multiple of `blockSize`. The file is created, or extended, to hold it; it is
   * never truncated. Default: what the file holds from `offset` on.
   */
  size?: number | string
  /** Where the partition starts in the file, in bytes; a multiple of `blockSize`. Default: 0. */
  offset?: number | string
  /** Whether the partition refuses changes. Default: false. */
  readOnly?: boolean
  /**
   * Whether reads and writes bypass the system's page cache (O_DIRECT). `openCache` rejects with ERR_DCACHE_UNSUPPORTED if
   * the file system or the block size does not allow it, or if the whole cache takes more than 4 GiB. Default: false.
   */
  direct?: boolean
  /**
   * Partitions of one group share the order of write classes, and a failed write of one of them holds back later classes in
   * all of them. Default: all partitions are in one group.
   */
  group?: string
  /**
   * The largest share of the frames that blocks of this partition may take, 0 < share <= 1; at least 8 frames. At the limit a
   * block of this partition evicts another one of it, and never one of another partition. Default: no limit.
   */
  share?: number
}

export interface CloseOptions {
  /** Where the names of the cached blocks are written, for a later cache with this path as its `warm`. Default: its own `warm`. */
  warm?: string
}

export interface DropOptions {
  /** false: changes that are not durable are forgotten, also those of a fenced partition. Default: true. */
  flush?: boolean
  /** Milliseconds to wait for holders of its blocks, 0 or more. Default: 30000. */
  timeoutMs?: number
}

/** What to flush. Default: all partitions. The cache writes whole groups, so more than the scope may become durable. */
export interface FlushScope {
  /** The partitions of this group. */
  group?: string
  /** This partition. */
  partition?: string
  /** First block; requires `partition`. */
  block?: number
  /** Number of blocks. Default: 1 with `block`, else the whole partition. */
  count?: number
  /**
   * The last class of `writeOrder` that has to be durable. Changes of later classes are not written, and not waited for, also while
   * a round writes them. For a log that is the first class; a partition of its own lets it be written while others are. Default:
   * all classes.
   */
  through?: string
}

export interface AbortOptions {
  /** Aborts an asynchronous call. Ignored by `Sync` calls. */
  signal?: AbortSignal
}

export interface WaitOptions extends AbortOptions {
  /**
   * Milliseconds after which the call stops waiting for other threads, 0 or more. System calls are not interrupted. Default:
   * 30000.
   */
  timeoutMs?: number
}

export interface AcquireOptions extends WaitOptions {
  /**
   * With `modify`: declares that only `length` bytes from `start` will change, so that a smaller undo image is made. Changes
   * to other bytes are not undone by `discard` and may be written before the release. Default: the whole block.
   */
  start?: number
  length?: number
}
