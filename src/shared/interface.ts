/**
 * The contract that programs are written against: every public type, with its units, its errors, and who may call
 * what from which thread. index.ts exports these; nothing here runs.
 *
 * The plain name of a call is asynchronous and never blocks an event loop; the name with `Sync` may block its thread
 * and is for worker threads. Both mean exactly the same.
 */
import type { Worker } from 'node:worker_threads'

export type Mode = 'read' | 'modify' | 'overwrite'

export interface CacheOptions {
  /** Bytes of block frames, or a string such as '64MiB'. One frame in 16 is a spare (docs/tuning.md). */
  memory: number | string
  /** By name; at most 64. Names appear in errors and in `client.partition(name)`. */
  partitions: Record<string, PartitionOptions>
  /** Write classes, the first written first; at most 7. Default ['data', 'directory', 'trailer']. */
  writeOrder?: readonly string[]
  /** Victim choice. Default '2q'. */
  policy?: 'lru2' | '2q'
  /** Slots for attached threads, the owner's not counted. Default 64. */
  threads?: number
  /** A changed block is on its way to the disk after this long, if nothing flushes it earlier. Default 5000. */
  flushDelayMs?: number
  /**
   * Share of the blocks that may be dirty, 0 < share <= 1. Default 2/3. At it a round starts, and changing a clean block
   * waits. Divided evenly where there are several groups.
   */
  dirtyLimit?: number
  /**
   * Share of the blocks, 0 < share <= 1: at so many dirty ones they begin to be written in the background, the faster the
   * nearer they are to `dirtyLimit`. Default half of `dirtyLimit`; from `dirtyLimit` on there is no such beginning.
   */
  dirtyBackground?: number
  /**
   * Bytes a second that are written in the background, all partitions together: what `dirtyBackground` and `flushDelayMs`
   * begin. What somebody asks for or waits for is not held back. Default: no limit.
   */
  writeBytesPerSecond?: number | string
  /** Neighbouring blocks are written in one call of at most so many bytes and 256 blocks; 512 .. 16 MiB. Default '1MiB'. */
  writeBytes?: number | string
  /** Keeps the last so many trace records in the shared buffer; a power of two. Default 0: tracing is off and free. */
  traceEntries?: number
  /**
   * The most that is read ahead of a thread that reads a partition in sequence, a number of bytes or '1MiB', at most a 40th
   * of the cache; 0 is off. Default 1 MiB.
   */
  readAheadBytes?: number | string
}

export interface PartitionOptions {
  /** A file or a block device. */
  path: string
  /** Bytes; a power of two, 512 .. 65536. */
  blockSize: number
  /** Create the file, or extend it, to this many bytes; without it the partition is what the file holds. */
  size?: number | string
  /** Where in the file the partition begins; a multiple of blockSize. Default 0. */
  offset?: number | string
  readOnly?: boolean
  /**
   * Reads and writes go past the system's page cache (O_DIRECT). Refused with ERR_DCACHE_UNSUPPORTED where the file system
   * or the block size can't, and where the cache has more than 4 GiB. Default false.
   */
  direct?: boolean
  /** The order promise and its failures reach as far as the group. Default: one group for all. */
  group?: string
}

/** What another thread needs to attach: structured-cloneable, for workerData, postMessage and piscina. */
export interface CacheHandle {
  readonly dcache: number
  readonly id: string
  readonly buffer: SharedArrayBuffer
  readonly partitions: readonly HandlePartition[]
  readonly writeOrder: readonly string[]
  readonly policy: 'lru2' | '2q'
  readonly readAheadBytes: number
}

export interface HandlePartition {
  readonly name: string
  readonly path: string
  /** The owner's descriptor; every thread uses it, nobody else closes it. */
  readonly fd: number
  /** Bytes from the start of the file. */
  readonly offset: number
  /** The descriptor wants aligned memory. */
  readonly direct: boolean
}

/** What the thread that opened the cache has. Its calls are for that thread only. */
export interface BlockCache extends CacheClient, AsyncDisposable {
  readonly handle: CacheHandle
  /**
   * When that worker ends, what it held is recovered and its slot is free. For workers that this thread created before it
   * imported dcache; later ones are adopted automatically.
   */
  adopt(worker: Worker): void
  on<E extends keyof CacheEvents>(event: E, listener: (info: CacheEvents[E]) => void): this
  off<E extends keyof CacheEvents>(event: E, listener: (info: CacheEvents[E]) => void): this
  /** After a failure: write again what is not durable, and lift the fence. @throws ERR_DCACHE_FENCED if it fails again */
  retry(partition: string): Promise<void>
  /** Forgets clean blocks that nobody holds; says how many. */
  evictClean(): number
  /**
   * Flushes, stops the workers, closes the files. On failure the cache stays open.
   * @throws ERR_DCACHE_GUARDS_HELD, ERR_DCACHE_FENCED
   */
  close(): Promise<void>
  /** Stops without flushing, also when a partition is fenced; says what was lost. */
  abandon(): Promise<LostBlock[]>
}

export interface CacheEvents {
  /** A write or an fsync failed: this partition is not written until `retry`. */
  fenced: { partition: string; writeClass: string; error: Error }
  /** What was fenced is durable again. */
  restored: { partition: string }
  /** A worker that had attached ended without detaching. */
  workerDied: { threadId: number; slot: number }
}

/** What every attached thread has, the owner included. Not to be shared between threads: attach in each. */
export interface CacheClient extends Disposable {
  /** @throws ERR_DCACHE_UNKNOWN_PARTITION */
  partition(name: string): Partition
  /**
   * Resolves only when all that was released before the call, in the scope, is durable.
   * @throws ERR_DCACHE_FENCED, naming partition, class and cause; the data is still dirty in memory
   */
  flush(scope?: FlushScope): Promise<void>
  flushSync(scope?: FlushScope): void
  /** Starts a round; does not wait for it. */
  kick(): void
  /** Every broken invariant by name; [] when the cache is sound. May run beside load. */
  check(): string[]
  /** Who holds and who waits for what, since when. */
  holders(): Holder[]
  stats(): CacheStats
  /** The newest trace records, oldest first; [] when tracing is off. */
  trace(): TraceRecord[]
  /**
   * Gives this thread's slot back; the owner closes instead.
   * @throws ERR_DCACHE_GUARDS_HELD, also while an asynchronous call of this thread is under way; ERR_DCACHE_BAD_OPTION
   */
  detach(): void
}

export interface Partition {
  readonly name: string
  /** Bytes. */
  readonly blockSize: number
  /** How many blocks; the last one is `blocks - 1`. */
  readonly blocks: number
  readonly readOnly: boolean
  /**
   * Pins and latches a block, loading it if it is not cached: `read` beside other readers, `modify` alone, `overwrite`
   * alone and without loading (an absent block shows zeros, a cached one its contents).
   * @throws ERR_DCACHE_OUT_OF_RANGE, _READ_ONLY, _TIMEOUT, _EXHAUSTED, _READ_FAILED, _FENCED, _GUARDS, _DEADLOCK, _CLOSED
   */
  acquire(block: number, mode: Mode, options?: AcquireOptions): Promise<BlockGuard>
  acquireSync(block: number, mode: Mode, options?: AcquireOptions): BlockGuard
  /** The block if it is cached and free at this moment, else undefined: no wait, no I/O, from any thread. */
  tryAcquire(block: number, mode: Mode): BlockGuard | undefined
  /** Fills `target` from the byte `position` on; each block is read at one moment, in ascending order. */
  read(target: Uint8Array, position: number, wait?: WaitOptions): Promise<void>
  readSync(target: Uint8Array, position: number, wait?: WaitOptions): void
  /** Writes `source` at the byte `position`, atomic for each block, in ascending order. */
  write(source: Uint8Array, position: number, writeClass?: string, wait?: WaitOptions): Promise<void>
  writeSync(source: Uint8Array, position: number, writeClass?: string, wait?: WaitOptions): void
  /**
   * A hint that these blocks will be read soon: returns at once, and a thread of the cache loads those that are absent, a
   * quarter of the cache at most. What meets a failure, or finds no frame, is left.
   * @throws ERR_DCACHE_OUT_OF_RANGE, _CLOSED
   */
  prefetch(block: number, count: number): void
  /**
   * These blocks no longer matter: drops them, dirty or not. Their contents are then what the disk has, of any age. A
   * block that somebody holds at this moment, or that is being written, is left as it is.
   */
  forget(block: number, count: number): void
}

/** Default: everything. More than asked for may be made durable. */
export interface FlushScope {
  partition?: string
  block?: number
  count?: number
}

export interface WaitOptions {
  /** Default 30 000. */
  timeoutMs?: number
  /** For asynchronous calls. */
  signal?: AbortSignal
}

export interface AcquireOptions extends WaitOptions {
  /** With `modify`: only these bytes will change, and a smaller image is kept; other bytes changed are the caller's fault. */
  start?: number
  length?: number
}

/** A pinned and latched block. Good for one release, on the thread that acquired it. */
export interface BlockGuard extends Disposable {
  readonly partition: Partition
  readonly block: number
  /** The block in place, `blockSize` bytes; valid until release, which a kept view does not notice. */
  readonly data: Uint8Array
  /** The same without a view of its own: the block is `bytes[offset .. offset + blockSize - 1]`. */
  readonly bytes: Uint8Array
  readonly offset: number
  /**
   * Notes that the block was changed, and the class of the change (default the first); any time before release.
   * @throws ERR_DCACHE_GUARD_MODE on a read guard, ERR_DCACHE_UNKNOWN_CLASS
   */
  markDirty(writeClass?: string): void
  /** Gives the block back as it was when it was acquired: for a change that failed half-way. */
  discard(): void
  /** Without markDirty, a `modify` promises that nothing was changed. @throws ERR_DCACHE_GUARD_RELEASED the second time */
  release(): void
}

/** One pin, latch or wait. */
export interface Holder {
  readonly slot: number
  readonly threadId: number
  /** Of `attachCache(handle, { name })`; '' without. Threads of the engine have names of their own. */
  readonly name: string
  readonly alive: boolean
  readonly what: 'holds' | 'waits'
  /** read, modify: a block; the others: what a thread waits for beside blocks. */
  readonly mode: 'read' | 'modify' | 'frame' | 'dirty' | 'spare' | 'flush' | 'mutex'
  readonly partition: string | undefined
  readonly block: number | undefined
  /** Undefined for a read guard: the hit path does not read the clock. */
  readonly sinceMs: number | undefined
  /** Of a wait: the slots that have what it is for; [] where that is neither a block nor a lock. */
  readonly heldBy: readonly number[]
  /**
   * Of a wait: the slots that wait for each other in a cycle, of which this is part, or behind which it stands; [] for
   * none. A thread that awaits in several tasks has a line for each.
   */
  readonly cycle: readonly number[]
}

export interface LostBlock {
  readonly partition: string
  readonly block: number
  readonly writeClass: string
}

export interface TraceRecord {
  readonly point: string
  readonly slot: number
  readonly partition: number
  readonly block: number
  readonly value: number
  /** Milliseconds on a clock that all threads share; compare differences only. */
  readonly atMs: number
}

/** Sums over all threads since openCache, and the state of this moment. Counters are never reset. */
export interface CacheStats {
  /** Blocks asked for; hits + misses. */
  readonly lookups: number
  readonly hits: number
  readonly misses: number
  /** Acquires with read or modify. */
  readonly reads: number
  /** Acquires with modify or overwrite. */
  readonly writes: number
  /** Blocks that the cache can hold. */
  readonly size: number
  /** Blocks that are dirty now. */
  readonly dirty: number
  /** Calls of flush. */
  readonly flushes: number
  /** Waits for a frame, all being held or dirty. */
  readonly stalls: number
  /** Milliseconds that misses took. */
  readonly lookupTimeMs: number
  /** Waits for a block that somebody else held. */
  readonly blockStalls: number
  readonly diskReads: number
  readonly diskReadBytes: number
  readonly diskWrites: number
  readonly diskWriteBytes: number
  /** Rounds of write-back, failed ones included. */
  readonly rounds: number
  readonly failedRounds: number
  readonly evictions: number
  /**
   * Blocks that the reader loaded ahead, for `prefetch` or read-ahead; those that it was asked for and left; those that were
   * evicted before anybody used them (policy `2q`).
   */
  readonly prefetch: { readonly loaded: number; readonly dropped: number; readonly unused: number }
  /** Frames by state, counted at this moment, beside load. */
  readonly blocks: {
    readonly free: number
    readonly clean: number
    readonly dirty: number
    readonly absent: number
    readonly held: number
  }
  readonly spares: { readonly free: number; readonly total: number }
  /** How often threads waited, and for how long altogether. */
  readonly waits: {
    readonly frame: number
    readonly latch: number
    readonly dirtyLimit: number
    readonly spare: number
    readonly mutex: number
    readonly timeMs: number
  }
  /** Waits of writers: for a block that somebody is in (the round's writer among them), a spare, or the dirty limit. */
  readonly writerStalls: {
    readonly count: number
    readonly p50Ms: number
    readonly p99Ms: number
    readonly maxMs: number
  }
  readonly threads: number
}
