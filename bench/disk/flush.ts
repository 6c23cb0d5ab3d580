/**
 * Flushes compared with the same writes by bare system calls.
 */
import { type BlockCache, openCache } from 'dcache'
import { closeSound, memoryFor } from '../harness/cache.js'
import { Crew, nsOf } from '../harness/crew.js'
import type { Folder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { runRounds } from '../harness/rounds.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { BenchSettings } from '../harness/suite.js'
import type { BareWriteData } from './variants/bare-write.js'
import type { DcacheFlushData } from './variants/dcache-flush.js'
import { BLOCK_SIZE, type FlushWork, makeFile, partitionName, verify } from './workload.js'

export const FLUSHES: readonly Column[] = [
  { key: 'flush', title: 'flush', unit: 'ms' },
  { key: 'bare', title: 'bare writes and fsync', unit: 'ms' },
  { key: 'ratio', title: 'speed to bare', unit: 'x' },
  { key: 'perSecond', title: 'bytes flushed', unit: '/s' },
]

/** Number of warm-up slices. A flush is so long that its code is compiled within a few. */
const WARM_SLICES = 3

/** The blocks that are written, by the name of the row. */
export const KINDS = {
  'neighbours, 64 MiB': { files: 1, order: 'neighbours', count: 8192 },
  'random, 64 MiB of 1 GiB': { files: 1, order: 'random', count: 8192 },
  'random, two partitions': { files: 2, order: 'random', count: 4096 },
} as const

export function workOf(
  folder: Folder,
  name: string,
  kind: (typeof KINDS)[keyof typeof KINDS],
  direct: boolean,
  smoke: boolean,
): FlushWork {
  const blocks = smoke ? 256 : 2 ** 17
  const paths = Array.from({ length: kind.files }, (_, file) => folder.path(`${name}-${file}`))
  for (const path of paths) makeFile(path, blocks)
  return {
    paths,
    blocks,
    count: smoke ? 32 : kind.count,
    order: kind.order,
    direct,
    wanted: paths.map(() => new Int32Array(new SharedArrayBuffer(blocks * 4))),
  }
}

/** So long that no round starts automatically. */
export function openForFlush(
  { paths, count, direct }: FlushWork,
  settings: BenchSettings,
): Promise<BlockCache> {
  return openCache({
    memory: memoryFor(2 * count * paths.length, BLOCK_SIZE),
    partitions: Object.fromEntries(
      paths.map((path, file) => [partitionName(file), { path, blockSize: BLOCK_SIZE, direct }]),
    ),
    dirtyLimit: 1,
    dirtyBackground: 1,
    flushDelayMs: 2 ** 31 - 1,
    ...(settings.policy === undefined ? {} : { policy: settings.policy }),
  })
}

const moduleOf = (name: string) => new URL(`variants/${name}.js`, import.meta.url).href

export const startBare = (work: FlushWork): Promise<Crew> =>
  Crew.start({
    name: 'bare',
    module: moduleOf('bare-write'),
    data: { work } satisfies BareWriteData,
    lanes: 1,
  })

export async function measureFlush(
  folder: Folder,
  settings: BenchSettings,
  kind: keyof typeof KINDS,
  direct: boolean,
): Promise<Row> {
  const { rounds, smoke } = settings
  const ours = workOf(folder, 'ours', KINDS[kind], direct, smoke)
  const theirs = workOf(folder, 'bare', KINDS[kind], direct, smoke)
  const cache = await openForFlush(ours, settings)
  const crews: Crew[] = []
  try {
    const data: DcacheFlushData = { work: ours, handle: cache.handle }
    crews.push(await Crew.start({ name: 'flush', module: moduleOf('dcache-flush'), data, lanes: 1 }))
    crews.push(await startBare(theirs))
    const outcome = await runRounds(crews, { rounds, sliceMs: 1, threads: [1], warmSlices: WARM_SLICES })
    const [flush, bare] = crews.map((crew) =>
      outcome
        .get(crew)!
        .get(1)!
        .map((results) => nsOf(results) / 1e6),
    )
    const bytes = ours.count * BLOCK_SIZE * ours.paths.length
    return {
      parameters: { what: kind, io: direct ? 'direct' : 'buffered' },
      figures: {
        flush: spreadOf(flush!),
        bare: spreadOf(bare!),
        ratio: ratioOf(bare!, flush!),
        perSecond: spreadOf(flush!.map((ms) => (bytes / ms) * 1000)),
      },
    }
  } finally {
    await Promise.all(crews.map((crew) => crew.stop()))
    await cache.flush()
    await closeSound(cache)
    verify(ours)
    verify(theirs)
  }
}
