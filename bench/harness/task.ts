/**
 * The task that a variant gives to a lane, and the lane's results.
 */
import type { MessagePort } from 'node:worker_threads'

/** The task of a lane. The module of a variant exports `prepare`, which creates one. */
export interface Task {
  /** Operations in a batch. The clock is read before and after each batch. */
  readonly batch: number
  /** Runs `count` operations. Returns a sum over the data read, truncated to 32 bits. */
  run(count: number): number | Promise<number>
  /** The expected sum of operations `from .. from + count - 1`, truncated to 32 bits. If missing, the suite checks. */
  expected?(from: number, count: number): number
  /** Called before every slice, while no lane of the variant runs. */
  begin?(): void
  /** Called after every slice, while other lanes may still run theirs. */
  end?(): void
  /** Called after every batch. Its time does not count. */
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
  /** Word 0 counts arrivals, word 1 counts starts, so that all lanes start at the same moment. */
  readonly gate: Int32Array<SharedArrayBuffer>
}

export interface LaneResult {
  readonly operations: number
  readonly batches: number
  readonly ms: number
  /** Nanoseconds per operation, without the batches during which the system ran other programs. */
  readonly ns: number
  /** The sum of the operations' results, truncated to 32 bits. */
  readonly sum: number
}

/** Times of single operations in nanoseconds, including the clock (about 40 ns). */
export interface Latency {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly most: number
}
