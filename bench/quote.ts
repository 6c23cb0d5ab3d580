/**
 * node dist/bench/quote.js bench/results/bench.json
 *
 * Makes a table of docs/benchmarks.md from a stored run of some suites. A test compares the page, and the figures that README
 * quotes, with the tables.
 */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { BenchReport, Row } from './harness/report.js'
import { figureText } from './output/format.js'
import { setupLines } from './output/tables.js'

interface Quote {
  readonly what: string
  /** Suite and section. */
  readonly from: string
  /** Parameters of the row. */
  readonly where: Readonly<Record<string, string | number>>
  readonly keys: readonly string[]
}

const hit = (what: string, variant: string, more: Row['parameters'] = {}): Quote => ({
  what,
  from: 'hit/cost',
  where: { blocks: 16_384, pattern: 'uniform', threads: 1, variant, ...more },
  keys: ['ns', 'toFloor'],
})

const two = (what: string, variant: string, pattern: string, key: string): Quote => ({
  what,
  from: 'hit/cost',
  where: { blocks: 16_384, pattern, threads: 2, variant },
  keys: [key],
})

const suiteOf = (from: string): string => from.slice(0, from.indexOf('/'))

const partitioned = (section: string, partitions: number, keys: readonly string[]): Quote => ({
  what: {
    opening: `opening ${partitions.toLocaleString('en-US')} partition(s): time, threads, memory of the process`,
    writing: `writers, when ten of ${partitions.toLocaleString('en-US')} are written`,
    changing: `with ${partitions.toLocaleString('en-US')} partitions: adding another, dropping it`,
  }[section]!,
  from: `partitions/${section}`,
  where: { partitions },
  keys,
})

const served = (connections: number, operation: string): Quote => ({
  what: `\`dcache serve\`, ${operation} of 4 KiB, ${connections} connection(s)`,
  from: 'nbd/requests',
  where: { operation, connections, server: 'dcache serve' },
  keys: ['perSecond', 'toNbdkit'],
})

const journaled = (name: 'durable' | 'slowed', threads: number, variant: string, keys: string[]): Quote => ({
  what:
    `${variant === 'dcache' ? 'durable commits of one block' : `the same by ${variant}`}, ${threads} thread(s)` +
    (name === 'slowed' ? ', 2 ms more for each sync' : ''),
  from: `commit/${name}`,
  where: { blocks: 1, threads, variant },
  keys: ['perSecond', ...keys],
})

const changed = (what: string, variant: string, key: string): Quote => ({
  what,
  from: 'modify/floors',
  where: { what: variant, threads: 1 },
  keys: ['ns', key],
})

const committed = (what: string, files: string, pauseMs: number, threads: number, keys: string[]): Quote => ({
  what,
  from: 'disk/commits',
  where: { files, 'ms apart': pauseMs, threads },
  keys,
})

const QUOTES: readonly Quote[] = [
  hit('the floor: two atomics and a byte, 16,384 random blocks, 1 thread', 'floor'),
  hit('a hit, read by `bytes` and `offset`', 'dcache, bytes'),
  hit('a hit, read by `data`', 'dcache, data'),
  hit('`readSync` of 8 bytes', 'dcache, readSync of 8 bytes'),
  hit('`lru-cache` of its own in each thread', 'lru-cache of its own'),
  hit('`lmdb`', 'lmdb'),
  hit('`fs.readSync`', 'fs.readSync'),
  hit('asking an owner thread by message', 'owner by message'),
  two('2 threads, random blocks: scaling to that of the floor', 'dcache, bytes', 'uniform', 'scalingToFloor'),
  two('2 threads, one hot block: hits of both', 'dcache, bytes', 'hot', 'perSecond'),
  two('2 threads, one hot word: `Atomics.add` and `sub`', 'fetch-add', 'hot', 'perSecond'),
  changed(
    'the floor of a change: compare-and-swap, copy of 8 KiB, byte, subtraction',
    'floor: a change',
    'toHit',
  ),
  changed('the same, copied by `set`', 'floor: a change, copied by set', 'toFloor'),
  changed('a change of a dirty block, the whole block by guard', 'whole block, by guard', 'toFloor'),
  changed('a change of a dirty block, 64 bytes by guard', '64 bytes, by guard', 'toHit'),
  changed('`writeSync` of a dirty block', 'whole block, by writeSync', 'toFloor'),
  changed('`writeSync` of 64 bytes of a dirty block', '64 bytes, by writeSync', 'toHit'),
  ...['as it is', 'slowed to 8 ms and 50 MB/s'].map((disk) => ({
    what: `8,192 hot blocks rewritten by 2 threads, default options, disk ${disk}`,
    from: 'modify/hot-set',
    where: { disk, threads: 2 },
    keys: ['perSecond', 'toQuiet', 'stalled', 'toPlain'],
  })),
  {
    what: 'changes of other blocks, while a thread changes the class of one every 5 ms',
    from: 'modify/class-changes',
    where: {},
    keys: ['perSecond', 'ratio'],
  },
  ...[1000, 100_000].map((blocks) => ({
    what: `from a death to its block in other hands, ${blocks.toLocaleString('en-US')} blocks: p50 and p99`,
    from: 'recovery/recovery',
    where: { blocks, from: "the worker's 'exit'" },
    keys: ['p50', 'p99'],
  })),
  ...['random', 'sequential'].map((order) => ({
    what: `a miss, ${order}, the file in the page cache`,
    from: 'disk/misses',
    where: { order, io: 'buffered' },
    keys: ['miss', 'ratio'],
  })),
  ...['neighbours, 64 MiB', 'random, 64 MiB of 1 GiB'].map((kind) => ({
    what: `a flush: ${kind}`,
    from: 'disk/flushes',
    where: { what: kind, io: 'buffered' },
    keys: ['flush', 'ratio'],
  })),
  committed('a commit: one changed block and `flushSync`, on the disk', 'disk', 0, 1, ['commit', 'ratio']),
  committed('the same in memory', '/dev/shm', 0, 1, ['commit', 'roundTrips']),
  committed('the same in memory, 20 ms apart', '/dev/shm', 20, 1, ['commit', 'roundTrips']),
  committed('commits of 2 threads, on the disk', 'disk', 0, 2, ['perSecond', 'scaling', 'rateToBare']),
  {
    what: '`dcache serve`, a write of 4 KiB and a FLUSH, files in memory',
    from: 'nbd/commits',
    where: { files: '/dev/shm', request: '4 KiB', server: 'dcache serve' },
    keys: ['commit', 'toNbdkit'],
  },
  ...['disk', '/dev/shm'].flatMap((files) =>
    ['dcache serve', 'dcache serve --threads 1'].map((server) => ({
      what: `\`${server}\`, pgbench on ext4 over the device, 1 client, files on ${files}`,
      from: 'nbd/pgbench',
      where: { files, server },
      keys: ['perSecond', 'toNbdkit'],
    })),
  ),
  ...[1, 4].flatMap((count) => [served(count, 'random reads'), served(count, 'random writes')]),
  ...[1, 100, 1000].map((partitions) =>
    partitioned('opening', partitions, ['open', 'toOne', 'threads', 'rssToOne']),
  ),
  partitioned('writing', 1000, ['writers']),
  partitioned('changing', 1000, ['add', 'ratio', 'drop']),
  ...(['durable', 'slowed'] as const).flatMap((disk) =>
    [1, 4].flatMap((threads) => [
      journaled(disk, threads, 'dcache', ['toAppend', 'toSqlite']),
      journaled(disk, threads, 'append', []),
      journaled(disk, threads, 'node:sqlite, WAL', ['toAppend']),
      journaled(disk, threads, 'lmdb', ['toAppend']),
      journaled(disk, threads, 'classic-level', ['toAppend']),
    ]),
  ),
  ...['as it is', '2 ms more for each sync'].map((disk) => ({
    what: `reads of cached blocks, while another thread makes durable commits, disk ${disk}`,
    from: 'commit/reads',
    where: { disk },
    keys: ['during', 'ratio', 'toAppends'],
  })),
]

/** The suites that are quoted. */
export const QUOTED_SUITES = [...new Set(QUOTES.map(({ from }) => suiteOf(from)))]

/** The table of the run's suites as lines of Markdown. @throws if one of them lacks a row */
export function quoteLines(report: BenchReport): string[] {
  const rows = QUOTES.flatMap(({ what, from, where, keys }) => {
    const suite = report.suites.find(({ name }) => name === suiteOf(from))
    if (suite === undefined) return []
    const section = suite.sections.find(({ name }) => from === `${suite.name}/${name}`)
    const found = section?.rows.find(({ parameters }) =>
      Object.entries(where).every(([name, value]) => parameters[name] === value),
    )
    if (section === undefined || found === undefined)
      throw new Error(`the run has no ${from} with ${JSON.stringify(where)}`)
    const figures = keys.map((key) => {
      const { title, unit } = section.columns.find((column) => column.key === key)!
      const text = figureText(found.figures[key], unit)
      return unit === 'x' || unit === 'count'
        ? `${text} ${title}`
        : unit === '/s'
          ? `${text}/s`
          : `${text} ${unit}`
    })
    return [`| ${what} | ${figures.join('; ')} |`]
  })
  const spreads = rows.length === 0 ? [] : ['', '| | median (p10 - p90) |', '|---|---|', ...rows]
  return [...setupLines(report.setup), ...spreads, ...meansLines(report)]
}

/** The mean hit ratios of a run that has them: a line for each policy, a column for each trace. */
function meansLines(report: BenchReport): string[] {
  const { sections = [] } = report.suites.find(({ name }) => name === 'replay') ?? {}
  const means = sections.find(({ name }) => name === 'means')
  if (means === undefined) return []
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    '',
    line(['% hits', ...means.rows.map(({ parameters }) => String(parameters['trace']))]),
    `|---|${means.rows.map(() => '---|').join('')}`,
    ...means.columns.map(({ key, title, unit }) =>
      line([title, ...means.rows.map(({ figures }) => figureText(figures[key], unit))]),
    ),
  ]
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const report = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as BenchReport
  process.stdout.write(`${quoteLines(report).join('\n')}\n`)
}
