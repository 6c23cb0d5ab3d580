/**
 * The plots of `disk`: what dcache adds to bare reads and writes, and how long changes wait for a busy disk.
 */
import type { KINDS } from '../disk/flush.js'
import type { Row, SuiteReport } from '../harness/report.js'
import {
  bars,
  type Chart,
  dots,
  HALF_WIDTH,
  nsText,
  PALETTE,
  type PlotLibrary,
  type Point,
  pointsOf,
  sectionOf,
  valuesOf,
  WIDTH,
} from './plots.js'

const DCACHE = 'dcache'
/** What fio writes too: as many blocks, as far apart. */
const AS_FIO: keyof typeof KINDS = 'random, 64 MiB of 1 GiB'

const named = (rows: readonly Row[], key: string, name: string, scale = 1): Point[] =>
  pointsOf(rows, key, scale).map((point) => ({ ...point, name }))

const colorOf = (d: Point) => (d['name'] === DCACHE ? PALETTE[1]! : PALETTE[0]!)

/** One for each io, with a scale of its own: what comes out of the page cache would be a speck beside the disk. */
function missCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'misses')?.rows ?? []
  return valuesOf(rows, 'io').map((io) => {
    const own = rows.filter(({ parameters }) => parameters['io'] === io)
    const points = [...named(own, 'miss', DCACHE), ...named(own, 'bare', 'fs.readSync')]
    return {
      title: `A miss, ${io}`,
      note: `Microseconds for a block ${io === 'direct' ? 'past' : 'out of'} the page cache; the line is p10 to p90.`,
      options: {
        width: HALF_WIDTH,
        height: 60 + valuesOf(own, 'order').length * 70,
        marginLeft: 80,
        marginRight: 80,
        x: { grid: true, label: 'microseconds a block', zero: true, insetRight: 40, ticks: 5 },
        y: { domain: [DCACHE, 'fs.readSync'], label: null },
        fy: { domain: valuesOf(own, 'order'), label: null },
        marks: [
          Plot.frame({ strokeOpacity: 0.15 }),
          ...bars(Plot, points, 'name', { fy: 'order', color: colorOf }),
        ],
      },
    }
  })
}

function flushCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'flushes')?.rows ?? []
  if (rows.length === 0) return []
  const points = [...named(rows, 'flush', DCACHE), ...named(rows, 'bare', 'bare calls')]
  return [
    {
      title: 'A flush',
      note: 'Milliseconds until all of it is on the disk, beside bare writes and one fsync for each file; the line is p10 to p90.',
      options: {
        width: WIDTH,
        height: 60 + valuesOf(rows, 'what').length * 70,
        marginLeft: 80,
        marginRight: 150,
        x: { grid: true, label: 'milliseconds', zero: true, insetRight: 40, ticks: 5 },
        y: { domain: [DCACHE, 'bare calls'], label: null },
        fx: { domain: valuesOf(rows, 'io'), label: null },
        fy: { domain: valuesOf(rows, 'what'), label: null },
        marks: [
          Plot.frame({ strokeOpacity: 0.15 }),
          ...bars(Plot, points, 'name', { fx: 'io', fy: 'what', color: colorOf }),
        ],
      },
    },
  ]
}

function ratioCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const points = [
    ['miss', 'order', sectionOf(suite, 'misses')?.rows ?? []] as const,
    ['flush', 'what', sectionOf(suite, 'flushes')?.rows ?? []] as const,
  ].flatMap(([what, parameter, rows]) =>
    pointsOf(rows, 'ratio').map((point): Point => ({ ...point, name: `${what}: ${point[parameter]}` })),
  )
  if (points.length === 0) return []
  const names = [...new Set(points.map(({ name }) => name))]
  return [
    {
      title: 'Speed to bare calls',
      note: 'Of the same rounds; the line is p10 to p90. To the right of 1 dcache is faster.',
      options: {
        width: WIDTH,
        height: 60 + names.length * 24,
        marginLeft: 190,
        x: { type: 'log', base: 2, grid: true, nice: true, label: 'times as fast', tickFormat: String },
        y: { domain: names, label: null },
        fx: { domain: [...new Set(points.map(({ io }) => io))], label: null },
        marks: [
          Plot.frame({ strokeOpacity: 0.15 }),
          Plot.ruleX([1]),
          ...dots(Plot, points, 'name', { fx: 'io', color: PALETTE[1]! }),
        ],
      },
    },
  ]
}

/** The figures of `steady` by their names here, and on which side of the dot the text is: neighbours may be close. */
const WAITS = [
  { key: 'p50', name: 'p50', dy: -15 },
  { key: 'p99', name: 'p99', dy: 15 },
  { key: 'p999', name: 'p99.9', dy: -15 },
  { key: 'most', name: 'longest', dy: 15 },
] as const

function waitCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'steady')?.rows ?? []
  if (rows.length === 0) return []
  const points = WAITS.flatMap(({ key, name }) => named(rows, key, name, 1e6))
  const text = ({ value }: Point) => nsText(Number(value!.toPrecision(3)))
  const texts = WAITS.map(({ name, dy }) =>
    Plot.text(points.filter((point) => point['name'] === name), { x: 'value', y: 'io', text, dy }),
  ) // prettier-ignore
  return [
    {
      title: 'Changes without end',
      note: 'From acquire to release, logarithmic. The upright line is what the device needs for the blocks that were written during such a change, on average of those from p99.9 on.',
      options: {
        width: WIDTH,
        height: 60 + rows.length * 60,
        marginLeft: 80,
        x: {
          type: 'log',
          grid: true,
          nice: true,
          inset: 24,
          label: 'a change',
          tickFormat: nsText,
          ticks: 5,
        },
        y: { domain: valuesOf(rows, 'io'), label: null },
        color: { domain: WAITS.map(({ name }) => name), range: PALETTE, legend: true },
        marks: [
          Plot.frame({ strokeOpacity: 0.15 }),
          Plot.line(points, { x: 'value', y: 'io', z: 'io', strokeOpacity: 0.25, strokeWidth: 3 }),
          Plot.tickX(pointsOf(rows, 'device', 1e6), { x: 'value', y: 'io', strokeWidth: 2, inset: 20 }),
          Plot.dot(points, { x: 'value', y: 'io', r: 5, fill: 'name' }),
          ...texts,
        ],
      },
    },
  ]
}

function fioCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const theirs = sectionOf(suite, 'fio')?.rows ?? []
  const flushes = sectionOf(suite, 'flushes')?.rows ?? []
  const ours = flushes.filter(({ parameters }) => parameters['what'] === AS_FIO)
  if (ours.length === 0 || theirs.length === 0) return []
  const points = [...named(ours, 'perSecond', DCACHE, 1e-6), ...named(theirs, 'perSecond', 'fio', 1e-6)]
  return [
    {
      title: 'Random writes, beside fio',
      note: 'Million bytes a second, the fsync included; the line is p10 to p90.',
      options: {
        width: WIDTH,
        height: 130,
        marginLeft: 80,
        x: { grid: true, label: 'million bytes a second', zero: true, insetRight: 40, ticks: 5 },
        y: { domain: [DCACHE, 'fio'], label: null },
        fx: { domain: valuesOf(ours, 'io'), label: null },
        marks: [
          Plot.frame({ strokeOpacity: 0.15 }),
          ...bars(Plot, points, 'name', { fx: 'io', color: colorOf }),
        ],
      },
    },
  ]
}

export const diskCharts = (Plot: PlotLibrary, suite: SuiteReport): Chart[] =>
  [missCharts, flushCharts, ratioCharts, waitCharts, fioCharts].flatMap((charts) => charts(Plot, suite))
