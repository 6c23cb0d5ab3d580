// What the interpreter of commands needs of an engine. An engine in one thread answers at once, the real one with promises.

import type { AcquireOptions, BlockGuard, FlushScope, Mode, Partition } from 'dcache'
import type { History, HistoryPartition } from './history.js'

/** The extras of an engine in one thread, whose devices the test can inspect and make fail. */
export interface InlineControls {
  /** A second client, for accesses in the middle of a write. */
  acquireElsewhere(partition: number, block: number, mode: Mode, options: AcquireOptions): BlockGuard
  forgetElsewhere(partition: number, block: number, count: number): void
  stepFlusher(): void
  stepWriter(partition: number): void
  stepReader(): void
  /** Lets the flusher and the writers finish their work. */
  settle(): void
  retry(partition: number): void
  /** Makes the device fail at its next call of this kind. */
  arm(partition: number, call: 'read' | 'write' | 'sync'): void
  disarm(): void
  /** Whether a requested failure has not happened yet. */
  readonly isArmed: boolean
  /** How many calls have failed. */
  readonly failures: number
  /** An error that a device found in the engine's calls; kept, because the engine would take a throw for a failed device. */
  readonly breach: unknown
  /** Runs a function once, in the middle of the next write. */
  duringWrite: (() => void) | undefined
}

export interface Driver {
  readonly history: History
  readonly partitions: readonly HistoryPartition[]
  readonly writeOrder: readonly string[]
  readonly inline: InlineControls | undefined
  partition(partition: number): Partition
  acquire(
    partition: number,
    block: number,
    mode: Mode,
    options: AcquireOptions,
  ): BlockGuard | Promise<BlockGuard>
  readBytes(partition: number, target: Uint8Array, position: number): void | Promise<void>
  writeBytes(
    partition: number,
    source: Uint8Array,
    position: number,
    writeClass: string,
  ): void | Promise<void>
  flush(scope: FlushScope): void | Promise<void>
  kick(): void
  evictClean(): void
  /** The durable contents of a block on the device; exact after a flush. */
  durable(partition: number, block: number): Uint8Array
  /** Closes the engine after a flush and opens the same devices again. */
  reopen(): void | Promise<void>
  check(): string[]
  checkQuiet(): string[]
}
