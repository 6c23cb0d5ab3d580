/**
 * The public interface: the types of handles, caches, clients, partitions and guards, with units, errors and threads. Types
 * only. The options are in options.ts; what a program can observe of a running cache (CacheStats, Holder, ...) in reports.ts.
 *
 * A call with a plain name returns a promise and never blocks the event loop. The call of the same name with `Sync` may
 * block its thread until the work is done, and is meant for worker threads. The two have the same effect, and throw or
 * reject with the same errors; in addition:
 *
 *   - plain calls reject with ERR_DCACHE_ABORTED when their signal is aborted;
 *   - `Sync` calls throw ERR_DCACHE_WOULD_BLOCK instead of blocking on the owner's thread, and on threads that attached
 *     with `mayBlock: false`, and ERR_DCACHE_DEADLOCK if they would wait for their own thread.
 *
 * Every call that needs the cache throws ERR_DCACHE_CLOSED once the cache is closed or closing or the thread has detached,
 * ERR_DCACHE_WORKER_DIED if the engine's threads cannot be kept running, and ERR_DCACHE_ORPHANED after the owner's thread
 * has ended. Lists of errors below leave these out. Errors are CacheError objects (errors.ts).
 */
import type { Worker } from 'node:worker_threads'
import type {
  AbortOptions,
  AcquireOptions,
  CloseOptions,
  DropOptions,
  FlushScope,
  LiveOptions,
  PartitionOptions,
  WaitOptions,
} from './options.js'
import type {
  CacheEvents,
  CacheStats,
  Holder,
  JournalRecovery,
  LostBlock,
  PoolMap,
  ThreadInfo,
  TraceOptions,
  TraceRecord,
} from './reports.js'

export type { CacheEvents } from './reports.js'

/** How a block is acquired: shared, exclusive, or exclusive without reading it from the disk first. */
export type Mode = 'read' | 'modify' | 'overwrite'

/**
 * What another thread needs to attach. It can be sent to threads of this process by structured clone: as workerData, by
 * postMessage, or through piscina. Pass it on unchanged.
 */
export interface CacheHandle {
  readonly dcache: number
  readonly id: string
  readonly buffer: SharedArrayBuffer
  /**
   * The WebAssembly.Memory that the buffer is of; undefined if the buffer is a plain one, because the whole cache takes more
   * than 4 GiB or the system allowed no other.
   */
  readonly memory: { readonly buffer: SharedArrayBuffer } | undefined
  readonly writeOrder: readonly string[]
  /** The names of the groups. */
  readonly groups: readonly string[]
  readonly policy: 'adaptive' | 'lru2'
  /** Those of groups that have one. */
  readonly journals: readonly JournalHandle[]
}

/** The journal of a group, for threads that write records. */
export interface JournalHandle {
  readonly group: number
  readonly path: string
  /** The owner's file descriptor. */
  readonly fd: number
  /** In hexadecimal digits. */
  readonly id: string
  readonly halfBytes: number
}

/** The cache as its owner sees it: the thread that called `openCache`. Only that thread may use this object. */
export interface BlockCache extends CacheClient, AsyncDisposable {
  /** Pass this to other threads; they call `attachCache(handle)`. */
  readonly handle: CacheHandle
  /**
   * What `openCache` found in the journals of its groups after a crash: one for each journal that had records or something
   * torn; [] after an orderly end. The event `recovered` tells the same.
   */
  readonly recovered: readonly JournalRecovery[]
  /**
   * Recovers the slot of this worker when it ends. Needed only for workers that this thread created before it imported
   * dcache; workers created later are adopted automatically.
   */
  adopt(worker: Worker): void
  on<E extends keyof CacheEvents>(event: E, listener: (info: CacheEvents[E]) => void): this
  off<E extends keyof CacheEvents>(event: E, listener: (info: CacheEvents[E]) => void): this
  /**
   * After a failed write or fsync: lifts the fence, and writes the unwritten changes of the partition's whole group again.
   * Resolves when they are durable.
   * @throws ERR_DCACHE_FENCED if it fails again, ERR_DCACHE_UNKNOWN_PARTITION
   */
  retry(partition: string): Promise<void>
  /**
   * Opens another partition, and returns it; any thread finds it by `partition(name)` from then on. Its `group` must be one
   * that the cache was opened with, and `blockSize` at most `maxBlockSize`. If it fails, nothing is changed.
   * @throws as `openCache` for a partition; ERR_DCACHE_BAD_OPTION also if the name is taken, with `maxPartitions` partitions,
   *   or if its blocks are too large for the group's journal; ERR_DCACHE_BAD_JOURNAL if its file belongs to another journal, or
   *   cannot be marked
   */
  addPartition(name: string, options: PartitionOptions): Promise<Partition>
  /**
   * Closes a partition: waits for guards and reads of its blocks, flushes it, and closes its file. From the beginning on, calls
   * of other threads fail with ERR_DCACHE_UNKNOWN_PARTITION. If it fails, the partition is as before. In a group with a journal
   * it also waits until all that was changed in the group is durable in place, and erases the journal's records.
   * @throws ERR_DCACHE_GUARDS_HELD if a block is in use after `timeoutMs`, naming the holders; _FENCED; _UNKNOWN_PARTITION;
   *   with a journal also _TIMEOUT, _BAD_FILE if the records cannot be erased, and _BAD_JOURNAL if the mark cannot be removed:
   *   then the partition is gone, and the mark stays
   */
  dropPartition(name: string, options?: DropOptions): Promise<void>
  /**
   * Changes settings while all threads continue; the others stay as they are. `memory` can only grow, up to `memoryMax`. A
   * `dirtyBackground` that was never set stays half of `dirtyLimit`.
   * @throws ERR_DCACHE_BAD_OPTION; ERR_DCACHE_TIMEOUT if another thread keeps the list of free frames locked for a second. Then
   *   nothing is changed
   */
  configure(settings: LiveOptions): void
  /** Evicts all clean blocks that are not pinned or latched. Returns how many. */
  evictClean(): number
  /**
   * Flushes, stops the engine's threads and closes the files. If it rejects, the cache stays open. After the flush it may
   * wait up to 15 s for system calls of other threads. With a journal it waits until all is durable in place, and erases the
   * records. If that last step fails, it rejects with ERR_DCACHE_BAD_FILE or _BAD_JOURNAL, but the cache is closed: nothing is
   * lost, and the next opening replays them.
   * @throws ERR_DCACHE_GUARDS_HELD while any thread holds guards, ERR_DCACHE_FENCED; as the text says
   */
  close(options?: CloseOptions): Promise<void>
  /**
   * Closes without flushing; allowed also while partitions are fenced. Returns the blocks whose changes may not be on the
   * disk. A journal keeps its records, as after a crash.
   */
  abandon(): Promise<LostBlock[]>
}

/**
 * The cache as an attached thread, or the owner, sees it. Each thread attaches for itself: a client, its partitions and its
 * guards belong to the thread that attached.
 */
export interface CacheClient extends Disposable {
  /** @throws ERR_DCACHE_UNKNOWN_PARTITION */
  partition(name: string): Partition
  /**
   * Releases several changed blocks at one moment. No thread that holds all of them sees some changed and others not, and if
   * the thread ends during the call, all changes happen or none. A flush that is called afterwards makes all of them durable;
   * until then a crash may leave some of the blocks on the disk without the others, unless the group has a journal. Never
   * waits, on any thread; one guard alone is released as by `release`.
   * @param guards of one group, each marked by `markDirty`, with a class of its own
   * @throws ERR_DCACHE_COMMIT, _GUARD_MODE, _GUARD_RELEASED, _BAD_OPTION. Then no guard is released
   */
  commit(...guards: BlockGuard[]): void
  /**
   * Acquires blocks of one group to modify them, calls `fn` with their guards in the order of `blocks`, and commits those that
   * it has marked, as `commit` does; the others are released. If `fn` throws or rejects, all are discarded, and its error is
   * passed on. Two updates never wait for each other in a cycle, because each takes its blocks in one order. `fn` may release
   * or discard guards itself; they are left out then.
   * @param blocks pairs of a partition, or its name, and a block, each block once
   * @param options `timeoutMs` is for all blocks together, and does not count the time of `fn`; `signal` ends only the wait
   *   for them
   * @throws what `acquire` throws, then nothing is held; ERR_DCACHE_COMMIT for blocks of several groups, ERR_DCACHE_BAD_OPTION
   */
  update<const B extends readonly BlockName[], T>(
    blocks: B,
    fn: (guards: GuardsOf<B>) => T | Promise<T>,
    options?: WaitOptions,
  ): Promise<T>
  /** As `update`. A `fn` that returns a promise is an error, and its changes are discarded. */
  updateSync<const B extends readonly BlockName[], T>(
    blocks: B,
    fn: (guards: GuardsOf<B>) => T,
    options?: WaitOptions,
  ): T
  /**
   * Waits until every change in the scope that was released before the call is durable. The wait has no deadline, but ends
   * when the group has written no block for 30 s.
   * @throws ERR_DCACHE_FENCED, naming partition, class and cause, if a write failed; the changes stay dirty in memory.
   *   ERR_DCACHE_TIMEOUT if nothing was written for 30 s; ERR_DCACHE_UNKNOWN_PARTITION, _OUT_OF_RANGE, _BAD_OPTION for a bad
   *   scope
   */
  flush(scope?: FlushScope): Promise<void>
  /**
   * As `flush`. If few blocks are unwritten, the calling thread writes and fsyncs them itself, which no other thread can
   * interrupt.
   */
  flushSync(scope?: FlushScope): void
  /** Starts a round in every group, and does not wait for it. */
  kick(): void
  /**
   * Checks the invariants of the shared structures. Returns a line for each violation, [] if there is none. May run
   * concurrently with other threads. Takes time linear in the number of blocks, on the calling thread.
   */
  check(): string[]
  /** As `check`, in slices of about 2 ms, between which the event loop runs and no lock is held. What changes then is no violation. */
  checkInSteps(options?: AbortOptions): Promise<string[]>
  /** Every pin, latch and wait of all threads, with the cycle if threads wait for each other. Time and thread as for `check`. */
  holders(): Holder[]
  /** As `holders`, in slices of about 2 ms. What begins or ends in between may be missing. */
  holdersInSteps(options?: AbortOptions): Promise<Holder[]>
  /** The threads that use the cache, those of the engine included, by slot. Does not wait. */
  threads(): ThreadInfo[]
  stats(): CacheStats
  /**
   * What the frames of the pool hold, in order. Looks at no more than 131,072 frames.
   * @param options `cells`: the number of runs of frames, 16 to 4096; default 1024
   * @throws ERR_DCACHE_BAD_OPTION
   */
  poolMap(options?: { readonly cells?: number }): PoolMap
  /** The newest records of the flight recorder, by when they began; [] if it is off. */
  trace(options?: TraceOptions): TraceRecord[]
  /**
   * Releases this thread's slot. A second call does nothing. The owner cannot detach; it calls `close`.
   * @throws ERR_DCACHE_GUARDS_HELD while this thread holds guards or has an asynchronous call under way,
   *   ERR_DCACHE_BAD_OPTION on the owner's thread
   */
  detach(): void
}

/** A block, by its partition, or the name of that, and its number. */
export type BlockName = readonly [partition: Partition | string, block: number]

/** A guard for each of several blocks. */
export type GuardsOf<B extends readonly BlockName[]> = { readonly [I in keyof B]: BlockGuard }

/** One partition, as one attached thread sees it. */
export interface Partition {
  readonly name: string
  /** Bytes per block. */
  readonly blockSize: number
  /** Number of blocks at this moment. They are numbered from 0. */
  readonly blocks: number
  readonly readOnly: boolean
  /**
   * Acquires a block and returns its guard. `read` shares the block with other readers; `modify` and `overwrite` exclude all
   * other guards. With `read` and `modify` an absent block is read from the disk first; with `overwrite` it is not, and shows
   * zeros. Waits for other holders, for a frame, and, to change a block, for a spare and the dirty limit.
   * @param block 0 .. `blocks` - 1
   * @throws ERR_DCACHE_OUT_OF_RANGE, ERR_DCACHE_BAD_OPTION, ERR_DCACHE_READ_ONLY for the arguments;
   *   ERR_DCACHE_TIMEOUT if the block is not released in time;
   *   ERR_DCACHE_EXHAUSTED if no frame can be evicted in time;
   *   ERR_DCACHE_GUARDS if this thread holds 256 guards;
   *   ERR_DCACHE_READ_FAILED if the system cannot read the block;
   *   ERR_DCACHE_FENCED if a round fails while the call waits for a spare or the dirty limit
   */
  acquire(block: number, mode: Mode, options?: AcquireOptions): Promise<BlockGuard>
  acquireSync(block: number, mode: Mode, options?: AcquireOptions): BlockGuard
  /**
   * Acquires a block that is cached and free at this moment. Returns undefined if the call would have to wait or to read
   * from the disk. Never blocks, on any thread.
   * @throws as `acquire` for its arguments, ERR_DCACHE_GUARDS
   */
  tryAcquire(block: number, mode: Mode): BlockGuard | undefined
  /**
   * Copies bytes of the partition into `target`. Blocks are read in ascending order, each of them atomically; the range as
   * a whole is not atomic. When the call fails, `target` may hold the first blocks.
   * @param target its length is the number of bytes to read
   * @param position byte offset in the partition; the range must end inside it
   * @throws ERR_DCACHE_OUT_OF_RANGE before anything is read; else as `acquire`
   */
  read(target: Uint8Array, position: number, wait?: WaitOptions): Promise<void>
  readSync(target: Uint8Array, position: number, wait?: WaitOptions): void
  /**
   * Writes `source` to the partition, in memory: the change is durable after a `flush`. Blocks are changed in ascending
   * order, each of them atomically. When the call fails, the first blocks may be changed.
   * @param position byte offset in the partition; the range must end inside it
   * @param writeClass a name in `writeOrder`; default: the first
   * @throws ERR_DCACHE_OUT_OF_RANGE, _READ_ONLY, _UNKNOWN_CLASS before anything is changed; else as `acquire`
   */
  write(source: Uint8Array, position: number, writeClass?: string, wait?: WaitOptions): Promise<void>
  writeSync(source: Uint8Array, position: number, writeClass?: string, wait?: WaitOptions): void
  /**
   * Hints that these blocks will be read soon. The reader thread fills those that are absent, up to a quarter of the cache;
   * the call returns at once. Blocks that cannot be read, or find no free frame, are dropped without an error.
   * @throws ERR_DCACHE_OUT_OF_RANGE
   */
  prefetch(block: number, count: number): void
  /**
   * Sets the number of blocks, 1 or more. New blocks are zeros, and are visible once the file durably has its new size; they
   * take no space until they are written. Blocks beyond a smaller size are forgotten, with their changes. Any thread; the
   * owner's event loop does it. If it fails, the size is as before, but what lies beyond a smaller size may be lost. The size
   * that another program has given to the file is allowed also for a read-only partition.
   * @throws ERR_DCACHE_OUT_OF_RANGE, _READ_ONLY; ERR_DCACHE_UNSUPPORTED for a device, or if more of the file lies behind the
   *   partition; ERR_DCACHE_GUARDS_HELD if a block beyond the new size is in use after `timeoutMs`; ERR_DCACHE_BAD_FILE if the
   *   system refuses the size, as on a full disk, or another program has truncated the file. A smaller size in a group with a
   *   journal erases its records, as a drop does: ERR_DCACHE_FENCED, ERR_DCACHE_TIMEOUT
   */
  resize(blocks: number, wait?: WaitOptions): Promise<void>
  /** Adds `count` blocks, 1 or more; returns the first. Calls of several threads never get the same one. Throws as `resize`. */
  extend(count: number, wait?: WaitOptions): Promise<number>
  /**
   * Drops these blocks from the cache, dirty or not, because their contents no longer matter. Afterwards they hold what is
   * on the disk, possibly stale. A block that is held or being written is left as it is.
   * @throws ERR_DCACHE_OUT_OF_RANGE, ERR_DCACHE_READ_ONLY
   */
  forget(block: number, count: number): void
}

/**
 * A block that this thread holds, pinned or latched, until `release` or `discard`. Only the thread that acquired it may use
 * it. Calls after the release, except `using`, throw ERR_DCACHE_GUARD_RELEASED.
 */
export interface BlockGuard extends Disposable {
  readonly partition: Partition
  readonly block: number
  /**
   * The block itself in shared memory, `blockSize` bytes. Do not keep a view after the release: the frame is reused for
   * other blocks, and the view would read or overwrite those.
   */
  readonly data: Uint8Array
  /** The same memory without a view of its own: the block is `bytes[offset]` to `bytes[offset + blockSize - 1]`. */
  readonly bytes: Uint8Array
  readonly offset: number
  /**
   * Declares that the block is changed, in this write class. May be called at any time before the release; the last call
   * counts.
   * @param writeClass a name in `writeOrder`; default: the first
   * @throws ERR_DCACHE_GUARD_MODE on a read guard, ERR_DCACHE_UNKNOWN_CLASS
   */
  markDirty(writeClass?: string): void
  /** Restores the block to what it was when it was acquired, and releases it. For changes that fail halfway. */
  discard(): void
  /**
   * Releases the block. After `markDirty`, other threads see the change from here on, and the next round writes it. Without
   * `markDirty` the caller promises that it changed nothing.
   * @throws ERR_DCACHE_GUARD_RELEASED if it was released before
   */
  release(): void
}
