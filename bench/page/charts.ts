/**
 * The plots of each suite, made from its rows. A suite without plots has only its tables.
 */
import { scaledText } from '#dist/cli/units.js'
import { FLOOR_AGAIN } from '../hit/crews.js'
import { type SuiteReport, valueOf } from '../harness/report.js'
import { commitCharts } from './commit-charts.js'
import { diskCharts } from './disk-charts.js'
import { modifyCharts } from './modify-charts.js'
import { nbdCharts } from './nbd-charts.js'
import { partitionCharts } from './partitions-charts.js'
import {
  blocksText,
  type Chart,
  colorBy,
  DCACHE,
  domainOf,
  groupsOf,
  LEGEND,
  OTHER,
  type PlotLibrary,
  type Point,
  pointsOf,
  RANGE,
  rowsPanel,
  sectionOf,
  threadsText,
  tickText,
  timeText,
  valuesOf,
} from './plots.js'
import { replayCharts } from './replay-charts.js'

function hitCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const cost = sectionOf(suite, 'cost')
  if (cost === undefined) return []
  const threads = valuesOf(cost.rows, 'threads').map(Number)
  const [least, most] = [Math.min(...threads), Math.max(...threads)]
  const variants = valuesOf(cost.rows, 'variant').map(String)
  const label = ({ parameters }: { parameters: Readonly<Record<string, string | number>> }) =>
    `${blocksText(Number(parameters['blocks']))}, ${String(parameters['pattern'])}`
  const alone = cost.rows.filter(({ parameters }) => parameters['threads'] === least)
  const domain = domainOf(pointsOf(alone, 'ns'), true)
  const charts: Chart[] = [
    {
      title: `A hit, ${threadsText(least)}`,
      note: `Get a block, read a byte, release the block. Nanoseconds, logarithmic. ${RANGE}`,
      legend: LEGEND,
      panels: groupsOf(alone, ['blocks', 'pattern'], label).map((group) =>
        rowsPanel(Plot, group.label, {
          points: pointsOf(group.rows, 'ns'),
          y: 'variant',
          rows: variants,
          color: colorBy('variant'),
          text: timeText,
          tick: tickText,
          label: 'a hit',
          isLog: true,
          domain,
        }),
      ),
    },
  ]
  if (threads.length === 1) return charts
  const together = cost.rows.filter(
    ({ parameters }) => parameters['threads'] === most && parameters['variant'] !== FLOOR_AGAIN,
  )
  const rates = domainOf(pointsOf(together, 'perSecond'), true)
  charts.push({
    title: `Hits of ${threadsText(most)} together`,
    note: `Hits a second of all threads, logarithmic. An lru-cache of its own in each thread shares nothing. ${RANGE}`,
    legend: LEGEND,
    panels: groupsOf(together, ['blocks', 'pattern'], label).map((group) =>
      rowsPanel(Plot, group.label, {
        points: pointsOf(group.rows, 'perSecond'),
        y: 'variant',
        rows: variants.filter((variant) => variant !== FLOOR_AGAIN),
        color: colorBy('variant'),
        text: scaledText,
        tick: (value) => scaledText(value).replace(/\.0+\b/, ''),
        label: 'hits a second',
        isLog: true,
        domain: rates,
      }),
    ),
  })
  return charts
}

function contentionCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const section = sectionOf(suite, 'contention')
  if (section === undefined) return []
  const { rows } = section
  const what = valuesOf(rows, 'what').map(String)
  const label = ({ parameters }: { parameters: Readonly<Record<string, string | number>> }) =>
    threadsText(Number(parameters['threads']))
  // Plain additions are what the processor does without dcache, and one mutex is the simplest cache.
  const isOurs = ({ what: name }: Point) => !/fetch-add|one mutex|global/.test(String(name))
  const color = (point: Point) => (isOurs(point) ? DCACHE : OTHER)
  const tails = rows.map(({ parameters, figures }): Point => ({
    ...parameters,
    value: valueOf(figures['p999']),
    low: valueOf(figures['p50']),
    high: valueOf(figures['p999']),
    p99: valueOf(figures['p99']),
  }))
  const times = domainOf(tails, true)
  const rates = domainOf(pointsOf(rows, 'perSecond'), true)
  return [
    {
      title: 'Throughput',
      note: `Operations a second of all threads, logarithmic. ${RANGE}`,
      legend: LEGEND,
      panels: groupsOf(rows, ['threads'], label).map((group) =>
        rowsPanel(Plot, group.label, {
          points: pointsOf(group.rows, 'perSecond'),
          y: 'what',
          rows: what,
          color,
          text: scaledText,
          tick: (value) => scaledText(value).replace(/\.0+\b/, ''),
          label: 'operations a second',
          isLog: true,
          domain: rates,
        }),
      ),
    },
    {
      title: 'Latency',
      note: 'Of single operations, including the clock, logarithmic. The line goes from the time of p50 through p99 (hollow) to p99.9 (the dot and the number).',
      legend: LEGEND,
      panels: groupsOf(rows, ['threads'], label).map((group) => {
        const points = tails.filter((point) => point['threads'] === group.rows[0]!.parameters['threads'])
        const panel = rowsPanel(Plot, group.label, {
          points,
          y: 'what',
          rows: what,
          color,
          text: timeText,
          tick: tickText,
          label: 'an operation',
          isLog: true,
          domain: times,
        })
        const hollow = Plot.dot(points, { x: 'p99', y: 'what', r: 3.5, fill: 'var(--paper)', stroke: color, strokeWidth: 1.5 }) // prettier-ignore
        return { ...panel, options: { ...panel.options, marks: [...panel.options.marks!, hollow] } }
      }),
    },
  ]
}

function recoveryCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const section = sectionOf(suite, 'recovery')
  if (section === undefined) return []
  const points = (['p50', 'p99'] as const).flatMap((key) =>
    pointsOf(section.rows, key, 1e6).map((point): Point => ({
      ...point,
      name: `${blocksText(Number(point['blocks']))}, ${key}`,
    })),
  )
  const names = [...new Set(points.map(({ name }) => String(name)))].sort((a, b) => a.length - b.length)
  const domain = domainOf(points, true)
  return [
    {
      title: "Until a dead worker's block is free",
      note: 'Half of the deaths (p50) and 99 % of them (p99) are faster; logarithmic.',
      legend: [[DCACHE, 'dcache']],
      panels: valuesOf(section.rows, 'from').map((from) =>
        rowsPanel(Plot, `from ${String(from)}`, {
          points: points.filter((point) => point['from'] === from),
          y: 'name',
          rows: names,
          color: () => DCACHE,
          text: timeText,
          tick: tickText,
          label: 'after',
          isLog: true,
          domain,
        }),
      ),
    },
  ]
}

const CHARTS: Readonly<Record<string, (Plot: PlotLibrary, suite: SuiteReport) => Chart[]>> = {
  hit: hitCharts,
  contention: contentionCharts,
  modify: modifyCharts,
  recovery: recoveryCharts,
  partitions: partitionCharts,
  replay: replayCharts,
  disk: diskCharts,
  commit: commitCharts,
  nbd: nbdCharts,
}

export const chartsOf = (Plot: PlotLibrary, suite: SuiteReport): Chart[] =>
  CHARTS[suite.name]?.(Plot, suite) ?? []
