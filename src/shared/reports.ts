/**
 * What a program can observe of a running cache: statistics, a map of the pool, holders and waits, trace records, events, blocks
 * lost at the end, what opening found in journals. Part of the public interface (interface.ts). Types only.
 */

/** A thread that is attached, or one of the engine's own. */
export interface ThreadInfo {
  /** Its number, also in trace records. A slot that is free again gets another thread. */
  readonly slot: number
  readonly threadId: number
  /** The name given to `attachCache(handle, { name })`, '' without; threads of the engine have fixed names. */
  readonly name: string
  /** False once the thread has ended, until what it held is taken back. */
  readonly alive: boolean
}

/** A pin, a latch or a wait of one thread. */
export interface Holder extends ThreadInfo {
  readonly what: 'holds' | 'waits'
  /** `read` and `modify` are about a block. The others say what else a thread waits for. */
  readonly mode: 'read' | 'modify' | 'frame' | 'dirty' | 'spare' | 'flush' | 'mutex'
  readonly partition: string | undefined
  readonly block: number | undefined
  /**
   * Milliseconds since it began. Undefined for a read guard, and for most blocks that are being read from the disk: the hit
   * path and most misses do not read the clock.
   */
  readonly sinceMs: number | undefined
  /** Of a wait: the slots that hold the block or lock waited for; [] for other waits. */
  readonly heldBy: readonly number[]
  /**
   * Of a wait: the slots of the cycle that this wait is part of or is blocked by; [] if there is none. A thread with several
   * waiting asynchronous calls has an entry for each.
   */
  readonly cycle: readonly number[]
}

/** Events on the owner's cache, by name, and what their listeners are passed. */
export interface CacheEvents {
  /** A write or fsync failed. The partition is not written until `retry`. */
  fenced: { partition: string; writeClass: string; error: Error }
  /** After `fenced`: the changes of the partition are durable again. */
  restored: { partition: string }
  /** `openCache` wrote in place what a journal held, or found a torn record. Told once, soon after `openCache` has resolved. */
  recovered: JournalRecovery
  /** An attached thread ended without detaching. Its slot is recovered. */
  workerDied: { threadId: number; slot: number }
}

/** A block with changes that may not be durable. */
export interface LostBlock {
  readonly partition: string
  readonly block: number
  readonly writeClass: string
}

/** What `openCache` found in the journal of a group that had records, or something torn. */
export interface JournalRecovery {
  readonly group: string
  readonly path: string
  /** The records that were written in place again, in this order. */
  readonly replayed: readonly ReplayedRecord[]
  /**
   * What was ignored, for each half that has something torn, and why: a record that was not acknowledged before the crash, or
   * one that was damaged since.
   */
  readonly torn: readonly string[]
}

export interface ReplayedRecord {
  readonly number: number
  /** How many blocks of each partition, by name. */
  readonly partitions: Readonly<Record<string, number>>
}

/** Which records of the flight recorder to read; all that it has by default. */
export interface TraceOptions {
  /** Only those that ended at this time, on the scale of `atMs`, or later. */
  readonly sinceMs?: number
  /** Only those of these points. */
  readonly points?: readonly string[]
}

/**
 * What a thread did: an instant, or a span, which is recorded when it ends. What the fields mean depends on the point:
 *
 *   point                         span  partition    block              value
 *   block.acquire, .release *           partition    block              mode; write class, 0 for unchanged
 *   block.dirty, .evict *               partition    block              write class; frame
 *   block.load                    yes   partition    the first          how many were read together
 *   wait.latch                    yes   partition    block              the slot that held it to change it, -1 for readers
 *   wait.frame, .dirty, .spare    yes   partition    block              0
 *   wait.flush                    yes   group        0                  the last class waited for, 0 for all
 *   wait.mutex                    yes   group, or 0  0                  1 latch, 2 stripe, 3 policy, 4 round
 *   disk.read, .write             yes   partition    the first          bytes
 *   disk.fsync                    yes   partition    0                  0
 *   journal.write                 yes   group        how many           bytes; with the fsync
 *   journal.fsync                 yes   group        0                  0
 *   work.round                    yes   group        how many           1 full, 2 partial, 3 record, 4 places; negative: failed
 *   work.stage                    yes   group        how many           write class
 *   work.write *                        partition    block              frame
 *   work.cut, .done, .failed            group        how many; 0; dirty number of the cut; the same; failures so far
 *   proc.*                              0            0                  slot, or 0
 *
 * Those with * are left out with `traceBlocks: false`.
 */
export interface TraceRecord {
  readonly point: string
  readonly slot: number
  readonly partition: number
  readonly block: number
  readonly value: number
  /**
   * When it was, or when the span began: milliseconds since 1970, with microseconds, by the system's clock as it was set when
   * the cache was opened. All threads have the same.
   */
  readonly atMs: number
  /** Milliseconds, with microseconds; 0 for an instant. */
  readonly durationMs: number
}

/**
 * `broken`: nothing is written any more, because the engine's threads cannot be kept running. `orphaned`: the owner's thread has
 * ended without closing the cache. A cache that is `closed` or `orphaned` stays so.
 */
export type CacheState = 'open' | 'closing' | 'closed' | 'broken' | 'orphaned'

/**
 * Statistics of the cache. Counters are sums over all threads since `openCache` and are never reset; sizes and states are
 * those of the moment, read without locks while other threads run, so they may be inconsistent with each other.
 */
export interface CacheStats {
  readonly state: CacheState
  /** Blocks looked up: hits + misses. */
  readonly lookups: number
  readonly hits: number
  readonly misses: number
  /** Acquires with `read` or `modify`. */
  readonly reads: number
  /** Acquires with `modify` or `overwrite`. */
  readonly writes: number
  /** Capacity, in blocks. */
  readonly size: number
  /** Bytes of shared memory, without the frames that the pool has not grown to. */
  readonly memoryBytes: number
  /** Blocks that are dirty at this moment. */
  readonly dirty: number
  /** Calls of `flush` and `flushSync`. */
  readonly flushes: number
  /** Waits for a frame: every frame was held or dirty. */
  readonly stalls: number
  /**
   * Milliseconds spent in misses, all threads together. Of the misses that wait for nothing but the disk, each thread times one
   * in 16, and counts its time for the others too.
   */
  readonly lookupTimeMs: number
  /** Waits for a block that was latched or pinned by another holder. */
  readonly blockStalls: number
  readonly diskReads: number
  readonly diskReadBytes: number
  readonly diskWrites: number
  readonly diskWriteBytes: number
  /** Rounds of write-back, failed ones included. */
  readonly rounds: number
  readonly failedRounds: number
  readonly evictions: number
  /** How often a partition was fenced, because a write or an fsync failed. */
  readonly fences: number
  /** Threads that ended without `detach`, and whose guards and locks were taken back. */
  readonly deaths: number
  /**
   * Of `prefetch` and read-ahead, in blocks: `loaded` were filled ahead of use, `dropped` were requested and not filled,
   * `unused` were evicted before their first use (not counted with policy `lru2`).
   */
  readonly prefetch: { readonly loaded: number; readonly dropped: number; readonly unused: number }
  /**
   * Frames by state; `held` are also counted by their state. Exact up to 131,072 frames. Above that, `free` and `dirty` are counters,
   * `held` is the number of pinned blocks and of exclusive guards, and `absent` is an estimate from as many frames; `clean` is the
   * rest. The error of the estimate is below 1 % of the frames, and mostly below 0.2 %.
   */
  readonly blocks: {
    readonly free: number
    readonly clean: number
    readonly dirty: number
    readonly absent: number
    readonly held: number
  }
  readonly spares: { readonly free: number; readonly total: number }
  /** Number of waits by cause, and the milliseconds of all of them together. */
  readonly waits: {
    readonly frame: number
    readonly latch: number
    readonly dirtyLimit: number
    readonly spare: number
    readonly mutex: number
    readonly timeMs: number
  }
  /**
   * Waits of calls that change a block: for its latch (also while a round writes it), for a spare, and for the dirty limit.
   */
  readonly writerStalls: LatencyStats
  /** Size of the flight recorder in records; 0 if it is off. */
  readonly traceEntries: number
  /** Thread slots in use, those of the engine's own threads included. */
  readonly threads: number
  /** Each group by its name; that of partitions without one is ''. */
  readonly groups: Readonly<Record<string, GroupStats>>
  /** Each open partition by its name. */
  readonly partitions: Readonly<Record<string, PartitionStats>>
}

/** The frames of the pool in order, in runs that are equally long to one frame: a picture of the cache at this moment. */
export interface PoolMap {
  /** Frames of the pool. */
  readonly frames: number
  /** How many of them were looked at: all, or 131,072 at most. */
  readonly looked: number
  readonly cells: readonly PoolCell[]
}

/** A run of frames. The counts are of those looked at, by what they hold; except `held` and `hot` they add up to `looked`. */
export interface PoolCell {
  readonly frames: number
  readonly looked: number
  readonly free: number
  readonly clean: number
  readonly dirty: number
  /** Their block is being read, or could not be. */
  readonly absent: number
  /** They hold images of other blocks from before a change. */
  readonly lent: number
  /** Pinned or latched by a thread. */
  readonly held: number
  /**
   * Used again lately. With policy `adaptive`: used twice or more, the last time within as many insertions as there are frames. With
   * `lru2`: the second-to-last use is among the last half as many uses as there are frames.
   */
  readonly hot: number
  /** The partition that most of the blocks are of, by its number in `stats()` and in trace records; -1 without blocks. */
  readonly partition: number
}

/** Statistics of a group, since `openCache`; otherwise as those of the cache. */
export interface GroupStats {
  /** Its number in trace records. */
  readonly index: number
  /** Blocks of its partitions that are dirty at this moment. */
  readonly dirty: number
  /** How many may be: at this number, changing a clean block waits. */
  readonly dirtyLimit: number
  /** Rounds of write-back, failed ones included. */
  readonly rounds: number
  readonly failedRounds: number
  readonly spares: { readonly free: number; readonly total: number }
  /** Undefined for a group without a journal. */
  readonly journal: JournalStats | undefined
}

export interface JournalStats {
  /** The number of the newest record. A cache that is opened again goes on from there. */
  readonly records: number
  /** Bytes that records have taken on the disk since `openCache`, and how long the syncs of records took. */
  readonly writtenBytes: number
  readonly fsync: LatencyStats
  /** What the records of the half that is being filled take, and how large a half is. */
  readonly usedBytes: number
  readonly halfBytes: number
}

/** Statistics of one partition, since it was opened; otherwise as those of the cache. */
export interface PartitionStats {
  /** Its number in trace records. */
  readonly index: number
  /** The name of its group. */
  readonly group: string
  /** Its size at this moment, in blocks. */
  readonly blocks: number
  /** Bytes. */
  readonly blockSize: number
  readonly hits: number
  readonly misses: number
  /** Acquires with `read` or `modify`. */
  readonly reads: number
  /** Acquires with `modify` or `overwrite`. */
  readonly writes: number
  /** Acquires with `overwrite`. */
  readonly overwrites: number
  /**
   * Its blocks that are cached at this moment, dirty ones included. Above 131,072 frames the clean ones are an estimate, as in
   * `blocks` of the cache; of a partition with few of them it may be 0.
   */
  readonly cached: number
  readonly dirty: number
  /** Whether a write of it has failed, and it is not written until `retry`. */
  readonly isFenced: boolean
  /** Blocks read and written, and their bytes. */
  readonly diskReads: number
  readonly diskReadBytes: number
  readonly diskWrites: number
  readonly diskWriteBytes: number
  readonly fsyncs: number
  /** Durations of the system calls that read blocks. Of the misses that wait for nothing else, one in 16 is timed and counts as 16. */
  readonly read: LatencyStats
  readonly fsync: LatencyStats
}

/** How long calls took, exact to a fifth. `buckets`: the histogram, without empty buckets; each has the calls of up to `upToMs`. */
export interface LatencyStats {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly buckets: readonly { readonly upToMs: number; readonly count: number }[]
}
