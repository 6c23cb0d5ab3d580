/**
 * The parts of all plots: points from rows, and panels. A panel is a small drawing with one line for each compared
 * item. Panels are next to each other on a wide screen and below each other on a narrow one.
 */
import type * as Plots from '@observablehq/plot'
import type { PlotOptions } from '@observablehq/plot'
import { durationText } from '#dist/cli/units.js'
import { isSpread, type Row, type Section, type SuiteReport, valueOf } from '../harness/report.js'

/** The module @observablehq/plot, which is loaded only for a page. */
export type PlotLibrary = typeof Plots

export interface Panel {
  /** The part of the chart that the panel shows; empty if the chart has one panel. */
  readonly label: string
  /** The panel takes the place of two, for plots over time. */
  readonly isWide?: boolean
  readonly options: PlotOptions
}

/** How a line is drawn. A wide line is faint and behind the others, which would hide it otherwise. */
export type LineStyle = 'solid' | 'dashed' | 'dotted' | 'wide'

export interface Chart {
  readonly title: string
  readonly note: string
  /** Colours and what they mean, in a plot of lines with the style of the line. */
  readonly legend: readonly (readonly [color: string, meaning: string, line?: LineStyle])[]
  readonly panels: readonly Panel[]
}

/** A row with one of its figures, in the form that marks need. */
export interface Point {
  readonly [key: string]: string | number | undefined
  readonly value: number | undefined
  readonly low: number | undefined
  readonly high: number | undefined
}

/** In pixels; a panel fits a phone. */
export const PANEL_WIDTH = 350
export const WIDE_PANEL_WIDTH = 716
const ROW_HEIGHT = 22
/** Margin for values, to the right of the last mark. */
const TEXT_WIDTH = 58
/** Width of a letter in a row's name. */
const LETTER_WIDTH = 5.7

/**
 * Variables of the style sheet, which differ between dark and light screens. dcache has the same colour in all plots.
 */
export const DCACHE = 'var(--dcache)'
export const OTHER = 'var(--other)'
export const FAINT = 'var(--faint)'
export const INK = 'var(--ink)'

export const LEGEND = [[DCACHE, 'dcache'], [OTHER, 'compared with it']] as const // prettier-ignore
export const RANGE = 'The dot is the median, the line behind it is p10 to p90.'
/** Colours a point by the parameter that names what was measured. */
export const colorBy = (parameter: string) => (point: Point) =>
  String(point[parameter]).startsWith('dcache') ? DCACHE : OTHER

export function pointsOf(rows: readonly Row[], key: string, scale = 1): Point[] {
  return rows.flatMap(({ parameters, figures }) => {
    const figure = figures[key]
    const value = valueOf(figure)
    if (value === undefined) return []
    const [low, high] =
      figure !== undefined && isSpread(figure) ? [figure.p10, figure.p90] : [undefined, undefined]
    const scaled = (number: number | undefined) => (number === undefined ? undefined : number * scale)
    return [{ ...parameters, value: value * scale, low: scaled(low), high: scaled(high) }]
  })
}

export const sectionOf = (suite: SuiteReport, name: string): Section | undefined =>
  suite.sections.find((section) => section.name === name && section.rows.length > 0)

export const valuesOf = (rows: readonly Row[], parameter: string): (string | number)[] => [
  ...new Set(rows.map(({ parameters }) => parameters[parameter]!)),
]

export const blocksText = (blocks: number) => `${blocks.toLocaleString('en-US')} blocks`
export const threadsText = (threads: number) => (threads === 1 ? '1 thread' : `${threads} threads`)
export const timeText = (ns: number) => durationText(ns)
/** Formats a tick of an axis of nanoseconds, without trailing digits. */
export const tickText = (ns: number) =>
  ns >= 1e9 ? `${ns / 1e9} s` : ns >= 1e6 ? `${ns / 1e6} ms` : ns >= 1e3 ? `${ns / 1e3} µs` : `${ns} ns`

export interface RowsOptions {
  readonly points: readonly Point[]
  /** The parameter that names a point's row, and all rows from top to bottom. */
  readonly y: string
  readonly rows: readonly string[]
  readonly color: (point: Point) => string
  /** Values in the plot, and those at the axis. */
  readonly text: (value: number) => string
  readonly tick?: (value: number) => string
  readonly label: string
  readonly isLog?: boolean
  /** Position of a vertical line that marks equality with the counterpart. */
  readonly at?: number
  /** The domain of all panels of the chart, which share their axis. */
  readonly domain: readonly [number, number]
}

/** The least and the greatest value of all points, including ranges; from 0 if the axis is not logarithmic. */
export function domainOf(points: readonly Point[], isLog: boolean, at?: number): [number, number] {
  const values = points.flatMap(({ value, low, high }) => [value!, low ?? value!, high ?? value!])
  if (at !== undefined) values.push(at)
  const [least, most] = [Math.min(...values), Math.max(...values)]
  return isLog ? [least / 1.1, most * 1.1] : [0, most]
}

/** Up to three powers of ten, so that their labels fit. With fewer than two powers in the domain, Plot's own ticks. */
function logTicks([least, most]: readonly [number, number]): number[] | number {
  const [first, last] = [Math.ceil(Math.log10(least)), Math.floor(Math.log10(most))]
  const step = Math.ceil((last - first + 1) / 3)
  const ticks = Array.from({ length: Math.max(0, Math.floor((last - first) / step) + 1) }, (_, i) => 10 ** (first + i * step)) // prettier-ignore
  return ticks.length < 2 ? 3 : ticks
}

/** A row for each item: a dot at its median, a line from p10 to p90 behind it, and the median as text. */
export function rowsPanel(Plot: PlotLibrary, label: string, options: RowsOptions): Panel {
  const { points, y, color, text, isLog = false, at, domain } = options
  const known = points.filter(({ value }) => value !== undefined)
  const rows = options.rows.filter((row) => known.some((point) => point[y] === row))
  const ranges = known.filter(({ low }) => low !== undefined)
  return {
    label,
    options: {
      width: PANEL_WIDTH,
      height: 52 + rows.length * ROW_HEIGHT,
      marginTop: 8,
      marginLeft: Math.max(40, ...rows.map((row) => row.length * LETTER_WIDTH + 12)),
      marginRight: TEXT_WIDTH,
      x: { type: isLog ? 'log' : 'linear', domain: [...domain], grid: true, label: options.label, tickFormat: options.tick ?? text, ticks: isLog ? logTicks(domain) : 4 },
      y: { domain: [...rows], label: null, tickSize: 0 },
      marks: [
        Plot.ruleY(rows, { stroke: FAINT, strokeOpacity: 0.4 }),
        ...(at === undefined ? [] : [Plot.ruleX([at], { stroke: INK })]),
        Plot.link(ranges, { x1: 'low', x2: 'high', y1: y, y2: y, stroke: color, strokeWidth: 6, strokeOpacity: 0.35 }),
        Plot.dot(known, { x: 'value', y, r: 4.5, fill: color }),
        Plot.text(known, {
          x: ({ value, high }: Point) => high ?? value,
          y,
          text: ({ value }: Point) => text(value!),
          textAnchor: 'start',
          dx: 8,
          fill: INK,
          stroke: 'var(--paper)',
          strokeWidth: 3,
        }),
      ],
    },
  } // prettier-ignore
}

/** The rows by the values of one or more parameters, with a label for each group. */
export function groupsOf(rows: readonly Row[], parameters: readonly string[], labelOf: (row: Row) => string) {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const key = parameters.map((name) => String(row.parameters[name])).join('\n')
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  return [...groups.values()].map((group) => ({ label: labelOf(group[0]!), rows: group }))
}
