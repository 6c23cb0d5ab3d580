/**
 * Misses compared with bare reads of the same file, from the system's page cache or directly from the disk. The
 * difference is what dcache adds to a read.
 */
import { openCache } from 'dcache'
import { closeSound, memoryFor } from '../harness/cache.js'
import { Crew, nsOf } from '../harness/crew.js'
import type { Folder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { type RoundsByThreads, runRounds, scalingOf } from '../harness/rounds.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { BenchSettings } from '../harness/suite.js'
import type { DcacheData } from '../hit/variants/dcache.js'
import type { FileData } from '../hit/variants/read-sync.js'
import { BLOCK_SIZE, type Workload, writeBlocks } from '../hit/workload.js'
import { Random } from '#dist/workload/random.js'

export const MISSES: readonly Column[] = [
  { key: 'miss', title: 'a miss', unit: 'us' },
  { key: 'bare', title: 'fs.readSync', unit: 'us' },
  { key: 'ratio', title: 'speed to bare', unit: 'x' },
  { key: 'scaling', title: 'to one thread', unit: 'x' },
  { key: 'scalingToFloor', title: "to bare's", unit: 'x' },
]

/** As many as in a batch of bare reads, so that both drop the same share of their time when other programs run. */
const BATCH = 256

/** Each thread reads a part of the file. */
const RANDOM_THREADS = [1, 2]

const moduleOf = (name: string) => new URL(`../hit/variants/${name}.js`, import.meta.url).href

type Order = 'random' | 'sequential'

/**
 * The blocks that a lane reads, repeatedly: its part of the file, which is larger than the cache, so each access reads the
 * file.
 */
function sequenceOf(order: Order, first: number, blocks: number): Uint32Array<SharedArrayBuffer> {
  const sequence = new Uint32Array(new SharedArrayBuffer(blocks * 4))
  for (let i = 0; i < blocks; i++) sequence[i] = first + i
  const random = new Random(1, first)
  for (let i = blocks - 1; order === 'random' && i > 0; i--) {
    const other = random.below(i + 1)
    const block = sequence[i]!
    sequence[i] = sequence[other]!
    sequence[other] = block
  }
  return sequence
}

export async function measureMisses(
  folder: Folder,
  settings: BenchSettings,
  ways: readonly boolean[],
): Promise<Row[]> {
  const blocks = settings.smoke ? 512 : 2 ** 15
  const path = folder.path('misses')
  writeBlocks(path, blocks)
  const rows: Row[] = []
  const cases = ways.flatMap((direct) => [
    { order: 'random', direct, threads: RANDOM_THREADS } as const,
    { order: 'sequential', direct, threads: [1] } as const,
  ])
  for (const one of cases) rows.push(...(await measure(path, blocks, settings, one)))
  return rows
}

interface Case {
  readonly order: Order
  readonly direct: boolean
  readonly threads: readonly number[]
}

async function measure(
  path: string,
  blocks: number,
  settings: BenchSettings,
  { order, direct, threads }: Case,
): Promise<Row[]> {
  const pool = blocks / 16
  const cache = await openCache({
    memory: memoryFor(pool, BLOCK_SIZE),
    partitions: { main: { path, blockSize: BLOCK_SIZE, direct } },
    ...(settings.policy === undefined ? {} : { policy: settings.policy }),
  })
  const lanes = Math.max(...threads)
  const crews: Crew[] = []
  try {
    const part = blocks / lanes
    const sequences = Array.from({ length: lanes }, (_, lane) => sequenceOf(order, lane * part, part))
    const workload: Workload = { path, blocks, sequences }
    const data: DcacheData = {
      workload,
      handle: cache.handle,
      engine: 'dcache',
      reads: 'bytes',
      batch: BATCH,
    }
    crews.push(await Crew.start({ name: 'miss', module: moduleOf('dcache'), data, lanes }))
    const bareData: FileData = { workload, direct, slots: pool }
    crews.push(await Crew.start({ name: 'bare', module: moduleOf('read-sync'), data: bareData, lanes }))
    const { rounds, sliceMs } = settings
    const outcome = await runRounds(crews, { rounds, sliceMs, threads })
    // Most blocks of a sequence are read ahead, so they are hits.
    const { lookups, diskReads } = cache.stats()
    if (diskReads < 0.9 * lookups) throw new Error(`only ${diskReads} of ${lookups} blocks were read`)
    const [miss, bare] = crews.map((crew) => outcome.get(crew)!)
    return threads.map((count) => rowOf({ order, io: direct ? 'direct' : 'buffered', threads: count }, miss!, bare!, count))
  } finally {
    await Promise.all(crews.map((crew) => crew.stop()))
    await closeSound(cache)
  }
} // prettier-ignore

function rowOf(
  parameters: Row['parameters'],
  miss: RoundsByThreads,
  bare: RoundsByThreads,
  threads: number,
): Row {
  const us = (rounds: RoundsByThreads) => rounds.get(threads)!.map((results) => nsOf(results) / 1000)
  const [scaling, itsScaling] = [scalingOf(miss, threads), scalingOf(bare, threads)]
  return {
    parameters,
    figures: {
      miss: spreadOf(us(miss)),
      bare: spreadOf(us(bare)),
      ratio: ratioOf(us(bare), us(miss)),
      scaling: scaling === undefined ? null : spreadOf(scaling),
      scalingToFloor: scaling === undefined ? null : ratioOf(scaling, itsScaling!),
    },
  }
}
