/**
 * Misses beside bare reads of the same file, out of the system's page cache: what dcache adds to a read.
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
import { Random } from '#dist/workers/load-random.js'

export const MISSES: readonly Column[] = [
  { key: 'miss', title: 'a miss', unit: 'us' },
  { key: 'bare', title: 'fs.readSync', unit: 'us' },
  { key: 'ratio', title: 'a miss to fs.readSync', unit: 'x' },
]

const moduleOf = (name: string) => new URL(`../hit/variants/${name}.js`, import.meta.url).href

/** Every block of the file once, then again: the cache holds a sixteenth, so that each is a miss. */
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

export async function measureMisses(folder: Folder, settings: BenchSettings): Promise<Row[]> {
  const blocks = settings.smoke ? 512 : 2 ** 15
  const path = folder.path('misses')
  writeBlocks(path, blocks)
  const rows: Row[] = []
  for (const order of ['random', 'sequential'] as const) {
    const cache = await openCache({
      memory: memoryFor(blocks / 16, BLOCK_SIZE),
      partitions: { main: { path, blockSize: BLOCK_SIZE } },
      ...(settings.policy === undefined ? {} : { policy: settings.policy }),
    })
    const crews: Crew[] = []
    try {
      const workload: Workload = { path, blocks, sequences: [sequenceOf(order, blocks)] }
      const data: DcacheData = { workload, handle: cache.handle, engine: 'dcache', reads: 'bytes' }
      crews.push(await Crew.start({ name: 'miss', module: moduleOf('dcache'), data, lanes: 1 }))
      const bareData: FileData = { workload }
      crews.push(await Crew.start({ name: 'bare', module: moduleOf('read-sync'), data: bareData, lanes: 1 }))
      const { rounds, sliceMs } = settings
      const outcome = await runRounds(crews, { rounds, sliceMs, threads: [1] })
      const [miss, bare] = crews.map((crew) =>
        outcome
          .get(crew)!
          .get(1)!
          .map((results) => nsOf(results) / 1000),
      )
      const { lookups, misses } = cache.stats()
      if (misses < 0.9 * lookups) throw new Error(`only ${misses} of ${lookups} reads were misses`)
      rows.push({
        parameters: { order },
        figures: { miss: spreadOf(miss!), bare: spreadOf(bare!), ratio: ratioOf(miss!, bare!) },
      })
    } finally {
      await Promise.all(crews.map((crew) => crew.stop()))
      await closeSound(cache)
    }
  }
  return rows
}
