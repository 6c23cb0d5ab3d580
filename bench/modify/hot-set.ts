/**
 * A hot set that is rewritten without end, with default options: how much the rounds of write-back slow the threads down,
 * and how much they write. On the disk of the temporary folder, and on a slow one.
 */
import type { BlockCache, CacheStats } from 'dcache'
import { closeSound, memoryFor, openFull } from '../harness/cache.js'
import { Crew, throughputOf } from '../harness/crew.js'
import { copyEngine, UNCHANGED } from '../harness/engine-copy.js'
import type { Folder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { SLOW, SLOW_DISK } from '../harness/slow-disk.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { BenchSettings } from '../harness/suite.js'
import type { LaneResult } from '../harness/task.js'
import { BLOCK_SIZE, writeBlocks } from '../hit/workload.js'
import { NO_ROUNDS } from './quiet.js'
import type { ChangeData } from './variants/change.js'

export const HOT_SET: readonly Column[] = [
  { key: 'perSecond', title: 'changes, all threads', unit: '/s' },
  { key: 'toQuiet', title: 'to the rate without rounds', unit: 'x' },
  { key: 'stalled', title: 'of the time stalled', unit: '%' },
  { key: 'spareWaits', title: 'waits for spares', unit: 'count' },
  { key: 'rounds', title: 'rounds', unit: 'count' },
  { key: 'written', title: 'blocks written, to distinct blocks times rounds', unit: 'x' },
  { key: 'toPlain', title: 'bytes written, to a plain write every flush delay', unit: 'x' },
]

const HOT_BLOCKS = 8192
const POOL_BLOCKS = 16_384
const THREADS = [1, 2] as const
const ROUNDS_MAX = 3
/** The default of `openCache`. */
const FLUSH_DELAY_MS = 5000
/** Slices with rounds last two flush delays with the default options. */
const SLICES = 200
const QUIET_SLICES = 20

export async function measureHotSet(
  folder: Folder,
  settings: BenchSettings,
  say: (text: string) => void,
): Promise<Row[]> {
  const rows: Row[] = []
  for (const [disk, edits] of [['as it is', UNCHANGED], [SLOW, SLOW_DISK]] as const) {
    const engine = copyEngine(folder.path(`hot-set-${rows.length}`), edits)
    for (const threads of settings.smoke ? [2] : THREADS) {
      say(`modify: a hot set, disk ${disk}, ${threads} thread(s)`)
      rows.push({ parameters: { disk, threads }, figures: await measure(folder, settings, engine, threads) })
    }
  } // prettier-ignore
  return rows
}

async function measure(
  folder: Folder,
  settings: BenchSettings,
  engine: string,
  threads: number,
): Promise<Row['figures']> {
  const { smoke, policy, sliceMs } = settings
  const blocks = smoke ? 64 : HOT_BLOCKS
  const memory = memoryFor(smoke ? 128 : POOL_BLOCKS, BLOCK_SIZE)
  const caches: BlockCache[] = []
  const crews: Crew[] = []
  const start = async (name: string, more: Parameters<typeof openFull>[0]['more']) => {
    const path = folder.path(name)
    writeBlocks(path, blocks)
    const cache = await openFull({ path, blocks, blockSize: BLOCK_SIZE, policy, engine, more: { memory, ...more } })
    caches.push(cache)
    const data: ChangeData = { handle: cache.handle, engine, blocksOfLane: blocks / threads, rangeBytes: undefined, blocks: 'dirty' }
    const crew = await Crew.start({ name, module: new URL('variants/change.js', import.meta.url).href, data, lanes: threads })
    crews.push(crew)
    return { cache, crew }
  } // prettier-ignore
  try {
    const usual = await start('usual', {})
    const quiet = await start('quiet', NO_ROUNDS)
    const [ms, quietMs] = smoke ? [sliceMs, sliceMs] : [sliceMs * SLICES, sliceMs * QUIET_SLICES]
    await usual.crew.run(threads, quietMs)
    await quiet.crew.run(threads, quietMs)
    const slices: Slice[] = []
    const rates: number[] = []
    for (let round = 0; round < Math.min(settings.rounds, ROUNDS_MAX); round++) {
      await usual.cache.flush()
      const before = usual.cache.stats()
      const results = await usual.crew.run(threads, ms)
      slices.push(sliceOf(results, before, usual.cache.stats(), blocks))
      // No round of this cache disturbs the other one.
      await usual.cache.flush()
      rates.push(throughputOf(await quiet.crew.run(threads, quietMs)))
    }
    const of = (key: keyof Slice) => slices.map((slice) => slice[key])
    return {
      perSecond: spreadOf(of('perSecond')),
      toQuiet: ratioOf(of('perSecond'), rates),
      stalled: spreadOf(of('stalled')),
      spareWaits: spreadOf(of('spareWaits')),
      rounds: spreadOf(of('rounds')),
      written: spreadOf(of('written')),
      toPlain: spreadOf(of('toPlain')),
    }
  } finally {
    await Promise.all(crews.map((crew) => crew.stop()))
    for (const cache of caches) await closeSound(cache)
  }
}

type Slice = Readonly<
  Record<'perSecond' | 'stalled' | 'spareWaits' | 'rounds' | 'written' | 'toPlain', number>
>

/** What the lanes did and what was written in the meantime. */
function sliceOf(results: readonly LaneResult[], before: CacheStats, after: CacheStats, blocks: number): Slice {
  const ms = Math.max(...results.map((result) => result.ms))
  const rounds = after.rounds - before.rounds
  const written = (after.diskWriteBytes - before.diskWriteBytes) / BLOCK_SIZE
  return {
    perSecond: throughputOf(results),
    stalled: (100 * (after.waits.timeMs - before.waits.timeMs)) / (ms * results.length),
    spareWaits: after.waits.spare - before.waits.spare,
    rounds,
    written: written / (blocks * Math.max(1, rounds)),
    toPlain: written / (blocks * Math.max(1, ms / FLUSH_DELAY_MS)),
  }
} // prettier-ignore
