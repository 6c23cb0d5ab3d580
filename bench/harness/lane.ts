/**
 * One thread of a variant: does its task in batches until the time is over. Each lane is a worker of its own, and so
 * has code of its own: variants that share a thread share V8's type feedback, and are measured wrongly.
 */
import * as Comlink from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'

/** What a lane does. A module of a variant exports `prepare`, which makes one. */
export interface Task {
  /** Operations a batch: the clock is read after each. */
  readonly batch: number
  /** Does so many operations; a sum over what it read, cut to 32 bits. */
  run(count: number): number | Promise<number>
  /** The sum that operations `from .. from + count - 1` have to give, cut to 32 bits. */
  expected(from: number, count: number): number
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
}

const ARRIVED = 0
const STARTS = 1

/** Batches of a slice of which the times are kept. */
const TIMES_MAX = 2 ** 16
/** A batch that took so many times the median was not alone on its core. A minor collection is far below that. */
const OUTLIER = 4

class Lane {
  readonly #start: LaneStart
  #task: Task | undefined
  #done = 0
  readonly #times = new Float64Array(TIMES_MAX)

  constructor(start: LaneStart) {
    this.#start = start
  }

  async prepare(): Promise<void> {
    const { module, data, info } = this.#start
    const { prepare } = (await import(module)) as { prepare: Prepare<unknown> }
    this.#task = await prepare(data, info)
  }

  /** Works for so long, beside `active - 1` others. @throws when what was read is wrong */
  async run(active: number, ms: number): Promise<LaneResult> {
    const task = this.#task!
    const { batch } = task
    let sum = 0
    let operations = 0
    this.#meet(active)
    let batches = 0
    const start = performance.now()
    let now = start
    do {
      const before = now
      const part = task.run(batch)
      sum = (sum + (typeof part === 'number' ? part : await part)) | 0
      operations += batch
      now = performance.now()
      this.#times[batches++ & (TIMES_MAX - 1)] = now - before
    } while (now - start < ms)
    const expected = task.expected(this.#done, operations) | 0
    if (sum !== expected) {
      const { module, info } = this.#start
      throw new Error(
        `${module}, lane ${info.lane}: ${operations} operations gave ${sum} and not ${expected}: what was read is wrong`,
      )
    }
    this.#done += operations
    const times = this.#times.subarray(0, Math.min(batches, TIMES_MAX)).sort()
    return { operations, batches, ms: now - start, ns: (meanWithoutOutliers(times) * 1e6) / batch }
  }

  #meet(active: number): void {
    const { gate } = this.#start
    const starts = Atomics.load(gate, STARTS)
    if (Atomics.add(gate, ARRIVED, 1) === active - 1) {
      Atomics.store(gate, ARRIVED, 0)
      Atomics.add(gate, STARTS, 1)
      Atomics.notify(gate, STARTS)
    } else {
      while (Atomics.load(gate, STARTS) === starts) Atomics.wait(gate, STARTS, starts)
    }
  }
}

function meanWithoutOutliers(sorted: Float64Array): number {
  const most = OUTLIER * sorted[sorted.length >>> 1]!
  let end = sorted.length
  while (sorted[end - 1]! > most) end--
  return sorted.subarray(0, end).reduce((sum, time) => sum + time, 0) / end
}

export type { Lane }

Comlink.expose(new Lane(workerData as LaneStart), nodeEndpoint(parentPort!))
