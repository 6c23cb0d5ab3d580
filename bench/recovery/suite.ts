/**
 * `recovery`: measures the time from the death of a worker until a waiting thread has the block that the worker held.
 */
import type { BlockCache } from 'dcache'
import { once } from 'node:events'
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { closeSound, openFull } from '../harness/cache.js'
import { makeFolder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import type { Suite } from '../harness/suite.js'
import { byteOf, writeBlocks } from '../hit/workload.js'
import { nowMs, type VictimData, type WaiterAnswer, type WaiterData } from './threads.js'

const RECOVERY: readonly Column[] = [
  { key: 'deaths', title: 'deaths', unit: 'count' },
  { key: 'p50', title: 'p50', unit: 'ms' },
  { key: 'p99', title: 'p99', unit: 'ms' },
  { key: 'most', title: 'longest', unit: 'ms' },
]

const MODULE = new URL('threads.js', import.meta.url)
/** Number of blocks that a victim reads, in addition to the block that it changes. */
const READS = 16

export const recovery: Suite = {
  name: 'recovery',
  about: "from a worker's death until a thread that waits for its block has it, by number of blocks",
  seconds: 81,
  async run(settings, say) {
    const startMs = performance.now()
    using folder = makeFolder()
    const deaths = settings.smoke ? 3 : settings.deaths
    const rows: Row[] = []
    for (const blocks of settings.blocks ?? (settings.smoke ? [64] : [1000, 100_000])) {
      say(`recovery: ${blocks} blocks, ${deaths} deaths`)
      const path = folder.path(`blocks-${blocks}`)
      writeBlocks(path, blocks)
      const cache = await openFull({ path, blocks, blockSize: 8192, policy: settings.policy })
      rows.push(...(await killAgainAndAgain(cache, blocks, deaths)))
      await closeSound(cache)
    }
    return {
      name: 'recovery',
      title: 'Deaths',
      about: 'A worker is killed while it changes one block and reads others.',
      sections: [
        {
          name: 'recovery',
          title: 'Until what it held is free',
          about:
            `The victim changes one block and reads ${READS} others. Another thread waits for the changed block. The times ` +
            "end when it has the block. They start at the call of terminate(), or at the worker's 'exit' event, before " +
            'which recovery is not possible.',
          columns: RECOVERY,
          rows,
        },
      ],
      leftOut: [],
      seconds: (performance.now() - startMs) / 1000,
    }
  },
}

async function killAgainAndAgain(cache: BlockCache, blocks: number, deaths: number): Promise<Row[]> {
  const { handle } = cache
  const waiterData: WaiterData = { role: 'waiter', handle }
  const waiter = new Worker(MODULE, { workerData: waiterData })
  const fromCall = createHistogram()
  const fromExit = createHistogram()
  for (let death = 0; death < deaths; death++) {
    const block = Math.floor((death / deaths) * blocks)
    const reads = Array.from({ length: READS }, (_, i) => (block + 1 + i) % blocks)
    const data: VictimData = { role: 'victim', handle, block, reads }
    const victim = new Worker(MODULE, { workerData: data })
    await once(victim, 'message')
    const waits = once(waiter, 'message')
    waiter.postMessage(block)
    await waits
    while (!isWaitedFor(cache, block)) await sleep(1)
    const answer = once(waiter, 'message')
    const exit = once(victim, 'exit').then(nowMs)
    const calledAtMs = nowMs()
    void victim.terminate()
    const [{ gotAtMs, byte }] = (await answer) as [WaiterAnswer]
    if (byte !== byteOf(block, 0))
      throw new Error(
        `block ${block} begins with ${byte} after the death: it shows a change that was never released`,
      )
    record(fromCall, gotAtMs - calledAtMs)
    record(fromExit, gotAtMs - (await exit))
  }
  await waiter.terminate()
  return [
    { parameters: { blocks, from: 'terminate()' }, figures: figuresOf(fromCall) },
    { parameters: { blocks, from: "the worker's 'exit'" }, figures: figuresOf(fromExit) },
  ]
}

const isWaitedFor = (cache: BlockCache, block: number): boolean =>
  cache.holders().some((holder) => holder.what === 'waits' && holder.block === block)

/** In microseconds, because a histogram takes whole numbers. */
function record(histogram: ReturnType<typeof createHistogram>, ms: number): void {
  histogram.record(Math.max(1, Math.round(ms * 1000)))
}

function figuresOf(histogram: ReturnType<typeof createHistogram>): Row['figures'] {
  const { count, max } = histogram
  return {
    deaths: count,
    p50: histogram.percentile(50) / 1000,
    p99: histogram.percentile(99) / 1000,
    most: max / 1000,
  }
}
