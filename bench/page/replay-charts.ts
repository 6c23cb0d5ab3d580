/**
 * The plots of `replay`: hits in the mean, by the size of the cache, compared with plain LRU, and over time. The engine's policies
 * have the colour of dcache; the references have a colour for each family, with dashes for its second member.
 */
import { digitsText } from '#dist/cli/units.js'
import { type Column, type Row, type Section, type SuiteReport, valueOf } from '../harness/report.js'
import {
  type Chart,
  DCACHE,
  domainOf,
  INK,
  LEGEND,
  type LineStyle,
  OTHER,
  type Panel,
  PANEL_WIDTH,
  type PlotLibrary,
  type Point,
  pointsOf,
  rowsPanel,
  sectionOf,
  valuesOf,
  WIDE_PANEL_WIDTH,
} from './plots.js'

interface Line {
  readonly color: string
  readonly width: number
  readonly style: LineStyle
  readonly opacity?: number
}

/** By the keys of the columns. */
const REFERENCES: Readonly<Record<string, Line>> = {
  lru: { color: OTHER, width: 7, style: 'wide', opacity: 0.45 },
  arc: { color: 'var(--red)', width: 1.5, style: 'solid' },
  twoQueues: { color: 'var(--red)', width: 1.5, style: 'dashed' },
  lirs: { color: 'var(--blue)', width: 1.5, style: 'solid' },
  clockPro: { color: 'var(--blue)', width: 1.5, style: 'dashed' },
  s3Fifo: { color: 'var(--green)', width: 1.5, style: 'solid' },
  sieve: { color: 'var(--green)', width: 1.5, style: 'dashed' },
  wTinyLfu20: { color: 'var(--purple)', width: 1.5, style: 'solid' },
  wTinyLfu1: { color: 'var(--purple)', width: 1.5, style: 'dashed' },
  best: { color: INK, width: 1.5, style: 'dotted' },
}
/** Of the engine's policies in their order. All columns without a line above are theirs. */
const ENGINE_STYLES: readonly LineStyle[] = ['solid', 'dashed', 'dotted']
const DASHES: Readonly<Record<LineStyle, string>> = { wide: '', solid: '', dashed: '6 4', dotted: '1 4' }

const isEngine = ({ key }: Column): boolean => REFERENCES[key] === undefined

/** The columns with their lines, from the back to the front: plain LRU is the widest, and the engine's are on top. */
function linesOf({ columns }: Section): (readonly [Column, Line])[] {
  const engine = columns.filter(isEngine).map((column, i) => [column, { color: DCACHE, width: 2.5, style: ENGINE_STYLES[i % ENGINE_STYLES.length]! }] as const) // prettier-ignore
  const others = columns.filter((column) => !isEngine(column)).map((column) => [column, REFERENCES[column.key]!] as const) // prettier-ignore
  return [...others.sort(([, a], [, b]) => b.width - a.width), ...engine]
}

/** In the order of the tables. */
function legendOf(section: Section, without?: string) {
  const lines = new Map(linesOf(section))
  return section.columns
    .filter(({ key }) => key !== without)
    .map((column) => [lines.get(column)!.color, column.title, lines.get(column)!.style] as const)
}

interface CurvesOptions {
  readonly rows: readonly Row[]
  readonly lines: readonly (readonly [Column, Line])[]
  /** The parameter of the horizontal axis. */
  readonly x: string
  readonly valueOf: (row: Row, key: string) => number | undefined
}

function curves(Plot: PlotLibrary, { rows, lines, x, valueOf: value }: CurvesOptions) {
  return lines.map(([{ key }, { color, width, style, opacity = 1 }]) => {
    const points = rows.flatMap((row) => {
      const y = value(row, key)
      return y === undefined ? [] : [{ x: row.parameters[x], y }]
    })
    const dash = DASHES[style]
    return Plot.line(points, { x: 'x', y: 'y', stroke: color, strokeWidth: width, strokeOpacity: opacity, ...(dash === '' ? {} : { strokeDasharray: dash }) }) // prettier-ignore
  })
}

const rowsOfTrace = ({ rows }: Section, trace: string | number) =>
  rows.filter(({ parameters }) => parameters['trace'] === trace)

/** A panel for each trace, with a line for each policy. */
function sizePanels(Plot: PlotLibrary, section: Section, isDifference: boolean): Panel[] {
  const lines = linesOf(section).filter(([{ key }]) => !isDifference || (key !== 'lru' && key !== 'best'))
  const hits = (row: Row, key: string) => valueOf(row.figures[key])
  const difference = (row: Row, key: string) => {
    const [value, lru] = [hits(row, key), hits(row, 'lru')]
    return value === undefined || lru === undefined ? undefined : value - lru
  }
  return valuesOf(section.rows, 'trace').map((trace) => {
    const rows = rowsOfTrace(section, trace)
    const engine = section.columns.find(isEngine)
    const dots = isDifference || engine === undefined ? [] : pointsOf(rows, engine.key)
    return {
      label: `trace ${trace}`,
      options: {
        width: PANEL_WIDTH,
        height: 300,
        marginTop: 16,
        marginRight: 24,
        x: { type: 'log', insetLeft: 14, insetRight: 6, label: 'blocks in the cache', ticks: 3, tickFormat: (blocks: number) => blocks.toLocaleString('en-US') },
        y: isDifference ? { grid: true, label: '↑ points above plain LRU', nice: true } : { grid: true, label: '↑ % hits', domain: [0, 100] },
        marks: [
          ...(isDifference ? [Plot.ruleY([0], { stroke: OTHER, strokeOpacity: 0.45, strokeWidth: 5 })] : []),
          ...curves(Plot, { rows, lines, x: 'blocks', valueOf: isDifference ? difference : hits }),
          Plot.dot(dots, { x: 'blocks', y: 'value', r: 3, fill: DCACHE }),
          Plot.text(dots, { x: 'blocks', y: 'value', text: ({ value }: Point) => digitsText(value!), dy: 14, fill: INK, stroke: 'var(--paper)', strokeWidth: 4 }),
        ],
      },
    } // prettier-ignore
  })
}

function sizeCharts(Plot: PlotLibrary, section: Section): Chart[] {
  const engine = section.columns.find(isEngine)?.title ?? ''
  return [
    {
      title: 'Hits by the size of the cache',
      note: `Percent of the accesses of a trace. The numbers are those of ${engine}.`,
      legend: legendOf(section),
      panels: sizePanels(Plot, section, false),
    },
    {
      title: 'Compared with plain LRU',
      note: 'The same in percentage points above plain LRU, or below it. Without the best possible, which would flatten the rest.',
      legend: legendOf(section, 'best'),
      panels: sizePanels(Plot, section, true),
    },
  ]
}

function meanChart(Plot: PlotLibrary, section: Section): Chart {
  const { rows, columns } = section
  const all = rows.at(-1)!
  const sorted = [...columns].sort((a, b) => valueOf(all.figures[b.key])! - valueOf(all.figures[a.key])!)
  const engine = new Set(columns.filter(isEngine).map(({ title }) => title))
  const points = (row: Row): Point[] =>
    sorted.flatMap(({ key, title }) => pointsOf([row], key).map((point) => ({ ...point, policy: title })))
  // With one trace, the mean over all traces says the same again.
  const shown = rows.length === 2 ? [rows[0]!] : [all, ...rows.slice(0, -1)]
  return {
    title: 'Hits in the mean',
    note: 'Percent of the accesses, in the mean over the sizes of a trace; first the mean of the traces.',
    legend: LEGEND,
    panels: shown.map((row) =>
      rowsPanel(Plot, row === all ? 'all traces' : `trace ${row.parameters['trace']}`, {
        points: points(row),
        y: 'policy',
        rows: sorted.map(({ title }) => title),
        color: ({ policy }) => (engine.has(String(policy)) ? DCACHE : OTHER),
        text: digitsText,
        tick: (value) => `${value}`,
        label: '% hits',
        domain: domainOf(points(row), false),
      }),
    ),
  }
}

function timeChart(Plot: PlotLibrary, section: Section): Chart {
  const lines = linesOf(section)
  return {
    title: 'Hits over time',
    note: 'Percent of the accesses in each hundredth of a trace, in a cache of the middle size.',
    legend: legendOf(section),
    panels: valuesOf(section.rows, 'trace').map((trace) => {
      const rows = rowsOfTrace(section, trace)
      return {
        label: `trace ${trace}, ${Number(rows[0]!.parameters['blocks']).toLocaleString('en-US')} blocks`,
        isWide: true,
        options: {
          width: WIDE_PANEL_WIDTH,
          height: 260,
          marginTop: 16,
          x: { label: 'up to, % of the trace' },
          y: { grid: true, label: '↑ % hits', domain: [0, 100] },
          marks: curves(Plot, {
            rows,
            lines,
            x: 'up to, %',
            valueOf: (row, key) => valueOf(row.figures[key]),
          }),
        },
      }
    }),
  }
}

export function replayCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const [means, ratios, time] = ['means', 'ratios', 'time'].map((name) => sectionOf(suite, name))
  return [
    ...(means === undefined ? [] : [meanChart(Plot, means)]),
    ...(ratios === undefined ? [] : sizeCharts(Plot, ratios)),
    ...(time === undefined ? [] : [timeChart(Plot, time)]),
  ]
}
