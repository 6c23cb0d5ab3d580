/**
 * Continuous changes of twice as many blocks as the cache holds. Compares the waits of writers with the time that the
 * device needs for the blocks written during these waits.
 */
import { summarize } from './stall-figures.js'
import { openCache } from 'dcache'
import { closeSound, memoryFor } from '../harness/cache.js'
import { Crew, nsOf, throughputOf } from '../harness/crew.js'
import type { Folder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { spreadOf } from '../harness/spread.js'
import type { BenchSettings } from '../harness/suite.js'
import { KINDS, startBare, workOf } from './flush.js'
import { FIGURES, type SteadyData } from './variants/steady.js'
import { BLOCK_SIZE, makeFile } from './workload.js'

export const STEADY: readonly Column[] = [
  { key: 'perSecond', title: 'changes, all threads', unit: '/s' },
  { key: 'p50', title: 'p50', unit: 'ms' },
  { key: 'p99', title: 'p99', unit: 'ms' },
  { key: 'p999', title: 'p99.9', unit: 'ms' },
  { key: 'most', title: 'longest', unit: 'ms' },
  { key: 'device', title: 'the device, for the blocks written during those from p99.9 on', unit: 'ms' },
  { key: 'ratio', title: 'they took, to that', unit: 'x' },
]

const LANES = 2
const ROUNDS_MAX = 5
const SLICE_MS = 2000

export async function measureSteady(folder: Folder, settings: BenchSettings, direct: boolean): Promise<Row> {
  const { smoke } = settings
  const pool = smoke ? 128 : 8192
  const path = folder.path('steady')
  makeFile(path, 2 * pool)
  const cache = await openCache({
    memory: memoryFor(pool, BLOCK_SIZE),
    partitions: { file0: { path, blockSize: BLOCK_SIZE, direct } },
    ...(settings.policy === undefined ? {} : { policy: settings.policy }),
  })
  const figures = Array.from(
    { length: LANES },
    () => new Float64Array(new SharedArrayBuffer(8 * FIGURES.length)),
  )
  const work = workOf(folder, 'bare', KINDS['random, 64 MiB of 1 GiB'], direct, smoke)
  const crews: Crew[] = []
  try {
    const data: SteadyData = { handle: cache.handle, blocks: 2 * pool, figures }
    const module = new URL('variants/steady.js', import.meta.url).href
    const steady = await Crew.start({ name: 'steady', module, data, lanes: LANES })
    crews.push(steady)
    const bare = await startBare(work)
    crews.push(bare)
    const sliceMs = smoke ? settings.sliceMs : SLICE_MS
    await bare.run(1, 1)
    await steady.run(LANES, sliceMs)
    for (const own of figures) own.fill(0)
    const perSecond: number[] = []
    const blockMs: number[] = []
    for (let round = 0; round < Math.min(settings.rounds, ROUNDS_MAX); round++) {
      blockMs.push(nsOf(await bare.run(1, 1)) / 1e6 / work.count)
      perSecond.push(throughputOf(await steady.run(LANES, sliceMs)))
    }
    return {
      parameters: { threads: LANES, io: direct ? 'direct' : 'buffered' },
      figures: { perSecond: spreadOf(perSecond), ...summarize(figures, spreadOf(blockMs).median) },
    }
  } finally {
    await Promise.all(crews.map((crew) => crew.stop()))
    await closeSound(cache)
  }
}
