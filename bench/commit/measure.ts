/**
 * The commits and reads of one disk: starts the competitors, and runs them in rounds. In a process of its own (program.ts), since
 * the library that slows a disk has to be there from the beginning.
 */
import { writeFileSync } from 'node:fs'
import { closeSound, openFull } from '../harness/cache.js'
import { Crew, throughputOf } from '../harness/crew.js'
import { type Folder, makeFolder } from '../harness/folder.js'
import { isInstalled } from '../harness/peers.js'
import type { Column, Row } from '../harness/report.js'
import { runRounds, scalingOf, warmUp } from '../harness/rounds.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { BenchSettings } from '../harness/suite.js'
import type { AppendData } from './variants/append.js'
import { BLOCK_SIZE, type CommitWork } from './variants/commit-work.js'
import type { DcacheData } from './variants/dcache.js'
import type { ReadData } from './variants/read.js'
import { createDatabase, importSqlite } from './variants/sqlite.js'

export const COMMITS: readonly Column[] = [
  { key: 'perSecond', title: 'commits, all threads', unit: '/s' },
  { key: 'toAppend', title: 'to append', unit: 'x' },
  { key: 'toSqlite', title: 'to node:sqlite', unit: 'x' },
  { key: 'scaling', title: 'to one thread', unit: 'x' },
]

export const READS: readonly Column[] = [
  { key: 'alone', title: 'reads, alone', unit: '/s' },
  { key: 'during', title: 'reads, while another thread commits', unit: '/s' },
  { key: 'ratio', title: 'to alone', unit: 'x' },
  { key: 'commits', title: 'commits in the meantime', unit: '/s' },
  { key: 'toAppends', title: 'to reads while another thread appends', unit: 'x' },
  { key: 'appends', title: 'appends in the meantime', unit: '/s' },
]

export const DCACHE = 'dcache'
export const APPEND = 'append'
export const SQLITE = 'node:sqlite, WAL'
const SIZES = [1, 8]
const BLOCKS_OF_LANE = 64
/** Blocks of the partition; the lanes' come first. */
const BLOCKS = 4096
const FILE_BYTES = 64 * 2 ** 20
/** Page of a record in front of its blocks. */
const HEADER_BYTES = 4096
/** How long a variant runs in a round, in slices of the settings. */
const SLICES = 4
/** So many commits of a thread until V8 has compiled what a flush runs; without, a long-running program would not be measured. */
const WARM_COMMITS = 10_000

export interface Measured {
  readonly durable: readonly Row[]
  /** Not durable. */
  readonly relaxed: readonly Row[]
  readonly reads: readonly Row[]
  readonly leftOut: readonly string[]
}

export interface MeasureSettings extends Pick<BenchSettings, 'smoke' | 'rounds' | 'sliceMs' | 'threads' | 'peers' | 'policy'> {
  readonly isSlow: boolean
} // prettier-ignore

const warmOf = ({ smoke }: MeasureSettings) =>
  smoke ? { warmSlices: 3, warmBatches: 1 } : { warmSlices: 40, warmBatches: WARM_COMMITS }

const moduleOf = (name: string) => new URL(`variants/${name}.js`, import.meta.url).href

export async function measure(settings: MeasureSettings, say: (text: string) => void): Promise<Measured> {
  const leftOut: string[] = []
  const peers = settings.peers ? await findPeers(leftOut) : []
  const [durable, relaxed]: [Row[], Row[]] = [[], []]
  for (const isDurable of settings.isSlow ? [true] : [true, false]) {
    for (const size of SIZES) {
      say(`commit: ${size} block(s), ${isDurable ? 'durable' : 'not durable'}`)
      ;(isDurable ? durable : relaxed).push(...(await measureCommits(settings, { isDurable, size, peers })))
    }
  }
  say('commit: reads')
  return { durable, relaxed, reads: [await measureReads(settings)], leftOut }
}

type Peer = 'lmdb' | 'sqlite' | 'level'

async function findPeers(leftOut: string[]): Promise<Peer[]> {
  const peers: Peer[] = []
  if (isInstalled('lmdb', leftOut)) peers.push('lmdb')
  if ((await importSqlite()) !== undefined) peers.push('sqlite')
  else leftOut.push(`node:sqlite: Node.js ${process.version} does not have it; 22.13 and later do`)
  if (isInstalled('classic-level', leftOut)) peers.push('level')
  return peers
}

interface Kind {
  readonly isDurable: boolean
  readonly size: number
  readonly peers: readonly Peer[]
}

async function measureCommits(settings: MeasureSettings, kind: Kind): Promise<Row[]> {
  const threads = settings.threads ?? [1, settings.smoke ? 2 : 4]
  using folder = makeFolder()
  const cache = await openJournaled(folder, settings)
  const crews: Crew[] = []
  let close: (() => Promise<void>) | undefined
  try {
    const lanes = Math.max(...threads)
    const workOf = (name: string): CommitWork => {
      const { isDurable, size } = kind
      return { path: folder.path(name), isDurable, size, blocksOfLane: BLOCKS_OF_LANE }
    }
    const start = async (name: string, module: string, data: unknown) => {
      crews.push(await Crew.start({ name, module: moduleOf(module), data, lanes }))
    }
    const appends = async (name: string, headerBytes: number, fileBytes: number) => {
      const work = workOf(`append-${crews.length}`)
      writeFileSync(work.path, Buffer.alloc(fileBytes), { flush: true })
      const count = new Int32Array(new SharedArrayBuffer(4))
      const data: AppendData = { work, headerBytes, fileBytes, count }
      await start(name, 'append', data)
    }
    const ours: DcacheData = { work: workOf('main'), handle: cache.handle }
    await start(DCACHE, 'dcache', ours)
    await appends(APPEND, 0, FILE_BYTES)
    await appends(`${APPEND}, with a page in front`, HEADER_BYTES, FILE_BYTES)
    await appends(`${APPEND}, the file grows`, 0, 0)
    for (const peer of kind.peers) {
      const work = workOf(`${peer}.db`)
      if (peer === 'sqlite') await createDatabase(work.path)
      // Only if it is installed.
      if (peer === 'level') close = await (await import('./variants/level.js')).holdLevel(work.path)
      await start(peer === 'sqlite' ? SQLITE : peer === 'level' ? 'classic-level' : peer, peer, { work })
    }
    const { rounds, smoke } = settings
    const sliceMs = settings.sliceMs * (smoke ? 1 : SLICES)
    const warm = warmOf(settings)
    const outcome = await runRounds(crews, { rounds, sliceMs, threads, ...warm })
    const ratesOf = (crew: Crew, count: number) => outcome.get(crew)!.get(count)!.map(throughputOf)
    const named = (name: string) => crews.find((crew) => crew.name === name)
    const sqlite = named(SQLITE)
    return threads.flatMap((count) =>
      crews.map((crew) => {
        const rates = ratesOf(crew, count)
        const scaling = scalingOf(outcome.get(crew)!, count)
        return {
          parameters: { blocks: kind.size, threads: count, variant: crew.name },
          figures: {
            perSecond: spreadOf(rates),
            toAppend: ratioOf(rates, ratesOf(named(APPEND)!, count)),
            toSqlite: sqlite === undefined ? null : ratioOf(rates, ratesOf(sqlite, count)),
            scaling: scaling === undefined ? null : spreadOf(scaling),
          },
        }
      }),
    )
  } finally {
    await Promise.all(crews.map((crew) => crew.stop()))
    await close?.()
    await closeSound(cache)
  }
}

function openJournaled(folder: Folder, { policy }: MeasureSettings) {
  const path = folder.path('main')
  writeFileSync(path, Buffer.alloc(BLOCKS * BLOCK_SIZE), { flush: true })
  const more = {
    memory: '64MiB',
    groups: { main: { journal: { path: folder.path('journal'), size: FILE_BYTES } } },
    partitions: { main: { path, blockSize: BLOCK_SIZE, group: 'main' } },
  }
  return openFull({ path, blocks: BLOCKS, blockSize: BLOCK_SIZE, policy, more })
}

/** Of the reader, and of the thread next to it, by round. */
interface Rates {
  readonly other: number[]
  readonly read: number[]
}

async function measureReads(settings: MeasureSettings): Promise<Row> {
  using folder = makeFolder()
  const cache = await openJournaled(folder, settings)
  const crews: Crew[] = []
  try {
    const { handle } = cache
    const data: ReadData = { handle, blocks: BLOCKS }
    const reader = await Crew.start({ name: 'read', module: moduleOf('read'), data, lanes: 1 })
    crews.push(reader)
    const path = folder.path('main')
    const work: CommitWork = { path, isDurable: true, size: 1, blocksOfLane: BLOCKS_OF_LANE }
    const ours: DcacheData = { work, handle }
    const writer = await Crew.start({ name: DCACHE, module: moduleOf('dcache'), data: ours, lanes: 1 })
    crews.push(writer)
    const appendWork: CommitWork = { ...work, path: folder.path('append') }
    writeFileSync(appendWork.path, Buffer.alloc(FILE_BYTES), { flush: true })
    const count = new Int32Array(new SharedArrayBuffer(4))
    const floor: AppendData = { work: appendWork, headerBytes: 0, fileBytes: FILE_BYTES, count }
    const appender = await Crew.start({ name: APPEND, module: moduleOf('append'), data: floor, lanes: 1 })
    crews.push(appender)
    const ms = settings.sliceMs * (settings.smoke ? 1 : SLICES)
    const { warmSlices, warmBatches } = warmOf(settings)
    await warmUp(reader, 1, ms, warmSlices)
    for (const crew of [writer, appender]) await warmUp(crew, 1, ms, warmSlices, warmBatches)
    const rates = new Map<Crew, Rates>()
    for (const crew of [reader, writer, appender]) rates.set(crew, { other: [], read: [] })
    for (let round = 0; round < settings.rounds; round++) {
      const order = round % 2 === 0 ? [reader, writer, appender] : [appender, writer, reader]
      for (const crew of order) {
        const { other, read } = rates.get(crew)!
        // The reader begins and ends within the time of the other thread.
        const beside = crew === reader ? undefined : crew.run(1, 1.5 * ms)
        read.push(throughputOf(await reader.run(1, ms)))
        if (beside) other.push(throughputOf(await beside))
      }
    }
    const [alone, commits, appends] = [reader, writer, appender].map((crew) => rates.get(crew)!) as [
      Rates,
      Rates,
      Rates,
    ]
    return {
      parameters: { blocks: 1 },
      figures: {
        alone: spreadOf(alone.read),
        during: spreadOf(commits.read),
        ratio: ratioOf(commits.read, alone.read),
        commits: spreadOf(commits.other),
        toAppends: ratioOf(commits.read, appends.read),
        appends: spreadOf(appends.other),
      },
    }
  } finally {
    await Promise.all(crews.map((crew) => crew.stop()))
    await closeSound(cache)
  }
}
