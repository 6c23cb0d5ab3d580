/**
 * `contention`: measures locks that several threads want: the throughput, the waits, and whether the threads get equal
 * shares.
 */
import type { CacheOptions } from 'dcache'
import { closeSound, openFull } from '../harness/cache.js'
import { type Crew, throughputOf } from '../harness/crew.js'
import { makeFolder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { runRounds } from '../harness/rounds.js'
import { spreadOf } from '../harness/spread.js'
import type { Suite } from '../harness/suite.js'
import type { LaneResult, Latency } from '../harness/task.js'
import { BLOCK_SIZE, sequenceOf, type Workload, writeBlocks } from '../hit/workload.js'
import { caches, type Contender, latch, oneBlock, primitives, start } from './crews.js'
import type { OneBlockData } from './variants/one-block.js'

const CONTENTION: readonly Column[] = [
  { key: 'perSecond', title: 'all threads', unit: '/s' },
  { key: 'p50', title: 'p50', unit: 'ns' },
  { key: 'p99', title: 'p99', unit: 'ns' },
  { key: 'p999', title: 'p99.9', unit: 'ns' },
  { key: 'fairness', title: 'slowest of the fastest', unit: '%' },
]

const STARVATION: readonly Column[] = [
  { key: 'perSecond', title: 'of that one', unit: '/s' },
  { key: 'othersPerSecond', title: 'of the others', unit: '/s' },
  { key: 'p50', title: 'p50', unit: 'ns' },
  { key: 'p99', title: 'p99', unit: 'ns' },
  { key: 'mostMs', title: 'longest wait', unit: 'ms' },
]

const SHARES: readonly Column[] = [
  { key: 'perSecond', title: 'all threads', unit: '/s' },
  { key: 'share', title: 'slowest of the fastest', unit: '%' },
  { key: 'p50', title: 'wait and hold, p50', unit: 'ns' },
  { key: 'p99', title: 'p99', unit: 'ns' },
  { key: 'mostMs', title: 'longest', unit: 'ms' },
]

/** How long a guard is held in the cases with a hold, in milliseconds. */
const HOLD_MS = 1
/** Numbers of threads on one block, and how many slices long a run is, so that each thread gets its turn. */
const SHARE_THREADS = [2, 8, 32, 64]
const SHARE_SLICES = 10
const SHARE_ROUNDS = 3

/** The slices of `starvation` are longer by this factor, because it looks for the longest wait. */
const STARVATION_SLICES = 10

export const contention: Suite = {
  name: 'contention',
  about:
    'mutex, latch, condition, ring, and a cache with one mutex compared with dcache: throughput, latency, fairness',
  seconds: 224,
  async run(settings, say) {
    const startMs = performance.now()
    const { rounds, sliceMs, smoke } = settings
    const threads = settings.threads ?? (smoke ? [1, 2] : [1, 2, 4, 8])
    const lanes = Math.max(...threads)
    const blocks = settings.blocks?.[0] ?? (smoke ? 64 : 4096)
    using folder = makeFolder()
    const path = folder.path('blocks')
    writeBlocks(path, blocks)
    const cache = await openFull({ path, blocks, blockSize: BLOCK_SIZE, policy: settings.policy })
    const sequences = Array.from({ length: lanes }, (_, lane) => sequenceOf('uniform', blocks, lane))
    const workload: Workload = { path, blocks, sequences }
    const rows: Row[] = []
    for (const contender of [...primitives(lanes), ...caches(workload, cache)]) {
      say(`contention: ${contender.name}`)
      rows.push(...(await contend(contender, threads, { rounds, sliceMs })))
    }
    await closeSound(cache)
    say('contention: one block')
    const shares = await shareOneBlock(
      path,
      smoke ? [2] : SHARE_THREADS,
      { rounds, sliceMs },
      settings.policy,
    )
    say('contention: starvation')
    const starvation = [
      ...(await starve('one writes, the others read', 'first', threads, { rounds, sliceMs })),
      ...(await starve('one reads, the others write', 'others', threads, { rounds, sliceMs })),
    ]
    return {
      name: 'contention',
      title: 'Contention',
      about: 'Several threads that use the same lock, ring or block at the same time.',
      sections: [
        {
          name: 'contention',
          title: 'Throughput, latency, fairness',
          about:
            'The throughput of all threads together, and the latency of single operations, including the clock (about ' +
            '40 ns). Throughput and latency are measured in separate slices. The last column is the share of the slowest ' +
            `thread compared with the fastest. The two caches hold ${blocks} blocks, accessed at random.`,
          columns: CONTENTION,
          rows,
        },
        {
          name: 'starvation',
          title: 'Starvation at the latch',
          about:
            'The waits of one thread at a latch that the other threads take without a pause. If there are more threads ' +
            'than cores, the waits include the time in which the thread does not run.',
          columns: STARVATION,
          rows: starvation,
        },
        {
          name: 'shares',
          title: 'One block that all threads want',
          about:
            `Threads take the same block of a cache repeatedly, without a pause. With a hold, each keeps its guard for ` +
            `${HOLD_MS} ms. Shares compare the threads that do the same. Latencies are those of the slowest thread, ` +
            'including its own hold.',
          columns: SHARES,
          rows: shares,
        },
      ],
      leftOut: [],
      seconds: (performance.now() - startMs) / 1000,
    }
  },
}

interface Slices {
  readonly rounds: number
  readonly sliceMs: number
}

async function contend(contender: Contender, threads: readonly number[], slices: Slices): Promise<Row[]> {
  const counts = threads.filter((count) => contender.isOfPairs !== true || count % 2 === 0)
  if (counts.length === 0) return []
  const crew = await start(contender, Math.max(...counts))
  try {
    const outcome = (await runRounds([crew], { ...slices, threads: counts, isTimed: true })).get(crew)!
    const rows: Row[] = []
    for (const [count, results] of outcome) {
      const { p50, p99, p999 } = worst(await crew.latencies(count))
      const fairness = results.map(shareOfSlowest)
      rows.push({
        parameters: { what: contender.name, threads: count },
        figures: {
          perSecond: spreadOf(results.map(throughputOf)),
          p50,
          p99,
          p999,
          fairness: count === 1 ? null : spreadOf(fairness),
        },
      })
    }
    assertRight(contender, crew)
    return rows
  } finally {
    await crew.stop()
  }
}

/** The rate of the slowest lane, in percent of that of the fastest. */
function shareOfSlowest(lanes: readonly LaneResult[]): number {
  const rates = lanes.map(({ operations, ms }) => operations / ms)
  return (100 * Math.min(...rates)) / Math.max(...rates)
}

/** The highest latencies of all lanes. */
function worst(latencies: readonly Latency[]): Latency {
  const most = (key: keyof Latency) => Math.max(...latencies.map((latency) => latency[key]))
  return { count: most('count'), p50: most('p50'), p99: most('p99'), p999: most('p999'), most: most('most') }
}

async function starve(
  name: string,
  writes: 'first' | 'others',
  threads: readonly number[],
  { rounds, sliceMs }: Slices,
): Promise<Row[]> {
  const rows: Row[] = []
  const counts = threads.filter((count) => count > 1)
  if (counts.length === 0) return []
  const contender = latch(name, writes, Math.max(...counts))
  const crew = await start(contender, Math.max(...counts))
  try {
    for (const count of counts) {
      const results = []
      for (let round = 0; round < rounds; round++) {
        results.push(await crew.run(count, sliceMs))
        await crew.time(count, sliceMs * STARVATION_SLICES)
      }
      const { p50, p99, most } = (await crew.latencies(count))[0]!
      rows.push({
        parameters: { what: name, threads: count },
        figures: {
          perSecond: spreadOf(results.map((lanes) => throughputOf(lanes.slice(0, 1)))),
          othersPerSecond: spreadOf(results.map((lanes) => throughputOf(lanes.slice(1)))),
          p50,
          p99,
          mostMs: most / 1e6,
        },
      })
    }
    assertRight(contender, crew)
    return rows
  } finally {
    await crew.stop()
  }
}

interface ShareCase {
  readonly what: string
  readonly readers: OneBlockData['readers']
  readonly holdMs: number
}

const SHARE_CASES: readonly ShareCase[] = [
  { what: 'all change it', readers: 'none', holdMs: 0 },
  { what: 'all change it, with a hold', readers: 'none', holdMs: HOLD_MS },
  { what: 'one changes it, the others read, with a hold', readers: 'all but the first', holdMs: HOLD_MS },
  { what: 'one reads it, the others change it, with a hold', readers: 'first', holdMs: HOLD_MS },
]

/** A row for each case and number of threads. If one thread differs from the others, it gets a row of its own. */
async function shareOneBlock(
  path: string,
  threads: readonly number[],
  { rounds, sliceMs }: Slices,
  policy: CacheOptions['policy'] | undefined,
): Promise<Row[]> {
  const rows: Row[] = []
  for (const { what, readers, holdMs } of SHARE_CASES) {
    const lanes = Math.max(...threads)
    const cache = await openFull({
      path,
      blocks: 64,
      blockSize: BLOCK_SIZE,
      policy,
      more: { threads: lanes },
    })
    const data: OneBlockData = { handle: cache.handle, readers, holdMs }
    const crew = await start(oneBlock(what, data), lanes)
    try {
      for (const count of threads) {
        await crew.run(count, sliceMs) // warm-up: code that is not compiled yet makes many threads look slow
        const results = []
        for (let round = 0; round < Math.min(rounds, SHARE_ROUNDS); round++) {
          await crew.time(count, sliceMs * SHARE_SLICES)
          results.push(await crew.run(count, sliceMs * SHARE_SLICES))
        }
        const latencies = await crew.latencies(count)
        for (const { name, from, to } of parts(what, readers, count)) {
          const lanesOf = results.map((all) => all.slice(from, to))
          const { p50, p99, most } = worst(latencies.slice(from, to))
          rows.push({
            parameters: { what: name, threads: count },
            figures: {
              perSecond: spreadOf(lanesOf.map(throughputOf)),
              share: to - from === 1 ? null : spreadOf(lanesOf.map(shareOfSlowest)),
              p50,
              p99,
              mostMs: most / 1e6,
            },
          })
        }
      }
    } finally {
      await crew.stop()
      await closeSound(cache)
    }
  }
  return rows
}

function parts(what: string, readers: OneBlockData['readers'], count: number) {
  if (readers === 'none') return [{ name: what, from: 0, to: count }]
  return [
    { name: `${what}: the one`, from: 0, to: 1 },
    { name: `${what}: the others`, from: 1, to: count },
  ]
}

function assertRight(contender: Contender, crew: Crew): void {
  if (!contender.isRight(crew))
    throw new Error(`${contender.name}: memory does not show the effect of all operations`)
}
