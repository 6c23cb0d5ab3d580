/**
 * `replay`: counts the hits of a trace, by victim policy, by size of the cache and over time.
 */
import { blockSource } from '#dist/workload/pattern.js'
import { Random } from '#dist/workload/random.js'
import type { Column, Row, Section } from '../harness/report.js'
import type { BenchSettings, Suite } from '../harness/suite.js'
import { type ComparedPolicy, OVER_TIME, POLICIES } from './policies.js'
import { restartRow, RESTARTS } from './restart.js'
import { hitsByPart } from './simulator.js'
import { type Trace, traceOf } from './trace.js'

/** Shares of the trace's distinct blocks, used if no sizes are given. */
const SHARES = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2]
/** The parts of a trace for the hits over time, and how many of them a row of the text has. */
const PARTS = 100
const PARTS_IN_TEXT = 10
const ALL_TRACES = 'all'
/** The name of the synthetic trace. */
export const MADE_UP = 'made up'

const columnsOf = (policies: readonly ComparedPolicy[]): Column[] =>
  policies.map(({ key, title }) => ({ key, title, unit: '%' }))

export const replay: Suite = {
  name: 'replay',
  about:
    'recorded traces (--trace) through the victim policies: hit ratio by size and over time, compared with the policies of ' +
    'research and the best possible',
  seconds: 20,
  async run(settings, say) {
    const startMs = performance.now()
    const traces = new Map(settings.traces)
    const leftOut: string[] = []
    if (traces.size === 0) {
      traces.set(MADE_UP, madeUp(settings.smoke ? 5000 : 500_000))
      leftOut.push('recorded traces: none was given with --trace; a synthetic one is used')
    }
    const replays: Replay[] = []
    const restarts: Row[] = []
    for (const [name, trace] of traces) {
      say(`replay: ${name}, a restart`)
      restarts.push(await restartRow(name, trace, settings.smoke ? 2000 : 400_000))
      replays.push(await replayOf(name, trace, settings, say))
    }
    return {
      name: 'replay',
      title: 'Hit ratios',
      about: 'Traces replayed through the victim policies.',
      sections: [ratios(replays), means(replays), time(replays), restartSection(restarts)],
      leftOut,
      seconds: (performance.now() - startMs) / 1000,
    }
  },
}

/** The replays of one trace. */
interface Replay {
  readonly name: string
  /** A row for each size. */
  readonly ratios: readonly Row[]
  /** The size of the hits over time, and for each policy its hits in percent of each part. */
  readonly middle: number
  readonly parts: ReadonlyMap<string, readonly number[]>
}

async function replayOf(
  name: string,
  blocks: Uint32Array,
  { sizes: given }: BenchSettings,
  say: (text: string) => void,
): Promise<Replay> {
  const trace = traceOf(blocks)
  const [accesses, distinct] = [blocks.length, trace.names.length]
  const chosen =
    given.get(name) ??
    given.get(undefined) ??
    SHARES.map((share) => Math.max(2, Math.round(share * distinct)))
  const sizes = [...new Set(chosen)]
  const middle = [...sizes].sort((a, b) => a - b)[sizes.length >> 1]!
  const parts = new Map<string, readonly number[]>()
  const rows: Row[] = []
  for (const size of sizes) {
    say(`replay: ${name}, ${size} blocks`)
    const figures: Record<string, number> = {}
    for (const { key, make } of POLICIES) {
      const hits = hitsByPart(make, trace, size, Math.min(PARTS, accesses))
      figures[key] = (100 * sum(hits)) / accesses
      if (size === middle) parts.set(key, hits.map((count, part) => (100 * count) / lengthOf(trace, part, hits.length))) // prettier-ignore
      // A caller's signals and the monitor's page get their turn.
      await new Promise(setImmediate)
    }
    rows.push({ parameters: { trace: name, accesses, distinct, blocks: size }, figures })
  }
  return { name, ratios: rows, middle, parts }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
const meanOf = (numbers: readonly number[]): number => sum(numbers) / numbers.length

/** The accesses of one of `count` parts. */
const lengthOf = ({ ids: { length } }: Trace, part: number, count: number): number =>
  Math.floor(((part + 1) * length) / count) - Math.floor((part * length) / count)

function ratios(replays: readonly Replay[]): Section {
  return {
    name: 'ratios',
    title: 'Hits by policy',
    about:
      "Share of the accesses that are hits. The engine's policies decide; the cache around them is simulated, as are the " +
      'policies of research, after their papers. The best possible knows the future, so no policy can exceed it.',
    columns: columnsOf(POLICIES),
    rows: replays.flatMap(({ ratios: rows }) => rows),
  }
}

/** The mean over the sizes of each trace, and the mean of these means. */
function means(replays: readonly Replay[]): Section {
  const figuresOf = (rows: readonly Row[]) =>
    Object.fromEntries(POLICIES.map(({ key }) => [key, meanOf(rows.map(({ figures }) => figures[key] as number))])) // prettier-ignore
  const each = replays.map(({ name, ratios: rows }): Row => ({
    parameters: { trace: name, sizes: rows.length },
    figures: figuresOf(rows),
  }))
  const all = { trace: ALL_TRACES, sizes: sum(replays.map(({ ratios: rows }) => rows.length)) }
  return {
    name: 'means',
    title: 'Hits in the mean',
    about: `The mean of the hit ratios over the sizes of a trace. "${ALL_TRACES}" is the mean of these means, so every trace counts alike.`,
    columns: columnsOf(POLICIES),
    rows: [...each, { parameters: all, figures: figuresOf(each) }],
  }
}

function time(replays: readonly Replay[]): Section {
  const rowsOf = (width: number) =>
    replays.flatMap(({ name, middle, parts }) => {
      const count = parts.values().next().value!.length
      return Array.from({ length: Math.ceil(count / width) }, (_, row): Row => {
        const [first, end] = [row * width, Math.min(count, (row + 1) * width)]
        const figures = OVER_TIME.map(({ key }) => [key, meanOf(parts.get(key)!.slice(first, end))] as const)
        const percent = Math.round((100 * end) / count)
        return {
          parameters: { trace: name, blocks: middle, 'up to, %': percent },
          figures: Object.fromEntries(figures),
        }
      })
    })
  return {
    name: 'time',
    title: 'Hits over time',
    about:
      'Share of the accesses that are hits in each hundredth of the trace (in text: each tenth), in a cache of the middle size. ' +
      'It shows how soon a policy adapts when the load changes.',
    columns: columnsOf(OVER_TIME),
    rows: rowsOf(1),
    textRows: rowsOf(PARTS_IN_TEXT),
  }
}

const restartSection = (rows: readonly Row[]): Section => ({
  name: 'restarts',
  title: 'Hits after a restart',
  about:
    'The engine replays the first half of the trace, is closed and opened again, and replays a tenth of the rest, of which ' +
    'the share of hits is given: cold, and with the list of what was cached (the option `warm`), once the blocks are read ' +
    'back. The cache has an eighth of the distinct blocks, and the default policy. At most 400,000 accesses of a trace.',
  columns: RESTARTS,
  rows,
})

/** Popular blocks, scans and a loop. It exercises every policy, but is not representative. */
function madeUp(accesses: number): Uint32Array {
  const random = new Random(1, 0)
  const blocks = Math.max(100, accesses >>> 4)
  const popular = blockSource({ kind: 'zipf', exponent: 0.9 }, blocks, random, 0, 1)
  let [scan, loop] = [blocks, 0]
  return Uint32Array.from({ length: accesses }, () => {
    const kind = random.unit()
    if (kind < 0.6) return popular()
    return kind < 0.8 ? scan++ : loop++ % Math.max(10, blocks >>> 4)
  })
}
