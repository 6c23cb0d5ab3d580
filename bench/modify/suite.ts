/**
 * `modify`: measures the cost of a change, and of the two mechanisms that make the cache survive the death of a thread:
 * the journal of pins and the saved image.
 */
import type { BlockCache } from 'dcache'
import { closeSound, openFull } from '../harness/cache.js'
import { Crew, nsOf, throughputOf } from '../harness/crew.js'
import { type Folder, makeFolder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { type RoundOptions, runRounds } from '../harness/rounds.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { BenchSettings, Suite } from '../harness/suite.js'
import type { DcacheData } from '../hit/variants/dcache.js'
import { BLOCK_SIZE, sequenceOf, writeBlocks } from '../hit/workload.js'
import type { ChangeData } from './change.js'
import { copyEngine, type Edit, NO_IMAGE, NO_JOURNAL, UNCHANGED } from './engine-copy.js'

const CHANGES: readonly Column[] = [
  { key: 'ns', title: 'a change', unit: 'ns' },
  { key: 'perSecond', title: 'changes, all threads', unit: '/s' },
]

const PRICES: readonly Column[] = [
  { key: 'withIt', title: 'with', unit: 'ns' },
  { key: 'withoutIt', title: 'without', unit: 'ns' },
  { key: 'ratio', title: 'with to without', unit: 'x' },
  { key: 'noise', title: 'with to with (A/A)', unit: 'x' },
]

const RANGE_BYTES = 64

const moduleOf = (path: string) => new URL(`${path}.js`, import.meta.url).href

export const modify: Suite = {
  name: 'modify',
  about: 'change a block, whole or a declared range, clean or dirty; what the journal and the image cost',
  seconds: 188,
  async run(settings, say) {
    const startMs = performance.now()
    using folder = makeFolder()
    say('modify: changes')
    const changes = await measureChanges(folder, settings)
    say('modify: what the journal and the image cost')
    const prices = await measurePrices(folder, settings)
    return {
      name: 'modify',
      title: 'Changes',
      about: 'Change a byte of a cached block and mark the block dirty.',
      sections: [
        {
          name: 'changes',
          title: 'What a change costs',
          about:
            'Each thread changes its own blocks, one byte of each in turn. Clean blocks are written between the batches, ' +
            'which is not timed. For dirty blocks, an image is saved: of the whole block, or of the declared range.',
          columns: CHANGES,
          rows: changes,
        },
        {
          name: 'prices',
          title: 'What it costs to survive a death',
          about:
            'The engine, compared with a copy without the journal of pins, or without the saved image of a dirty block. ' +
            'One thread; ratios are of the same round. Caches and workers are created several times, because V8 inlines ' +
            'differently from worker to worker.',
          columns: PRICES,
          rows: prices,
        },
      ],
      leftOut: [],
      seconds: (performance.now() - startMs) / 1000,
    }
  },
}

/** Far from the dirty limit, and no round starts automatically. */
function openQuiet(
  path: string,
  blocks: number,
  settings: BenchSettings,
  engine = 'dcache',
): Promise<BlockCache> {
  const more = { flushDelayMs: 2 ** 31 - 1, dirtyLimit: 1, dirtyBackground: 1 }
  return openFull({ path, blocks, blockSize: BLOCK_SIZE, policy: settings.policy, engine, more })
}

async function measureChanges(folder: Folder, settings: BenchSettings): Promise<Row[]> {
  const threads = settings.threads ?? (settings.smoke ? [1, 2] : [1, 2, 4])
  const lanes = Math.max(...threads)
  const blocksOfLane = settings.smoke ? 32 : 1024
  const caches: BlockCache[] = []
  const crews: { crew: Crew; parameters: Record<string, string> }[] = []
  try {
    for (const blocks of ['clean', 'dirty'] as const) {
      for (const rangeBytes of [undefined, RANGE_BYTES]) {
        const image = rangeBytes === undefined ? 'whole block' : `${rangeBytes} bytes`
        const path = folder.path(`${blocks}-${image}`)
        writeBlocks(path, blocksOfLane * lanes)
        const cache = await openQuiet(path, blocksOfLane * lanes, settings)
        caches.push(cache)
        const data: ChangeData = { handle: cache.handle, engine: 'dcache', blocksOfLane, rangeBytes, blocks }
        const crew = await Crew.start({
          name: `${blocks}, ${image}`,
          module: moduleOf('change'),
          data,
          lanes,
        })
        crews.push({ crew, parameters: { blocks, declared: image } })
      }
    }
    const { rounds, sliceMs } = settings
    const options: RoundOptions = { rounds, sliceMs, threads }
    const outcome = await runRounds(crews.map(({ crew }) => crew), options) // prettier-ignore
    return crews.flatMap(({ crew, parameters }) =>
      [...outcome.get(crew)!].map(([count, results]) => ({
        parameters: { ...parameters, threads: count },
        figures: { ns: spreadOf(results.map(nsOf)), perSecond: spreadOf(results.map(throughputOf)) },
      })),
    )
  } finally {
    await Promise.all(crews.map(({ crew }) => crew.stop()))
    for (const cache of caches) await closeSound(cache)
  }
}

async function measurePrices(folder: Folder, settings: BenchSettings): Promise<Row[]> {
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
    return { module: moduleOf('change'), data }
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
