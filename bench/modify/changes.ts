/**
 * What a change costs: of clean blocks, and of dirty ones compared with the bare work on shared memory.
 */
import type { BlockCache } from 'dcache'
import { closeSound } from '../harness/cache.js'
import { Crew, nsOf, throughputOf } from '../harness/crew.js'
import type { Folder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { type RoundsByThreads, runRounds, scalingOf } from '../harness/rounds.js'
import { ratioOf, spreadOf, upperQuartileOf } from '../harness/spread.js'
import type { BenchSettings } from '../harness/suite.js'
import { floorMemory } from '../hit/crews.js'
import type { FloorData } from '../hit/variants/floor.js'
import { BLOCK_SIZE, sequenceOf, writeBlocks } from '../hit/workload.js'
import { openQuiet, RANGE_BYTES } from './quiet.js'
import type { ChangeData } from './variants/change.js'
import type { ChangeFloorData } from './variants/floor.js'
import type { WriteData } from './variants/write.js'

export const CHANGES: readonly Column[] = [
  { key: 'ns', title: 'a change', unit: 'ns' },
  { key: 'perSecond', title: 'changes, all threads', unit: '/s' },
]

export const FLOORS: readonly Column[] = [
  ...CHANGES,
  { key: 'toFloor', title: 'to the floor', unit: 'x' },
  { key: 'toHit', title: 'to the hit floor', unit: 'x' },
  { key: 'scaling', title: 'to one thread', unit: 'x' },
  { key: 'scalingToFloor', title: "to the floor's", unit: 'x' },
  { key: 'quartile', title: 'upper quartile of that', unit: 'x' },
]

const FLOOR = {
  change: 'floor: a change',
  write: 'floor: a block write',
  hit: 'floor: a hit',
} as const

/** As many as in the run of `hit` that README quotes. */
const HIT_BLOCKS = 16_384

interface Contender {
  readonly crew: Crew
  /** For the section of changes; undefined: the crew is no change by guard. */
  readonly parameters?: Readonly<Record<string, string>>
  /** For the section of floors, with the crew's name; undefined: the crew is not part of it. */
  readonly floor?: string
}

const moduleOf = (path: string) => new URL(`${path}.js`, import.meta.url).href

/** The rows of both sections, from the same rounds. */
export async function measureChanges(
  folder: Folder,
  settings: BenchSettings,
): Promise<{ changes: Row[]; floors: Row[] }> {
  const threads = settings.threads ?? (settings.smoke ? [1, 2] : [1, 2, 4])
  const lanes = Math.max(...threads)
  const caches: BlockCache[] = []
  const contenders: Contender[] = []
  try {
    await start(folder, settings, lanes, caches, contenders)
    const { rounds, sliceMs } = settings
    const outcome = await runRounds(contenders.map(({ crew }) => crew), { rounds, sliceMs, threads }) // prettier-ignore
    const changes = contenders.flatMap(({ crew, parameters }) =>
      parameters === undefined
        ? []
        : [...outcome.get(crew)!].map(([count, results]) => ({
            parameters: { ...parameters, threads: count },
            figures: { ns: spreadOf(results.map(nsOf)), perSecond: spreadOf(results.map(throughputOf)) },
          })),
    )
    const compared = contenders.flatMap(({ crew, floor }) =>
      floor === undefined ? [] : [{ what: crew.name, floor, byThreads: outcome.get(crew)! }],
    )
    return { changes, floors: threads.flatMap((count) => floorRows(compared, count)) }
  } finally {
    await Promise.all(contenders.map(({ crew }) => crew.stop()))
    for (const cache of caches) await closeSound(cache)
  }
}

/** Opens a cache for each variant of dcache, and starts all crews. What is open is in the lists also after a failure. */
async function start(
  folder: Folder,
  settings: BenchSettings,
  lanes: number,
  caches: BlockCache[],
  contenders: Contender[],
): Promise<void> {
  const blocksOfLane = settings.smoke ? 32 : 1024
  const blocks = blocksOfLane * lanes
  const crew = async (name: string, module: string, data: unknown, more: Omit<Contender, 'crew'>) => {
    contenders.push({ crew: await Crew.start({ name, module: moduleOf(module), data, lanes }), ...more })
  }
  const open = async () => {
    const path = folder.path(`changes-${caches.length}`)
    writeBlocks(path, blocks)
    const cache = await openQuiet(path, blocks, settings)
    caches.push(cache)
    return cache.handle
  }
  for (const kind of ['clean', 'dirty'] as const) {
    for (const rangeBytes of [undefined, RANGE_BYTES]) {
      const declared = rangeBytes === undefined ? 'whole block' : `${rangeBytes} bytes`
      const data: ChangeData = { handle: await open(), engine: 'dcache', blocksOfLane, rangeBytes, blocks: kind }
      const floor = rangeBytes === undefined ? FLOOR.change : FLOOR.hit
      const more = { parameters: { blocks: kind, declared }, ...(kind === 'dirty' ? { floor } : {}) }
      await crew(kind === 'dirty' ? `${declared}, by guard` : `clean, ${declared}`, 'variants/change', data, more)
    }
  } // prettier-ignore
  for (const bytes of [BLOCK_SIZE, RANGE_BYTES]) {
    const isWhole = bytes === BLOCK_SIZE
    const data: WriteData = { handle: await open(), blocksOfLane, bytes }
    const name = `${isWhole ? 'whole block' : `${bytes} bytes`}, by writeSync`
    await crew(name, 'variants/write', data, { floor: isWhole ? FLOOR.write : FLOOR.hit })
  }

  const path = folder.path('floor')
  writeBlocks(path, blocks)
  const bare = async (name: string, what: ChangeFloorData['what'], copy: ChangeFloorData['copy']) => {
    const data: ChangeFloorData = { ...floorMemory(path, blocks), blocksOfLane, what, copy }
    await crew(name, 'variants/floor', data, { floor: FLOOR[what] })
  }
  await bare(FLOOR.change, 'change', 'fill')
  await bare(`${FLOOR.change}, copied by set`, 'change', 'set')
  await bare(FLOOR.write, 'write', 'fill')
  await bare(`${FLOOR.write}, copied by set`, 'write', 'set')
  const hitBlocks = settings.smoke ? 64 : HIT_BLOCKS
  const hitPath = folder.path('hit-floor')
  writeBlocks(hitPath, hitBlocks)
  const sequences = Array.from({ length: lanes }, (_, lane) => sequenceOf('uniform', hitBlocks, lane))
  const workload = { path: hitPath, blocks: hitBlocks, sequences }
  const data: FloorData = { workload, ...floorMemory(hitPath, hitBlocks), pin: 'swap' }
  await crew(FLOOR.hit, '../hit/variants/floor', data, { floor: FLOOR.hit })
  await bare(`${FLOOR.change} again (A/A)`, 'change', 'fill')
}

interface Compared {
  readonly what: string
  readonly floor: string
  readonly byThreads: RoundsByThreads
}

function floorRows(compared: readonly Compared[], threads: number): Row[] {
  const floors = new Map(compared.map(({ what, byThreads }) => [what, byThreads]))
  const nsIn = (rounds: RoundsByThreads) => rounds.get(threads)!.map(nsOf)
  return compared.map(({ what, floor, byThreads }) => {
    const its = floors.get(floor)!
    const [scaling, itsScaling] = [scalingOf(byThreads, threads), scalingOf(its, threads)]
    const toIts = scaling?.map((value, round) => value / itsScaling![round]!)
    return {
      parameters: { what, threads },
      figures: {
        ns: spreadOf(nsIn(byThreads)),
        perSecond: spreadOf(byThreads.get(threads)!.map(throughputOf)),
        toFloor: ratioOf(nsIn(byThreads), nsIn(its)),
        toHit: ratioOf(nsIn(byThreads), nsIn(floors.get(FLOOR.hit)!)),
        scaling: scaling === undefined ? null : spreadOf(scaling),
        scalingToFloor: toIts === undefined ? null : spreadOf(toIts),
        quartile: toIts === undefined ? null : upperQuartileOf(toIts),
      },
    }
  })
}
