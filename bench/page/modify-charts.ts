/**
 * The plots of `modify`: changes and the bare work, a hot set, and what it costs to survive a death.
 */
import { digitsText } from '#dist/cli/units.js'
import type { SuiteReport } from '../harness/report.js'
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

function changeCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'changes')?.rows ?? []
  if (rows.length === 0) return []
  const points = pointsOf(rows, 'ns').map((point): Point => ({
    ...point,
    kind: `${point['blocks']}, ${point['declared']}`,
  }))
  const kinds = [...new Set(points.map(({ kind }) => String(kind)))]
  const domain = domainOf(points, false)
  return [
    {
      title: 'A change',
      note: `Of a clean block or of one with unwritten changes; the whole block or 64 bytes are declared. ${RANGE}`,
      legend: [[DCACHE, 'dcache']],
      panels: valuesOf(rows, 'threads').map((threads) =>
        rowsPanel(Plot, threadsText(Number(threads)), {
          points: points.filter((point) => point['threads'] === threads),
          y: 'kind',
          rows: kinds,
          color: () => DCACHE,
          text: timeText,
          tick: tickText,
          label: 'a change',
          domain,
        }),
      ),
    },
  ]
}

function floorCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'floors')?.rows ?? []
  if (rows.length === 0) return []
  const points = pointsOf(rows, 'ns')
  const domain = domainOf(points, true)
  return [
    {
      title: 'Changes of dirty blocks, and the bare work',
      note: `Nanoseconds, logarithmic. ${RANGE}`,
      legend: [[DCACHE, 'dcache'], [OTHER, 'the bare work']],
      panels: valuesOf(rows, 'threads').map((threads) =>
        rowsPanel(Plot, threadsText(Number(threads)), {
          points: points.filter((point) => point['threads'] === threads),
          y: 'what',
          rows: valuesOf(rows, 'what').map(String),
          color: ({ what }) => (String(what).startsWith('floor') ? OTHER : DCACHE),
          text: timeText,
          tick: tickText,
          label: 'a change',
          isLog: true,
          domain,
        }),
      ),
    },
  ]
} // prettier-ignore

function hotSetCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'hot-set')?.rows ?? []
  if (rows.length === 0) return []
  const points = pointsOf(rows, 'toQuiet').map((point): Point => ({
    ...point,
    name: threadsText(Number(point['threads'])),
  }))
  const domain = domainOf(points, false, 1)
  return [
    {
      title: 'A hot set, to the rate without rounds',
      note: `Changes a second of a hot set that is rewritten without end. At 1, rounds do not slow the threads down. ${RANGE}`,
      legend: [[DCACHE, 'dcache']],
      panels: valuesOf(rows, 'disk').map((disk) =>
        rowsPanel(Plot, `disk ${disk}`, {
          points: points.filter((point) => point['disk'] === disk),
          y: 'name',
          rows: [...new Set(points.map(({ name }) => String(name)))],
          color: () => DCACHE,
          text: digitsText,
          label: 'of the rate without rounds',
          at: 1,
          domain,
        }),
      ),
    },
  ]
}

function priceCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'prices')?.rows ?? []
  if (rows.length === 0) return []
  const named = (key: string, suffix: string) =>
    pointsOf(rows, key).map((point): Point => ({ ...point, name: `${point['of']}${suffix}` }))
  const [ratios, noise] = [named('ratio', ''), named('noise', ', A/A')]
  const points = [...ratios, ...noise]
  return [
    {
      title: 'What it costs to survive a death',
      note: `Time with the journal of pins (a hit) or the saved image (a change) to the time without. A/A is the same code measured against itself: its distance from 1 is noise. ${RANGE}`,
      legend: [[DCACHE, 'with to without'], [OTHER, 'A/A']], // prettier-ignore
      panels: [
        rowsPanel(Plot, '', {
          points,
          y: 'name',
          rows: ratios.flatMap(({ name }, i) => [String(name), String(noise[i]!['name'])]),
          color: ({ name }) => (String(name).endsWith('A/A') ? OTHER : DCACHE),
          text: digitsText,
          label: 'times as long',
          at: 1,
          domain: domainOf(points, false, 1),
        }),
      ],
    },
  ]
}

export const modifyCharts = (Plot: PlotLibrary, suite: SuiteReport): Chart[] =>
  [changeCharts, floorCharts, hotSetCharts, priceCharts].flatMap((charts) => charts(Plot, suite))
