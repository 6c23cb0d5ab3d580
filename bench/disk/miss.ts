/**
 * Misses compared with bare reads of the same file, from the system's page cache or directly from the disk. The
 * difference is what dcache adds to a read.
 */
import { openCache } from 'dcache'
import { closeSound, memoryFor } from '../harness/cache.js'
import { Crew, nsOf } from '../harness/crew.js'
import type { Folder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { runRounds } from '../harness/rounds.js'
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
]

const moduleOf = (name: string) => new URL(`../hit/variants/${name}.js`, import.meta.url).href

/** Reads all blocks of the file, repeatedly. The cache holds a sixteenth of them, so each access reads the file. */
function sequenceOf(order: 'random' | 'sequential', blocks: number): Uint32Array<SharedArrayBuffer> {
  const sequence = new Uint32Array(new SharedArrayBuffer(blocks * 4)).map((_, i) => i)
  const shared = new Uint32Array(new SharedArrayBuffer(blocks * 4))
  const random = new Random(1, 0)
  for (let i = blocks - 1; order === 'random' && i > 0; i--) {
    const other = random.below(i + 1)
    const block = sequence[i]!
    sequence[i] = sequence[other]!
    sequence[other] = block
  }
  shared.set(sequence)
  return shared
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
  for (const [order, direct] of ways.flatMap(
    (way) =>
      [
        ['random', way],
        ['sequential', way],
      ] as const,
  )) {
    const cache = await openCache({
      memory: memoryFor(blocks / 16, BLOCK_SIZE),
      partitions: { main: { path, blockSize: BLOCK_SIZE, direct } },
      ...(settings.policy === undefined ? {} : { policy: settings.policy }),
    })
    const crews: Crew[] = []
    try {
      const workload: Workload = { path, blocks, sequences: [sequenceOf(order, blocks)] }
      const data: DcacheData = { workload, handle: cache.handle, engine: 'dcache', reads: 'bytes' }
      crews.push(await Crew.start({ name: 'miss', module: moduleOf('dcache'), data, lanes: 1 }))
      const bareData: FileData = { workload, direct }
      crews.push(await Crew.start({ name: 'bare', module: moduleOf('read-sync'), data: bareData, lanes: 1 }))
      const { rounds, sliceMs } = settings
      const outcome = await runRounds(crews, { rounds, sliceMs, threads: [1] })
      const [miss, bare] = crews.map((crew) =>
        outcome
          .get(crew)!
          .get(1)!
          .map((results) => nsOf(results) / 1000),
      )
      // Most blocks of a sequence are read ahead, so they are hits.
      const { lookups, diskReads } = cache.stats()
      if (diskReads < 0.9 * lookups) throw new Error(`only ${diskReads} of ${lookups} blocks were read`)
      rows.push({
        parameters: { order, io: direct ? 'direct' : 'buffered' },
        figures: { miss: spreadOf(miss!), bare: spreadOf(bare!), ratio: ratioOf(bare!, miss!) },
      })
    } finally {
      await Promise.all(crews.map((crew) => crew.stop()))
      await closeSound(cache)
    }
  }
  return rows
}
