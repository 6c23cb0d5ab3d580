/**
 * One block that changes its write class again and again: how much that slows another thread down, and what a flush of
 * the block costs.
 */
import type { BlockCache } from 'dcache'
import { closeSound, memoryFor, openFull } from '../harness/cache.js'
import { Crew, throughputOf } from '../harness/crew.js'
import type { Folder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { BenchSettings } from '../harness/suite.js'
import { BLOCK_SIZE, writeBlocks } from '../hit/workload.js'
import { RANGE_BYTES } from './quiet.js'
import type { FlipData } from './variants/flip.js'

export const BESIDE: readonly Column[] = [
  { key: 'perSecond', title: 'changes of other blocks', unit: '/s' },
  { key: 'without', title: 'without the flips', unit: '/s' },
  { key: 'ratio', title: 'with to without', unit: 'x' },
  { key: 'rounds', title: 'rounds', unit: '/s' },
]

export const FLIPPED: readonly Column[] = [
  { key: 'flips', title: 'the flips', unit: 'ms' },
  { key: 'roundsBefore', title: 'rounds in the meantime', unit: 'count' },
  { key: 'flush', title: 'the flush', unit: 'ms' },
  { key: 'rounds', title: 'rounds of the flush', unit: 'count' },
]

export const PAUSE_MS = 5
export const FLIPS = 500
export const POOL_BLOCKS = 16_384
const CHANGED_BLOCKS = 1024
const CLASSES = ['data', 'directory']
const SLICES = 20
const FLUSHES_MAX = 5

async function open(folder: Folder, { smoke, policy }: BenchSettings): Promise<BlockCache> {
  const blocks = (smoke ? 32 : CHANGED_BLOCKS) + 1
  const path = folder.path('class-changes')
  writeBlocks(path, blocks)
  const memory = memoryFor(smoke ? 128 : POOL_BLOCKS, BLOCK_SIZE)
  return await openFull({ path, blocks, blockSize: BLOCK_SIZE, policy, more: { memory } })
}

/** The rate of a thread with and without another one that flips the class of a block. */
export async function measureBeside(folder: Folder, settings: BenchSettings): Promise<Row> {
  const { smoke, rounds, sliceMs } = settings
  const cache = await open(folder, settings)
  const block = cache.partition('main').blocks - 1
  const { handle } = cache
  const data: FlipData = {
    change: { handle, engine: 'dcache', blocksOfLane: block, rangeBytes: RANGE_BYTES, blocks: 'dirty' },
    block,
    classes: CLASSES,
    pauseMs: PAUSE_MS,
  }
  const module = new URL('variants/flip.js', import.meta.url).href
  const crew = await Crew.start({ name: 'flips', module, data, lanes: 2 })
  try {
    const ms = smoke ? sliceMs : sliceMs * SLICES
    await crew.run(2, ms)
    const rates = { with: [] as number[], without: [] as number[] }
    const roundsPerSecond: number[] = []
    const run = async (flips: keyof typeof rates) => {
      const before = cache.stats().rounds
      const startMs = performance.now()
      const results = await crew.run(flips === 'with' ? 2 : 1, ms)
      const seconds = (performance.now() - startMs) / 1000
      rates[flips].push(throughputOf(results.slice(0, 1)))
      if (flips === 'with') roundsPerSecond.push((cache.stats().rounds - before) / seconds)
    }
    for (let round = 0; round < rounds; round++)
      for (const flips of round % 2 === 0 ? (['with', 'without'] as const) : (['without', 'with'] as const))
        await run(flips)
    return {
      parameters: { flips: `every ${PAUSE_MS} ms` },
      figures: {
        perSecond: spreadOf(rates.with),
        without: spreadOf(rates.without),
        ratio: ratioOf(rates.with, rates.without),
        rounds: spreadOf(roundsPerSecond),
      },
    }
  } finally {
    await crew.stop()
    await closeSound(cache)
  }
}

/** The flush of a block whose class was changed many times in a row. */
export async function measureFlipped(folder: Folder, settings: BenchSettings): Promise<Row> {
  const flips = settings.smoke ? 20 : FLIPS
  const cache = await open(folder, settings)
  const partition = cache.partition('main')
  const runs: { flips: number; roundsBefore: number; flush: number; rounds: number }[] = []
  try {
    for (let run = 0; run < Math.min(settings.rounds, FLUSHES_MAX); run++) {
      const [before, startMs] = [cache.stats().rounds, performance.now()]
      for (let flip = 0; flip < flips; flip++) {
        const guard = await partition.acquire(0, 'modify')
        guard.bytes[guard.offset]! += 1
        guard.markDirty(CLASSES[flip % CLASSES.length])
        guard.release()
      }
      const [between, flippedMs] = [cache.stats().rounds, performance.now()]
      await cache.flush()
      runs.push({
        flips: flippedMs - startMs,
        roundsBefore: between - before,
        flush: performance.now() - flippedMs,
        rounds: cache.stats().rounds - between,
      })
    }
    const of = (key: keyof (typeof runs)[number]) => spreadOf(runs.map((run) => run[key]))
    return {
      parameters: { flips },
      figures: { flips: of('flips'), roundsBefore: of('roundsBefore'), flush: of('flush'), rounds: of('rounds') },
    }
  } finally {
    await closeSound(cache)
  }
} // prettier-ignore
