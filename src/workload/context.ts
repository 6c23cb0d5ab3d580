/**
 * What the accesses of a load thread share: the block to access, and what they may ask of their thread.
 */
import type { RecordableHistogram } from 'node:perf_hooks'
import type { Partition } from '../shared/interface.js'
import type { LoadCounter } from './board.js'
import type { Random } from './random.js'
import type { Truth } from './truth.js'

/** A block to access, and where its partition is in the truth. */
export interface Target {
  readonly partition: Partition
  readonly index: number
  readonly block: number
}

/** What both kinds of access need. */
export interface LoadContext {
  readonly thread: number
  readonly truth: Truth
  readonly random: Random
  /** Whether an access may reach into the next block: not where a trace says what is accessed. */
  readonly mayCross: boolean
  count(counter: LoadCounter, by?: number): void
  /** Sleeps, at most until the stop. */
  doze(milliseconds: number): void
  wrong(target: Target, bytes: Uint8Array, how: string): void
}

/** Records a time in milliseconds as nanoseconds. */
export function record(times: RecordableHistogram, milliseconds: number): void {
  times.record(Math.max(1, Math.round(milliseconds * 1e6)))
}
