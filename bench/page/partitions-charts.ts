/**
 * The plots of `partitions`: opening many, their memory, and adding one.
 */
import { bytesText } from '#dist/cli/units.js'
import type { Section, SuiteReport } from '../harness/report.js'
import {
  type Chart,
  DCACHE,
  domainOf,
  type Panel,
  type PlotLibrary,
  type Point,
  pointsOf,
  RANGE,
  rowsPanel,
  sectionOf,
  tickText,
  timeText,
} from './plots.js'

const LEGEND = [[DCACHE, 'dcache']] as const

/** The points of a figure, with the number of partitions as the name of the row. */
const named = ({ rows }: Section, key: string, scale = 1): Point[] =>
  pointsOf(rows, key, scale).map((point) => ({ ...point, name: nameOf(Number(point['partitions'])) }))

const nameOf = (count: number) =>
  count === 1 ? '1 partition' : `${count.toLocaleString('en-US')} partitions`

interface PanelOptions {
  readonly section: Section
  readonly key: string
  readonly title: string
  readonly axis: string
  readonly isTime: boolean
}

function panel(Plot: PlotLibrary, { section, key, title, axis, isTime }: PanelOptions): Panel {
  const points = named(section, key, isTime ? 1e6 : 1)
  return rowsPanel(Plot, title, {
    points,
    y: 'name',
    rows: points.map(({ name }) => String(name)),
    color: () => DCACHE,
    text: isTime ? timeText : bytesText,
    tick: isTime ? tickText : bytesText,
    label: axis,
    domain: domainOf(points, false),
  })
}

export function partitionCharts(Plot: PlotLibrary, suite: SuiteReport): Chart[] {
  const [opening, changing] = [sectionOf(suite, 'opening'), sectionOf(suite, 'changing')]
  if (opening === undefined || changing === undefined) return []
  return [
    {
      title: 'Many partitions',
      note: `A cache is opened on files that are there. ${RANGE}`,
      legend: LEGEND,
      panels: [
        panel(Plot, {
          section: opening,
          key: 'open',
          title: 'until it is open',
          axis: 'after',
          isTime: true,
        }),
        panel(Plot, { section: opening, key: 'rss', title: 'memory of the process', axis: 'resident', isTime: false }), // prettier-ignore
      ],
    },
    {
      title: 'Another one is added and dropped',
      note: `By the number of partitions that are open. ${RANGE}`,
      legend: LEGEND,
      panels: [
        panel(Plot, { section: changing, key: 'add', title: 'added', axis: 'after', isTime: true }),
        panel(Plot, { section: changing, key: 'drop', title: 'dropped', axis: 'after', isTime: true }),
      ],
    },
  ]
}
