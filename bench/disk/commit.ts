/**
 * Commits: one changed block and a flush, compared with a bare write and fsync, by one thread and several. Of everything; and to a
 * log, the first class, while many blocks of a later class are dirty.
 */
import type { BlockCache, CacheOptions } from 'dcache'
import { closeSound, memoryFor, openFull } from '../harness/cache.js'
import { Crew, nsOf, throughputOf } from '../harness/crew.js'
import { copyEngine } from '../harness/engine-copy.js'
import { filePlaces, IN_MEMORY, makeFolder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { scalingOf, warmUp } from '../harness/rounds.js'
import { SLOW, SLOW_DISK } from '../harness/slow-disk.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { BenchSettings } from '../harness/suite.js'
import type { LaneResult } from '../harness/task.js'
import type { BareCommitData } from './variants/bare-commit.js'
import type { CommitWork } from './variants/commit-work.js'
import type { CommitData } from './variants/commit.js'
import { WAKE_WORDS, type WakeData } from './variants/wake.js'
import { BLOCK_SIZE, makeFile, verify } from './workload.js'

export const COMMITS: readonly Column[] = [
  { key: 'commit', title: 'a commit', unit: 'us' },
  { key: 'bare', title: 'bare write and fsync', unit: 'us' },
  { key: 'ratio', title: 'time to bare', unit: 'x' },
  { key: 'roundTrips', title: 'added, in wake-up round trips', unit: 'x' },
  { key: 'perSecond', title: 'commits, all threads', unit: '/s' },
  { key: 'scaling', title: 'to one thread', unit: 'x' },
  { key: 'rateToBare', title: "to bare's rate", unit: 'x' },
]

export const PAUSE_MS = 20
const BLOCKS_OF_LANE = 64
/** Blocks of a later class that are dirty while a log is written. */
export const LATER_BLOCKS = 4096
const THREADS = [1, 2, 4]
/** A slice without pauses, and the timed part of one with pauses, in slices of the settings. */
const [SLICES, PAUSED_SLICES] = [4, 0.2]
const WARM_SLICES = 3
/** The first ones are slow, because the thread that writes starts with them. */
const FIRST_COMMITS = 20

interface Case {
  readonly files: string
  readonly parent: string
  readonly pauseMs: number
  readonly threads: readonly number[]
  readonly isSlow: boolean
  /** Whether the commits are to a log. */
  readonly isLog: boolean
}

/** At once one after the other, and with pauses, by one thread; several threads; and on a slow disk. */
function casesOf({ threads, smoke }: BenchSettings, isLog: boolean, leftOut: string[]): Case[] {
  const places = filePlaces(leftOut)
  const counts = threads ?? (smoke ? [1, 2] : THREADS)
  const cases: Case[] = []
  for (const [files, parent] of places) {
    cases.push({ files, parent, pauseMs: 0, threads: counts, isSlow: false, isLog })
    if (!isLog && (!smoke || files === 'disk'))
      cases.push({ files, parent, pauseMs: PAUSE_MS, threads: [1], isSlow: false, isLog })
  }
  const parent = places.get(IN_MEMORY) ?? places.get('disk')!
  cases.push({ files: SLOW, parent, pauseMs: 0, threads: counts, isSlow: true, isLog })
  return cases
}

export async function measureCommits(
  settings: BenchSettings,
  isLog: boolean,
  leftOut: string[],
  say: (text: string) => void,
): Promise<Row[]> {
  const rows: Row[] = []
  for (const one of casesOf(settings, isLog, leftOut)) {
    say(`disk: commits${isLog ? ' to a log' : ''}, files on ${one.files}, ${one.pauseMs} ms apart`)
    rows.push(...(await measure(one, settings)))
  }
  return rows
}

const moduleOf = (name: string) => new URL(`variants/${name}.js`, import.meta.url).href

async function measure(one: Case, settings: BenchSettings): Promise<Row[]> {
  const { parent, pauseMs, threads, isSlow, isLog } = one
  const lanes = Math.max(...threads)
  const blocks = lanes * BLOCKS_OF_LANE
  using folder = makeFolder(parent)
  using copies = makeFolder()
  const engine = isSlow ? copyEngine(copies.path('slow'), SLOW_DISK) : 'dcache'
  const [ours, theirs] = ['ours', 'bare'].map((name): CommitWork => {
    const path = folder.path(name)
    makeFile(path, blocks)
    const wanted = new Int32Array(new SharedArrayBuffer(blocks * 4))
    return { path, blocksOfLane: BLOCKS_OF_LANE, pauseMs, wanted }
  }) as [CommitWork, CommitWork]
  const { path } = ours
  const more = isLog ? laterClass(folder.path('later'), path, blocks) : {}
  const cache = await openFull({ path, blocks, blockSize: BLOCK_SIZE, policy: settings.policy, engine, more })
  const partition = cache.partition('main')
  for (let i = 0; i < (settings.smoke ? 1 : FIRST_COMMITS); i++) {
    const guard = await partition.acquire(0, 'modify')
    guard.markDirty()
    guard.release()
    await cache.flush()
  }
  if (isLog) await makeDirty(cache)
  const crews: Crew[] = []
  const start = async (name: string, data: unknown, count = lanes) => {
    const crew = await Crew.start({ name, module: moduleOf(name), data, lanes: count })
    crews.push(crew)
    return crew
  }
  try {
    const data: CommitData = {
      work: ours,
      handle: cache.handle,
      engine,
      scope: isLog ? { through: 'log' } : {},
    }
    const commit = await start('commit', data)
    const bareData: BareCommitData = { work: theirs, isSlow }
    const bare = await start('bare-commit', bareData)
    const wakeData: WakeData = { words: new Int32Array(new SharedArrayBuffer(WAKE_WORDS * 4)) }
    const wake = await start('wake', wakeData, 2)
    return rowsOf(one, await runCommits({ commit, bare, wake }, one, settings))
  } finally {
    await Promise.all(crews.map((crew) => crew.stop()))
    await closeSound(cache)
    for (const { path: file, wanted } of [ours, theirs]) verify({ paths: [file], wanted: [wanted] })
  }
}

/** Options of a cache with a log, 'main', and a partition of a later class, which no round writes before the end. */
function laterClass(later: string, log: string, blocks: number): Partial<CacheOptions> {
  makeFile(later, LATER_BLOCKS)
  return {
    memory: memoryFor(2 * (blocks + LATER_BLOCKS), BLOCK_SIZE),
    writeOrder: ['log', 'data'],
    partitions: { main: { path: log, blockSize: BLOCK_SIZE }, later: { path: later, blockSize: BLOCK_SIZE } },
    flushDelayMs: 2 ** 31 - 1,
    dirtyBackground: 1,
  }
}

async function makeDirty(cache: BlockCache): Promise<void> {
  const partition = cache.partition('later')
  for (let block = 0; block < LATER_BLOCKS; block++) {
    const guard = await partition.acquire(block, 'overwrite')
    guard.data.fill(1)
    guard.markDirty('data')
    guard.release()
  }
}

interface Crews {
  readonly commit: Crew
  readonly bare: Crew
  readonly wake: Crew
}
type Results = Map<number, LaneResult[][]>

interface Outcome {
  readonly commit: Results
  readonly bare: Results
  /** Nanoseconds of a round trip in each round. */
  readonly wakeNs: number[]
}

async function runCommits(
  { commit, bare, wake }: Crews,
  { threads, pauseMs }: Case,
  { rounds, sliceMs, smoke }: BenchSettings,
): Promise<Outcome> {
  const ms = smoke ? sliceMs : sliceMs * (pauseMs === 0 ? SLICES : PAUSED_SLICES)
  for (const crew of [commit, bare]) await warmUp(crew, Math.max(...threads), ms, WARM_SLICES)
  await warmUp(wake, 2, sliceMs, WARM_SLICES)
  const empty = (): Results => new Map(threads.map((count) => [count, []]))
  const outcome: Outcome = { commit: empty(), bare: empty(), wakeNs: [] }
  for (let round = 0; round < rounds; round++) {
    for (const count of threads) {
      const order = [[commit, outcome.commit], [bare, outcome.bare]] as const // prettier-ignore
      for (const [crew, results] of round % 2 === 0 ? order : order.toReversed())
        results.get(count)!.push(await crew.run(count, ms))
    }
    // The lane that ends last has batches that the other one did not answer.
    outcome.wakeNs.push(Math.max(...(await wake.run(2, sliceMs)).map(({ ns }) => ns)))
  }
  return outcome
}

function rowsOf({ files, pauseMs, threads, isLog }: Case, { commit, bare, wakeNs }: Outcome): Row[] {
  return threads.map((count) => {
    const [mine, its] = [commit.get(count)!, bare.get(count)!]
    const [us, bareUs] = [mine, its].map((all) => all.map((results) => nsOf(results) / 1000)) as [
      number[],
      number[],
    ]
    const added = us.map((value, round) => value - bareUs[round]!)
    const scaling = scalingOf(commit, count)
    return {
      parameters: isLog ? { files, threads: count } : { files, 'ms apart': pauseMs, threads: count },
      figures: {
        commit: spreadOf(us),
        bare: spreadOf(bareUs),
        ratio: ratioOf(us, bareUs),
        roundTrips: ratioOf(added.map((value) => value * 1000), wakeNs),
        perSecond: spreadOf(mine.map(throughputOf)),
        scaling: scaling === undefined ? null : spreadOf(scaling),
        rateToBare: ratioOf(mine.map(throughputOf), its.map(throughputOf)),
      },
    }
  })
} // prettier-ignore
