/**
 * The plots of `nbd`: requests, commits and pgbench of the servers that are compared.
 */
import { scaledText } from '#dist/cli/units.js'
import type { Row, SuiteReport } from '../harness/report.js'
import {
  type Chart,
  colorBy,
  domainOf,
  groupsOf,
  LEGEND,
  type Panel,
  type PlotLibrary,
  pointsOf,
  RANGE,
  rowsPanel,
  sectionOf,
  tickText,
  timeText,
  valuesOf,
} from './plots.js'

interface ServersOptions {
  readonly key: string
  /** The parameters that name a panel, and its label. */
  readonly by: readonly string[]
  readonly label: (row: Row) => string
  readonly axis: string
}

/** A panel for each group of rows, with a line for each server. */
function serverPanels(
  Plot: PlotLibrary,
  rows: readonly Row[],
  { key, by, label, axis }: ServersOptions,
): Panel[] {
  const isTime = key === 'commit'
  const scale = isTime ? 1e3 : 1
  return groupsOf(rows, by, label).map((group) =>
    rowsPanel(Plot, group.label, {
      points: pointsOf(group.rows, key, scale),
      y: 'server',
      rows: valuesOf(rows, 'server').map(String),
      color: colorBy('server'),
      text: isTime ? timeText : scaledText,
      tick: isTime ? tickText : (value) => scaledText(value).replace(/\.0+\b/, ''),
      label: axis,
      domain: domainOf(pointsOf(isTime ? group.rows : rows, key, scale), false),
    }),
  )
}

function requestCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'requests')?.rows ?? []
  if (rows.length === 0) return []
  const label = ({ parameters }: Row) =>
    `${String(parameters['operation'])}, ${parameters['connections'] === 1 ? '1 connection' : `${String(parameters['connections'])} connections`}`
  const by = ['operation', 'connections']
  return [
    {
      title: 'Requests of 4 KiB',
      note: `Requests a second over all connections. ${RANGE}`,
      legend: LEGEND,
      panels: serverPanels(Plot, rows, { key: 'perSecond', by, label, axis: 'requests a second' }),
    },
  ]
}

function commitCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'commits')?.rows ?? []
  if (rows.length === 0) return []
  const label = ({ parameters }: Row) =>
    `${String(parameters['request'])}, files ${parameters['files'] === 'disk' ? 'on the disk' : 'in memory'}`
  return [
    {
      title: 'A write and a FLUSH',
      note: `One after the other on one connection. ${RANGE}`,
      legend: LEGEND,
      panels: serverPanels(Plot, rows, { key: 'commit', by: ['files', 'request'], label, axis: 'a write and a FLUSH' }),
    },
  ]
} // prettier-ignore

function pgbenchCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const rows = sectionOf(suite, 'pgbench')?.rows ?? []
  if (rows.length === 0) return []
  const label = ({ parameters }: Row) =>
    `files ${parameters['files'] === 'disk' ? 'on the disk' : 'in memory'}`
  return [
    {
      title: 'pgbench on a mounted device',
      note: `Transactions a second of one client. ${RANGE}`,
      legend: LEGEND,
      panels: serverPanels(Plot, rows, {
        key: 'perSecond',
        by: ['files'],
        label,
        axis: 'transactions a second',
      }),
    },
  ]
}

export const nbdCharts = (Plot: PlotLibrary, suite: SuiteReport): Chart[] =>
  [requestCharts, commitCharts, pgbenchCharts].flatMap((charts) => charts(Plot, suite))
