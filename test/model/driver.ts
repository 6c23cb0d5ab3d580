// What the interpreter of commands needs of an engine. A Sync engine answers at once, the real one with promises.

import type { AcquireOptions, BlockGuard, FlushScope, Mode, Partition } from 'dcache'
import type { History, HistoryPartition } from './history.js'

/** For an engine in one thread, whose devices the test can see and disturb. */
export interface InlineControls {
  /** Another thread's client, for what happens in the middle of a write. */
  acquireElsewhere(partition: number, block: number, mode: Mode, options: AcquireOptions): BlockGuard
  forgetElsewhere(partition: number, block: number, count: number): void
  stepFlusher(): void
  stepWriter(partition: number): void
  stepReader(): void
  /** Lets the flusher and the writers finish what they are at. */
  settle(): void
  retry(partition: number): void
  /** The device fails at its next call of this kind. */
  arm(partition: number, call: 'read' | 'write' | 'sync'): void
  disarm(): void
  /** Some failure is still to come. */
  readonly isArmed: boolean
  /** How many calls have failed. */
  readonly failures: number
  /** What a device saw that it must not see: thrown there, it would be taken for a failure of the device. */
  readonly breach: unknown
  /** Runs once, in the middle of the next write. */
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
  /** What the device has of a block, for certain: good after a flush. */
  durable(partition: number, block: number): Uint8Array
  /** Closes after a flush, and opens the same devices again. */
  reopen(): void | Promise<void>
  check(): string[]
  checkQuiet(): string[]
}
