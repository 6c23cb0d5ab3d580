/**
 * What the two mechanisms cost that make the cache survive the death of a thread: the journal of pins and the saved
 * image. The engine is compared with copies that lack one of them.
 */
import type { BlockCache } from 'dcache'
import { closeSound } from '../harness/cache.js'
import { Crew, nsOf } from '../harness/crew.js'
import { copyEngine, type Edit, UNCHANGED } from '../harness/engine-copy.js'
import type { Folder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { runRounds } from '../harness/rounds.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { BenchSettings } from '../harness/suite.js'
import type { DcacheData } from '../hit/variants/dcache.js'
import { sequenceOf, writeBlocks } from '../hit/workload.js'
import { NO_IMAGE, NO_JOURNAL } from './edits.js'
import { openQuiet, RANGE_BYTES } from './quiet.js'
import type { ChangeData } from './variants/change.js'

export const PRICES: readonly Column[] = [
  { key: 'withIt', title: 'with', unit: 'ns' },
  { key: 'withoutIt', title: 'without', unit: 'ns' },
  { key: 'ratio', title: 'with to without', unit: 'x' },
  { key: 'noise', title: 'with to with (A/A)', unit: 'x' },
]

const moduleOf = (path: string) => new URL(`${path}.js`, import.meta.url).href

export async function measurePrices(folder: Folder, settings: BenchSettings): Promise<Row[]> {
  const blocks = settings.smoke ? 32 : 1024
  const sequences = [sequenceOf('uniform', blocks, 0)]
  const hit = (path: string, cache: BlockCache, engine: string): Omit<Variant, 'name'> => {
    const data: DcacheData = {
      workload: { path, blocks, sequences },
      handle: cache.handle,
      engine,
      reads: 'bytes',
    }
    return { module: moduleOf('../hit/variants/dcache'), data }
  }
  const change = (rangeBytes: number | undefined) => (_path: string, { handle }: BlockCache, engine: string) => {
    const data: ChangeData = { handle, engine, blocksOfLane: blocks, rangeBytes, blocks: 'dirty' }
    return { module: moduleOf('variants/change'), data }
  } // prettier-ignore
  return [
    await price('journal', 'a hit', NO_JOURNAL, hit, blocks, folder, settings),
    await price('image', 'a change, whole block', NO_IMAGE, change(undefined), blocks, folder, settings),
    await price(
      'image',
      `a change, ${RANGE_BYTES} bytes`,
      NO_IMAGE,
      change(RANGE_BYTES),
      blocks,
      folder,
      settings,
    ),
  ]
}

interface Variant {
  readonly name: string
  readonly module: string
  readonly data: unknown
}

type VariantOf = (path: string, cache: BlockCache, engine: string) => Omit<Variant, 'name'>

/** The variants that are compared: the engine, a copy with a part removed, and the engine again for the noise. */
const COPIES = ['with', 'without', 'with again'] as const
type Copy = (typeof COPIES)[number]

/**
 * How often the caches and workers of a comparison are created. V8 compiles a worker's code once, and what it inlines
 * depends on the order in which functions became hot. So two workers with the same code differ by up to a third for
 * their whole life. Only several workers show how much of a difference comes from the code.
 */
const INSTANCES = 5

/** The same work on three copies of the engine: unchanged, with `edits`, and unchanged again. */
async function price(
  what: string,
  of: string,
  edits: readonly Edit[],
  variantOf: VariantOf,
  blocks: number,
  folder: Folder,
  settings: BenchSettings,
): Promise<Row> {
  const instances = Math.min(INSTANCES, settings.rounds)
  const measured: Record<Copy, number[]> = { with: [], without: [], 'with again': [] }
  const engines = new Map<Copy, string>()
  for (const copy of COPIES) {
    const place = folder.path(`${of}, ${what}, ${copy}`.replaceAll(' ', '-'))
    engines.set(copy, copyEngine(place, copy === 'without' ? edits : UNCHANGED))
  }
  for (let instance = 0; instance < instances; instance++) {
    // Rotated, so that no copy is always the first one opened and warmed up.
    const order = COPIES.map((_, i) => COPIES[(i + instance) % COPIES.length]!)
    const rounds = Math.ceil((settings.rounds - instance) / instances)
    for (const [copy, values] of await runInstance(order, rounds)) measured[copy].push(...values)
  }
  return {
    parameters: { what, of },
    figures: {
      withIt: spreadOf(measured.with),
      withoutIt: spreadOf(measured.without),
      ratio: ratioOf(measured.with, measured.without),
      noise: ratioOf(measured.with, measured['with again']),
    },
  }

  /** Nanoseconds by copy and round. Each copy has its own cache and worker. */
  async function runInstance(order: readonly Copy[], rounds: number): Promise<Map<Copy, number[]>> {
    const caches: BlockCache[] = []
    const crews = new Map<Copy, Crew>()
    try {
      for (const copy of order) {
        const path = folder.path(`${copy}.blocks`)
        writeBlocks(path, blocks)
        const engine = engines.get(copy)!
        const cache = await openQuiet(path, blocks, settings, engine)
        caches.push(cache)
        crews.set(copy, await Crew.start({ name: copy, ...variantOf(path, cache, engine), lanes: 1 }))
      }
      const outcome = await runRounds([...crews.values()], {
        rounds,
        sliceMs: settings.sliceMs,
        threads: [1],
      })
      return new Map([...crews].map(([copy, crew]) => [copy, outcome.get(crew)!.get(1)!.map(nsOf)]))
    } finally {
      await Promise.all([...crews.values()].map((crew) => crew.stop()))
      for (const cache of caches) await closeSound(cache)
    }
  }
}
