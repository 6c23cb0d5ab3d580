/**
 * The plots of `disk`: what dcache adds to bare reads and writes, and how long changes wait for a busy disk.
 */
import { digitsText, scaledText } from '#dist/cli/units.js'
import type { KINDS } from '../disk/flush.js'
import type { Row, SuiteReport } from '../harness/report.js'
import {
  type Chart,
  DCACHE,
  domainOf,
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

/** The kind that fio writes too: the same number of blocks, at the same distance. */
const AS_FIO: keyof typeof KINDS = 'random, 64 MiB of 1 GiB'

const named = (rows: readonly Row[], key: string, scale: number, nameOf: (point: Point) => string): Point[] =>
  pointsOf(rows, key, scale).map((point) => ({ ...point, name: nameOf(point) }))

const namesOf = (points: readonly Point[]) => [...new Set(points.map(({ name }) => String(name)))]
const colorOf = ({ name }: Point) => (String(name).includes('dcache') ? DCACHE : OTHER)
const others = (name: string) => [[DCACHE, 'dcache'], [OTHER, name]] as const // prettier-ignore

/** What a row measured, with the number of threads if there are several. */
const nameOf =
  (parameter: string) =>
  ({ [parameter]: what, threads }: Row['parameters'] | Point): string =>
    Number(threads ?? 1) === 1 ? String(what) : `${what}, ${threadsText(Number(threads))}`

/** dcache and its counterpart in pairs. Each value of `by` has a panel with its own scale. */
function pairs(
  Plot: PlotLibrary,
  rows: readonly Row[],
  by: string,
  name: (parameters: Row['parameters'] | Point) => string,
  [ours, theirs]: readonly [string, string],
  [other, scale]: readonly [string, number],
) {
  return valuesOf(rows, by).map((value) => {
    const own = rows.filter(({ parameters }) => parameters[by] === value)
    const points = [
      ...named(own, ours, scale, (point) => `${name(point)}: dcache`),
      ...named(own, theirs, scale, (point) => `${name(point)}: ${other}`),
    ]
    return rowsPanel(Plot, String(value), {
      points,
      y: 'name',
      rows: own.flatMap(({ parameters }) => [`${name(parameters)}: dcache`, `${name(parameters)}: ${other}`]),
      color: colorOf,
      text: timeText,
      tick: tickText,
      label: 'median',
      domain: domainOf(points, false),
    })
  })
}

function missCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'misses')?.rows ?? []
  if (rows.length === 0) return []
  return [
    {
      title: 'A miss',
      note: `The time to read a block: buffered reads come from the page cache, direct ones from the disk. ${RANGE}`,
      legend: others('fs.readSync'),
      panels: pairs(Plot, rows, 'io', nameOf('order'), ['miss', 'bare'], ['fs.readSync', 1e3]),
    },
  ]
}

function flushCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'flushes')?.rows ?? []
  if (rows.length === 0) return []
  return [
    {
      title: 'A flush',
      note: `The time until all blocks are on the disk, compared with bare writes and one fsync for each file. ${RANGE}`,
      legend: others('bare calls'),
      panels: pairs(Plot, rows, 'io', nameOf('what'), ['flush', 'bare'], ['bare', 1e6]),
    },
  ]
}

function commitCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'commits')?.rows ?? []
  if (rows.length === 0) return []
  const name = ({ threads, 'ms apart': pauseMs }: Row['parameters'] | Point) =>
    `${threadsText(Number(threads))}${pauseMs === 0 ? '' : `, ${pauseMs} ms apart`}`
  return [
    {
      title: 'A commit',
      note: `One changed block and a flush, compared with a bare write and fsync, by file system. ${RANGE}`,
      legend: others('bare calls'),
      panels: pairs(Plot, rows, 'files', name, ['commit', 'bare'], ['bare', 1e3]),
    },
  ]
}

function ratioCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const points = [
    ['miss', 'order', sectionOf(suite, 'misses')?.rows ?? []] as const,
    ['flush', 'what', sectionOf(suite, 'flushes')?.rows ?? []] as const,
  ].flatMap(([what, parameter, rows]) =>
    named(rows, 'ratio', 1, (point) => `${what}: ${nameOf(parameter)(point)}`),
  )
  if (points.length === 0) return []
  const names = namesOf(points)
  const domain = domainOf(points, true, 1)
  return [
    {
      title: 'Speed to bare calls',
      note: `Of the same rounds, logarithmic. To the right of 1 dcache is faster. ${RANGE}`,
      legend: [[DCACHE, 'dcache']],
      panels: [...new Set(points.map(({ io }) => io))].map((io) =>
        rowsPanel(Plot, String(io), {
          points: points.filter((point) => point['io'] === io),
          y: 'name',
          rows: names,
          color: () => DCACHE,
          text: digitsText,
          label: 'times as fast',
          isLog: true,
          at: 1,
          domain,
        }),
      ),
    },
  ]
}

const WAITS = [['p50', 'p50'], ['p99', 'p99'], ['p999', 'p99.9'], ['most', 'longest'], ['device', 'the device']] as const // prettier-ignore

function waitCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'steady')?.rows ?? []
  if (rows.length === 0) return []
  const points = WAITS.flatMap(([key, name]) => named(rows, key, 1e6, () => name))
  const domain = domainOf(points, true)
  return [
    {
      title: 'Changes without end',
      note: 'A change from acquire to release while the disk is slower than the changes, logarithmic. The device: the average time that it needs for the blocks written during a change, for the changes from p99.9 on.',
      legend: others('the device'),
      panels: valuesOf(rows, 'io').map((io) =>
        rowsPanel(Plot, String(io), {
          points: points.filter((point) => point['io'] === io),
          y: 'name',
          rows: WAITS.map(([, name]) => name),
          color: ({ name }) => (name === 'the device' ? OTHER : DCACHE),
          text: timeText,
          tick: tickText,
          label: 'a change',
          isLog: true,
          domain,
        }),
      ),
    },
  ]
}

function fioCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const theirs = sectionOf(suite, 'fio')?.rows ?? []
  const flushes = sectionOf(suite, 'flushes')?.rows ?? []
  const ours = flushes.filter(({ parameters }) => parameters['what'] === AS_FIO)
  if (ours.length === 0 || theirs.length === 0) return []
  const points = [
    ...named(ours, 'perSecond', 1, () => 'dcache'),
    ...named(theirs, 'perSecond', 1, () => 'fio'),
  ]
  const domain = domainOf(points, false)
  return [
    {
      title: 'Random writes, compared with fio',
      note: `Bytes a second, the fsync included. ${RANGE}`,
      legend: others('fio'),
      panels: valuesOf(ours, 'io').map((io) =>
        rowsPanel(Plot, String(io), {
          points: points.filter((point) => point['io'] === io),
          y: 'name',
          rows: ['dcache', 'fio'],
          color: colorOf,
          text: scaledText,
          tick: (value) => scaledText(value).replace(/\.0+\b/, ''),
          label: 'bytes a second',
          domain,
        }),
      ),
    },
  ]
}

export const diskCharts = (Plot: PlotLibrary, suite: SuiteReport): Chart[] =>
  [missCharts, flushCharts, commitCharts, ratioCharts, waitCharts, fioCharts].flatMap((charts) =>
    charts(Plot, suite),
  )
