/**
 * `hit`: measures the cost to acquire and release a cached block, compared with the floor and with the alternatives to
 * dcache.
 */
import type { BlockCache } from 'dcache'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { closeSound, openFull } from '../harness/cache.js'
import { nsOf, throughputOf } from '../harness/crew.js'
import { makeFolder } from '../harness/folder.js'
import type { Column, Row, Section } from '../harness/report.js'
import { type Outcome, runRounds, scalingOf } from '../harness/rounds.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { BenchSettings, Suite } from '../harness/suite.js'
import { FLOOR, fillLmdb, floorMemory, startCrews } from './crews.js'
import type { Garbage } from './garbage.js'
import { countProbes } from './probes.js'
import type { DcacheData } from './variants/dcache.js'
import { BLOCK_SIZE, type PatternName, sequenceOf, type Workload, writeBlocks } from './workload.js'

const COST: readonly Column[] = [
  { key: 'ns', title: 'a hit', unit: 'ns' },
  { key: 'perSecond', title: 'hits, all threads', unit: '/s' },
  { key: 'toFloor', title: 'to the floor', unit: 'x' },
  { key: 'scaling', title: 'to one thread', unit: 'x' },
  { key: 'scalingToFloor', title: "to the floor's", unit: 'x' },
]

const PROBES: readonly Column[] = [
  { key: 'mean', title: 'steps a hit', unit: 'count' },
  { key: 'most', title: 'longest chain', unit: 'count' },
]

const GARBAGE: readonly Column[] = [
  { key: 'growth', title: 'heap growth', unit: 'bytes' },
  { key: 'minor', title: 'minor collections per 100 000 hits', unit: 'count' },
  { key: 'other', title: 'other collections', unit: 'count' },
]

export const hit: Suite = {
  name: 'hit',
  about:
    'acquire and release a cached block; compared with the bare atomics, lru-cache, lmdb, readSync and messages',
  seconds: 350,
  async run(given, say) {
    const settings = completed(given)
    const startMs = performance.now()
    using folder = makeFolder()
    const leftOut: string[] = []
    const [cost, probes, garbage]: Row[][] = [[], [], []]
    for (const blocks of settings.blocks) {
      say(`hit: ${blocks} blocks, preparing`)
      const path = folder.path(`blocks-${blocks}`)
      writeBlocks(path, blocks)
      const lmdb = settings.peers ? await fillLmdb(folder, path, blocks, leftOut) : undefined
      const floor = floorMemory(path, blocks)
      const cache = await openFull({ path, blocks, blockSize: BLOCK_SIZE, policy: settings.policy })
      const { mean, most } = countProbes(cache.handle)
      probes!.push({ parameters: { blocks }, figures: { mean, most } })
      const { misses } = cache.stats()
      for (const pattern of settings.patterns) {
        say(`hit: ${blocks} blocks, ${pattern}`)
        const workload = workloadOf(path, blocks, pattern, settings)
        await using started = await startCrews({
          workload,
          cache,
          floor,
          lanes: Math.max(...settings.threads),
          lmdb,
          hasPeers: settings.peers,
          isHot: pattern === 'hot',
          leftOut,
        })
        cost!.push(...costRows({ blocks, pattern }, await runRounds(started.crews, settings)))
      }
      if (blocks === settings.blocks[0])
        garbage!.push(...(await measureGarbage(path, blocks, cache, settings)))
      const missed = cache.stats().misses - misses
      if (missed > 0)
        throw new Error(`${missed} of the hits were misses: the cache of ${blocks} blocks is too small`)
      await closeSound(cache)
    }
    const sections: Section[] = [
      {
        name: 'cost',
        title: 'What a hit costs',
        about:
          'Acquire a block, read a byte of it, release it. The floor is the same two atomic operations on a word of the ' +
          'block and the same byte, without a cache; ratios are of the same round. The ns of a hit exclude the moments ' +
          'in which the system ran other programs; hits a second include them. "To one thread" is the throughput of all ' +
          'threads in terms of one thread; the last column compares that with the floor. The A/A line is the floor ' +
          'measured a second time: its difference is noise.',
        columns: COST,
        rows: cost!,
      },
      {
        name: 'probes',
        title: 'Steps in the hash chain',
        about: 'Counted over all blocks, without timing.',
        columns: PROBES,
        rows: probes!,
      },
      {
        name: 'garbage',
        title: 'What a million hits leave',
        about: 'Growth of the live heap, and garbage collections, in a thread that does nothing else.',
        columns: GARBAGE,
        rows: garbage!,
      },
    ]
    return {
      name: 'hit',
      title: 'Hits',
      about: 'Acquire and release a cached block.',
      sections,
      leftOut: [...new Set(leftOut)],
      seconds: (performance.now() - startMs) / 1000,
    }
  },
}

interface HitSettings extends BenchSettings {
  readonly threads: readonly number[]
  readonly blocks: readonly number[]
}

const completed = (settings: BenchSettings): HitSettings => ({
  ...settings,
  threads: settings.threads ?? (settings.smoke ? [1, 2] : [1, 2, 4]),
  blocks: settings.blocks ?? (settings.smoke ? [64] : [512, 16_384, 131_072]),
})

function workloadOf(
  path: string,
  blocks: number,
  pattern: PatternName,
  { threads }: Pick<HitSettings, 'threads'>,
): Workload {
  const lanes = Array.from({ length: Math.max(...threads) }, (_, lane) => lane)
  return { path, blocks, sequences: lanes.map((lane) => sequenceOf(pattern, blocks, lane)) }
}

/** The figures of the floor by number of threads, and then those of each variant compared with them. */
function costRows(parameters: Record<string, string | number>, outcome: Outcome): Row[] {
  const floor = [...outcome].find(([{ name }]) => name === FLOOR)![1]
  const rows: Row[] = []
  for (const threads of floor.keys()) {
    for (const [{ name: variant }, byThreads] of outcome) {
      const [mine, its] = [byThreads.get(threads)!, floor.get(threads)!]
      const perSecond = mine.map(throughputOf)
      const scaling = scalingOf(byThreads, threads)
      const itsScaling = scalingOf(floor, threads)
      rows.push({
        parameters: { ...parameters, threads, variant },
        figures: {
          ns: spreadOf(mine.map(nsOf)),
          perSecond: spreadOf(perSecond),
          toFloor: ratioOf(mine.map(nsOf), its.map(nsOf)),
          scaling: scaling === undefined ? null : spreadOf(scaling),
          scalingToFloor: scaling === undefined ? null : ratioOf(scaling, itsScaling!),
        },
      })
    }
  }
  return rows
}

async function measureGarbage(
  path: string,
  blocks: number,
  { handle }: BlockCache,
  settings: HitSettings,
): Promise<Row[]> {
  const workload = workloadOf(path, blocks, 'uniform', { threads: [1] })
  const rows: Row[] = []
  for (const reads of ['bytes', 'data'] as const) {
    const data: DcacheData = { workload, handle, engine: 'dcache', reads }
    const worker = new Worker(new URL('garbage.js', import.meta.url), {
      workerData: { data, hits: settings.smoke ? 20_000 : 1_000_000 },
    })
    const [{ hits, growthBytes, minorCollections, otherCollections }] = (await once(worker, 'message')) as [
      Garbage,
    ]
    await worker.terminate()
    rows.push({
      parameters: { blocks, reads, hits },
      figures: {
        growth: growthBytes,
        minor: (minorCollections / hits) * 100_000,
        other: otherCollections,
      },
    })
  }
  return rows
}
