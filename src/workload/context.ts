/**
 * Shared by the reads and writes of a load thread: the block to access, and the services of the thread.
 */
import type { RecordableHistogram } from 'node:perf_hooks'
import type { Partition } from '../shared/interface.js'
import type { LoadCounter } from './board.js'
import type { Random } from './random.js'
import type { Truth } from './truth.js'

/** A block to access, and the index of its partition in the truth. */
export interface Target {
  readonly partition: Partition
  readonly index: number
  readonly block: number
}

/** The services of the thread for both kinds of access. */
export interface LoadContext {
  readonly thread: number
  readonly truth: Truth
  readonly random: Random
  /** Whether an access may extend into the next block. False for a trace, which determines all accesses. */
  readonly mayCross: boolean
  count(counter: LoadCounter, by?: number): void
  /** Blocks the thread for this time, or until the stop. */
  doze(milliseconds: number): void
  wrong(target: Target, bytes: Uint8Array, how: string): void
}

/** Records a time in milliseconds as nanoseconds. */
export function record(times: RecordableHistogram, milliseconds: number): void {
  times.record(Math.max(1, Math.round(milliseconds * 1e6)))
}
