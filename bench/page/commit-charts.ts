/**
 * The plots of `commit`: commits of one thread and of several, next to appends and other stores.
 */
import { scaledText } from '#dist/cli/units.js'
import type { Row, SuiteReport } from '../harness/report.js'
import {
  type Chart,
  colorBy,
  domainOf,
  groupsOf,
  LEGEND,
  type PlotLibrary,
  pointsOf,
  RANGE,
  rowsPanel,
  sectionOf,
  threadsText,
  valuesOf,
} from './plots.js'

const SECTIONS = ['durable', 'slowed', 'relaxed']

const label = ({ parameters }: Row) =>
  `${parameters['blocks'] === 1 ? '1 block' : `${String(parameters['blocks'])} blocks`}, ${threadsText(Number(parameters['threads']))}`

export function commitCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  return SECTIONS.flatMap((name) => {
    const section = sectionOf(suite, name)
    if (section === undefined) return []
    const { rows, title } = section
    return [
      {
        title,
        note: `Commits a second of all threads, logarithmic. ${RANGE}`,
        legend: LEGEND,
        panels: groupsOf(rows, ['blocks', 'threads'], label).map((group) =>
          rowsPanel(Plot, group.label, {
            points: pointsOf(group.rows, 'perSecond'),
            y: 'variant',
            rows: valuesOf(rows, 'variant').map(String),
            color: colorBy('variant'),
            text: scaledText,
            tick: (value) => scaledText(value).replace(/\.0+\b/, ''),
            label: 'commits a second',
            isLog: true,
            domain: domainOf(pointsOf(rows, 'perSecond'), true),
          }),
        ),
      },
    ]
  })
}
