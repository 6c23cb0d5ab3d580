/**
 * One thread of a variant, which runs its task in batches until the time is over. Each lane is a separate worker with
 * its own compiled code: variants in one thread would share V8's type feedback, and the figures would be wrong.
 */
import * as Comlink from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import type { LaneResult, LaneStart, Latency, Prepare, Task } from './task.js'

const ARRIVED = 0
const STARTS = 1

/** Number of batches of a slice whose times are kept. */
const TIMES_MAX = 2 ** 16
/** A batch that took this many times the median shared its core. A minor collection takes far less. */
const OUTLIER = 4

class Lane {
  readonly #start: LaneStart
  #task: Task | undefined
  #done = 0
  readonly #times = new Float64Array(TIMES_MAX)
  readonly #histograms = new Map<number, RecordableHistogram>()

  constructor(start: LaneStart) {
    this.#start = start
  }

  async prepare(): Promise<void> {
    const { module, data, info } = this.#start
    const { prepare } = (await import(module)) as { prepare: Prepare<unknown> }
    this.#task = await prepare(data, info)
  }

  /** Runs for `ms` milliseconds, concurrently with `active - 1` other lanes. @throws if the data read is wrong */
  async run(active: number, ms: number): Promise<LaneResult> {
    const task = this.#task!
    const { batch } = task
    let [sum, batches, spentMs] = [0, 0, 0]
    task.begin?.()
    this.#meet(active)
    do {
      const beforeMs = performance.now()
      const part = task.run(batch)
      sum = (sum + (typeof part === 'number' ? part : await part)) | 0
      const tookMs = performance.now() - beforeMs
      this.#times[batches++ & (TIMES_MAX - 1)] = tookMs
      spentMs += tookMs
      task.between?.()
    } while (spentMs < ms)
    task.end?.()
    const times = this.#times.subarray(0, Math.min(batches, TIMES_MAX)).sort()
    const ns = (meanWithoutOutliers(times) * 1e6) / batch
    return this.#checked({ operations: batches * batch, batches, sum, ms: spentMs, ns })
  }

  /** The same, but times each operation for `latency`, over all calls with this number of lanes. */
  async time(active: number, ms: number): Promise<LaneResult> {
    const task = this.#task!
    const histogram = this.#histogram(active)
    let [sum, operations] = [0, 0]
    task.begin?.()
    this.#meet(active)
    const startMs = performance.now()
    let nowMs: number
    do {
      const beforeMs = performance.now()
      const part = task.run(1)
      sum = (sum + (typeof part === 'number' ? part : await part)) | 0
      nowMs = performance.now()
      histogram.record(Math.max(1, Math.round((nowMs - beforeMs) * 1e6)))
      operations++
    } while (nowMs - startMs < ms)
    task.end?.()
    const spentMs = nowMs - startMs
    return this.#checked({
      operations,
      batches: operations,
      sum,
      ms: spentMs,
      ns: (spentMs * 1e6) / operations,
    })
  }

  latency(active: number): Latency {
    const histogram = this.#histogram(active)
    const percentile = (share: number) => histogram.percentile(share)
    const { count, max } = histogram
    return { count, p50: percentile(50), p99: percentile(99), p999: percentile(99.9), most: max }
  }

  #histogram(active: number): RecordableHistogram {
    const histogram = this.#histograms.get(active) ?? createHistogram()
    this.#histograms.set(active, histogram)
    return histogram
  }

  #checked(result: LaneResult): LaneResult {
    const { operations, sum } = result
    const expected = this.#task!.expected?.(this.#done, operations)
    this.#done += operations
    if (expected === undefined || sum === (expected | 0)) return result
    const { module, info } = this.#start
    throw new Error(
      `${module}, lane ${info.lane}: ${operations} operations gave the sum ${sum} instead of ${expected}: the data read is wrong`,
    )
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
