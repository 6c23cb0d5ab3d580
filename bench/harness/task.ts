/**
 * What a variant gives a lane to do, and what the lane makes of it.
 */
import type { MessagePort } from 'node:worker_threads'

/** What a lane does. A module of a variant exports `prepare`, which makes one. */
export interface Task {
  /** Operations a batch: the clock is read before and after each. */
  readonly batch: number
  /** Does so many operations; a sum over what it read, cut to 32 bits. */
  run(count: number): number | Promise<number>
  /** The sum that operations `from .. from + count - 1` have to give, cut to 32 bits; without it the suite checks. */
  expected?(from: number, count: number): number
  /** Called before every slice, when no lane of the variant runs. */
  begin?(): void
  /** Called after every slice, when others may still run theirs. */
  end?(): void
  /** Called after every batch; its time is not counted. */
  between?(): void
}

export interface LaneInfo {
  readonly lane: number
  readonly lanes: number
  readonly port: MessagePort | undefined
}

export type Prepare<D> = (data: D, info: LaneInfo) => Task | Promise<Task>

export interface LaneStart {
  readonly module: string
  readonly data: unknown
  readonly info: LaneInfo
  /** Word 0 counts arrivals, word 1 counts starts: all lanes begin at one moment. */
  readonly gate: Int32Array<SharedArrayBuffer>
}

export interface LaneResult {
  readonly operations: number
  readonly batches: number
  readonly ms: number
  /** An operation, without the batches during which the system ran something else. */
  readonly ns: number
  /** Of what the operations returned, cut to 32 bits. */
  readonly sum: number
}

/** Single operations in nanoseconds, the clock's own time included: about 40 ns. */
export interface Latency {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly most: number
}
