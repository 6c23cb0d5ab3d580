/**
 * The plots of each suite, made from its rows. A suite without one has its tables only.
 */
import { FLOOR_AGAIN } from '../hit/crews.js'
import { type SuiteReport, valueOf } from '../harness/report.js'
import { diskCharts } from './disk-charts.js'
import {
  blocksText,
  type Chart,
  dots,
  HALF_WIDTH,
  lines,
  nsText,
  PALETTE,
  type PlotLibrary,
  type Point,
  pointsOf,
  sectionOf,
  threadsText,
  valuesOf,
  WIDTH,
} from './plots.js'

function hitCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const cost = sectionOf(suite, 'cost')
  if (cost === undefined) return []
  const threads = valuesOf(cost.rows, 'threads').map(Number)
  const least = Math.min(...threads)
  const variants = valuesOf(cost.rows, 'variant').map(String)
  const facet = { fx: 'pattern', fy: (d: Point) => blocksText(Number(d['blocks'])) }
  const isOurs = (d: Point) => (String(d['variant']).startsWith('dcache') ? PALETTE[1]! : PALETTE[0]!)
  const rowsCount = valuesOf(cost.rows, 'blocks').length
  const alone = pointsOf(cost.rows.filter(({ parameters }) => parameters['threads'] === least), 'ns') // prettier-ignore
  const fx = { domain: valuesOf(cost.rows, 'pattern'), label: null }
  // The A/A line would lie on the floor's.
  const together = cost.rows.filter(({ parameters }) => parameters['variant'] !== FLOOR_AGAIN)
  const many = pointsOf(together, 'perSecond', 1e-6).filter(({ value }) => value! > 1)
  const fast = variants.filter((variant) => many.some((point) => point['variant'] === variant))
  const fyDomain = valuesOf(cost.rows, 'blocks').map((blocks) => blocksText(Number(blocks)))
  const charts: Chart[] = [
    {
      title: `A hit, ${threadsText(least)}`,
      note: 'Get a block, read a byte, give it back. Nanoseconds, logarithmic; the line is p10 to p90. dcache in orange.',
      options: {
        width: WIDTH,
        height: 60 + rowsCount * (variants.length * 20 + 30),
        marginLeft: 170,
        marginRight: 110,
        x: { type: 'log', grid: true, label: 'a hit', tickFormat: nsText, ticks: 4 },
        y: { domain: variants, label: null },
        fx,
        fy: { domain: fyDomain, label: null },
        marks: [
          Plot.frame({ strokeOpacity: 0.15 }),
          ...dots(Plot, alone, 'variant', { ...facet, color: isOurs }),
        ],
      },
    },
  ]
  if (threads.length > 1)
    charts.push({
      title: 'Threads together',
      note: 'Million hits a second of all threads. What stays below a million is left out here.',
      options: {
        width: WIDTH,
        height: 60 + rowsCount * 190,
        marginRight: 110,
        x: { type: 'point', domain: threads, label: 'threads' },
        y: { grid: true, label: 'million hits a second', zero: true },
        fx,
        fy: { domain: fyDomain, label: null },
        color: { legend: true, domain: fast, range: PALETTE },
        marks: [Plot.frame({ strokeOpacity: 0.15 }), ...lines(Plot, many, 'threads', 'variant', facet)],
      },
    })
  return charts
}

function contentionCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const section = sectionOf(suite, 'contention')
  if (section === undefined) return []
  const { rows } = section
  const threads = valuesOf(rows, 'threads').map(Number)
  const what = valuesOf(rows, 'what').map(String)
  const latencies = rows.map(({ parameters, figures }) => ({
    ...parameters,
    p50: valueOf(figures['p50']),
    p99: valueOf(figures['p99']),
    p999: valueOf(figures['p999']),
  }))
  const fx = (d: Record<string, unknown>) => threadsText(Number(d['threads']))
  const dot = (x: string, fill: string) => Plot.dot(latencies, { x, y: 'what', fx, r: 4, fill })
  return [
    {
      title: 'Throughput',
      note: 'Million operations a second of all threads, logarithmic.',
      options: {
        width: WIDTH,
        height: 420,
        marginRight: 150,
        x: { type: 'point', domain: threads, label: 'threads' },
        y: { type: 'log', grid: true, label: 'million a second', tickFormat: (d: number) => String(d) },
        color: { domain: what, range: PALETTE, legend: true },
        marks: lines(Plot, pointsOf(rows, 'perSecond', 1e-6), 'threads', 'what', {}),
      },
    },
    {
      title: 'Latency',
      note: 'Of single operations, the clock included: half of them (dark), 99 % (orange), 99.9 % (light) are faster.',
      options: {
        width: WIDTH,
        height: 60 + what.length * 24,
        marginLeft: 150,
        x: { type: 'log', grid: true, label: 'an operation', tickFormat: nsText, ticks: 4 },
        y: { domain: what, label: null },
        fx: { domain: threads.map(threadsText), label: null },
        marks: [
          Plot.frame({ strokeOpacity: 0.15 }),
          Plot.ruleY(latencies, {
            x1: 'p50',
            x2: 'p999',
            y: 'what',
            fx,
            strokeOpacity: 0.25,
            strokeWidth: 3,
          }),
          dot('p999', '#adb5bd'),
          dot('p99', PALETTE[1]!),
          dot('p50', PALETTE[0]!),
        ],
      },
    },
  ]
}

function modifyCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const charts: Chart[] = []
  const changes = sectionOf(suite, 'changes')
  if (changes !== undefined) {
    const kind = (d: Point) => `${d['blocks']}, ${d['declared']}`
    const points = pointsOf(changes.rows, 'ns').map((point) => ({ ...point, kind: kind(point) }))
    const threads = valuesOf(changes.rows, 'threads').map(Number)
    charts.push({
      title: 'A change',
      note: 'Nanoseconds; the line is p10 to p90.',
      options: {
        width: WIDTH,
        height: 180,
        marginLeft: 150,
        x: { grid: true, label: 'a change', tickFormat: nsText, ticks: 5, zero: true },
        y: { label: null },
        fx: { domain: threads.map(threadsText), label: null },
        marks: [
          Plot.frame({ strokeOpacity: 0.15 }),
          ...dots(Plot, points, 'kind', {
            fx: (d: Point) => threadsText(Number(d['threads'])),
            color: PALETTE[1]!,
          }),
        ],
      },
    })
  }
  const prices = sectionOf(suite, 'prices')
  if (prices !== undefined) {
    const named = (points: Point[]) =>
      points.map((point) => ({ ...point, name: `${point['what']}: ${point['of']}` }))
    charts.push({
      title: 'What it costs to survive a death',
      note: 'With the journal or the image, in terms of without (orange), and in terms of itself (grey, A/A): what that is off 1 is noise.',
      options: {
        width: WIDTH,
        height: 150,
        marginLeft: 220,
        x: { grid: true, label: 'ratio' },
        y: { label: null },
        marks: [
          Plot.ruleX([1]),
          ...dots(Plot, named(pointsOf(prices.rows, 'noise')), 'name', { color: '#adb5bd' }),
          ...dots(Plot, named(pointsOf(prices.rows, 'ratio')), 'name', { color: PALETTE[1]! }),
        ],
      },
    })
  }
  return charts
}

function recoveryCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const section = sectionOf(suite, 'recovery')
  if (section === undefined) return []
  const points = section.rows.map(({ parameters, figures }) => ({
    ...parameters,
    name: blocksText(Number(parameters['blocks'])),
    p50: valueOf(figures['p50']),
    p99: valueOf(figures['p99']),
  }))
  return [
    {
      title: 'Until what it held is free',
      note: 'Milliseconds, logarithmic: half of the deaths (dark) and 99 % (orange) are faster.',
      options: {
        width: WIDTH,
        height: 140,
        marginLeft: 110,
        x: { type: 'log', grid: true, label: 'milliseconds', ticks: 4, tickFormat: (d: number) => String(d) },
        y: { domain: [...new Set(points.map(({ name }) => name))], label: null },
        fx: { label: null },
        marks: [
          Plot.frame({ strokeOpacity: 0.15 }),
          Plot.ruleY(points, {
            x1: 'p50',
            x2: 'p99',
            y: 'name',
            fx: 'from',
            strokeOpacity: 0.25,
            strokeWidth: 3,
          }),
          Plot.dot(points, { x: 'p99', y: 'name', fx: 'from', r: 5, fill: PALETTE[1]! }),
          Plot.dot(points, { x: 'p50', y: 'name', fx: 'from', r: 5, fill: PALETTE[0]! }),
        ],
      },
    },
  ]
}

function replayCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const section = sectionOf(suite, 'ratios')
  if (section === undefined) return []
  const points = section.columns.flatMap(({ key, title }) =>
    pointsOf(section.rows, key).map((point): Point => ({ ...point, policy: title })),
  )
  return valuesOf(section.rows, 'trace').map((trace) => ({
    title: `Trace ${trace}`,
    note: 'Hits in percent of the accesses, by the size of the cache.',
    options: {
      width: HALF_WIDTH,
      height: 300,
      x: { type: 'log', label: 'blocks in the cache', ticks: 4, tickFormat: (d: number) => d.toLocaleString('en-US') },
      y: { grid: true, label: '% hits', zero: true },
      color: { domain: section.columns.map(({ title }) => title), range: ['#868e96', PALETTE[0]!, PALETTE[1]!, '#212529'], legend: true },
      marks: lines(Plot, points.filter((point) => point['trace'] === trace), 'blocks', 'policy', {}),
    },
  })) // prettier-ignore
}

function nbdCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const section = sectionOf(suite, 'requests')
  if (section === undefined) return []
  const points = pointsOf(section.rows, 'perSecond', 1e-3)
  const fx = (d: Point) => (d['connections'] === 1 ? '1 connection' : `${d['connections']} connections`)
  return [
    {
      title: 'Requests of 4 KiB',
      note: 'Thousand requests a second over all connections; the line is p10 to p90. dcache in orange.',
      options: {
        width: WIDTH,
        height: 60 + valuesOf(section.rows, 'operation').length * 100,
        marginLeft: 110,
        marginRight: 110,
        x: { grid: true, label: 'thousand requests a second', zero: true },
        y: { domain: valuesOf(section.rows, 'server'), label: null },
        fx: { label: null },
        fy: { label: null },
        marks: [
          Plot.frame({ strokeOpacity: 0.15 }),
          ...dots(Plot, points, 'server', {
            fx,
            fy: 'operation',
            color: (d: Point) => (String(d['server']).startsWith('dcache') ? PALETTE[1]! : PALETTE[0]!),
          }),
        ],
      },
    },
  ]
}

const CHARTS: Readonly<Record<string, (Plot: PlotLibrary, suite: SuiteReport) => Chart[]>> = {
  hit: hitCharts,
  contention: contentionCharts,
  modify: modifyCharts,
  recovery: recoveryCharts,
  replay: replayCharts,
  disk: diskCharts,
  nbd: nbdCharts,
}

export const chartsOf = (Plot: PlotLibrary, suite: SuiteReport): Chart[] =>
  CHARTS[suite.name]?.(Plot, suite) ?? []
