/**
 * node dist/bench/quote.js bench/results/bench.json
 *
 * Makes the table of docs/benchmarks.md from a stored run. A test compares the page, and the figures that README
 * quotes, with the table.
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

const served = (connections: number, operation: string): Quote => ({
  what: `\`dcache serve\`, ${operation} of 4 KiB, ${connections} connection(s)`,
  from: 'nbd/requests',
  where: { operation, connections, server: 'dcache serve' },
  keys: ['perSecond', 'toNbdkit'],
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
  ...[1, 4].flatMap((count) => [served(count, 'random reads'), served(count, 'random writes')]),
]

/** The table as lines of Markdown. @throws if the run lacks a row */
export function quoteLines(report: BenchReport): string[] {
  const rows = QUOTES.map(({ what, from, where, keys }) => {
    const [suiteName, sectionName] = from.split('/')
    const section = report.suites
      .find(({ name }) => name === suiteName)
      ?.sections.find(({ name }) => name === sectionName)
    const found = section?.rows.find(({ parameters }) =>
      Object.entries(where).every(([name, value]) => parameters[name] === value),
    )
    if (section === undefined || found === undefined)
      throw new Error(`the run has no ${from} with ${JSON.stringify(where)}`)
    const figures = keys.map((key) => {
      const { title, unit } = section.columns.find((column) => column.key === key)!
      const text = figureText(found.figures[key], unit)
      return unit === 'x' ? `${text} ${title}` : unit === '/s' ? `${text}/s` : `${text} ${unit}`
    })
    return `| ${what} | ${figures.join('; ')} |`
  })
  return [...setupLines(report.setup), '', '| | median (p10 - p90) |', '|---|---|', ...rows]
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const report = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as BenchReport
  process.stdout.write(`${quoteLines(report).join('\n')}\n`)
}
