/**
 * Counts the garbage that hits leave on the heap, in a thread that does nothing else.
 */
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import v8 from 'node:v8'
import vm from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import type { LaneInfo, Task } from '../harness/task.js'
import { type DcacheData, prepare } from './variants/dcache.js'

export interface Garbage {
  readonly hits: number
  /** Growth of the live objects. */
  readonly growthBytes: number
  readonly minorCollections: number
  readonly otherCollections: number
}

/** Runs a full collection, also without --expose-gc. */
function collector(): () => void {
  v8.setFlagsFromString('--expose-gc')
  const collect = vm.runInNewContext('gc') as () => void
  v8.setFlagsFromString('--no-expose-gc')
  return collect
}

async function measure(data: DcacheData, hits: number): Promise<Garbage> {
  const info: LaneInfo = { lane: 0, lanes: 1, port: undefined }
  const task: Task = await prepare(data, info)
  const { batch } = task
  const times = Math.ceil(hits / batch)
  // The compiler leaves objects too, which must not be counted.
  for (let i = 0; i < times; i++) void task.run(batch)
  const collect = collector()
  let [minor, other] = [0, 0]
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as PerformanceEntry & { readonly detail: { kind: number } }).detail
      if (kind === constants.NODE_PERFORMANCE_GC_MINOR) minor++
      else other++
    }
  })
  const settle = () => new Promise((resolve) => setTimeout(resolve, 20))
  collect()
  await settle()
  const before = v8.getHeapStatistics().used_heap_size
  observer.observe({ entryTypes: ['gc'] })
  for (let i = 0; i < times; i++) void task.run(batch)
  await settle()
  observer.disconnect()
  collect()
  const growthBytes = v8.getHeapStatistics().used_heap_size - before
  return { hits: times * batch, growthBytes, minorCollections: minor, otherCollections: other }
}

const { data, hits } = workerData as { data: DcacheData; hits: number }
parentPort!.postMessage(await measure(data, hits))
