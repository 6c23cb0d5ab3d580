/**
 * What the plots of all suites are made with: points from rows, dots and lines with their ranges, and texts.
 */
import type * as Plots from '@observablehq/plot'
import type { ChannelValue, Markish, PlotOptions } from '@observablehq/plot'
import { isSpread, type Row, type Section, type SuiteReport, valueOf } from '../harness/report.js'
import { numberText } from '../output/format.js'

/** Of @observablehq/plot: it is loaded when a page is wanted. */
export type PlotLibrary = typeof Plots

export interface Chart {
  readonly title: string
  readonly note: string
  readonly options: PlotOptions
}

/** A row with one figure of it, as marks want it. */
export interface Point {
  readonly [key: string]: string | number | undefined
  readonly value: number | undefined
  readonly low: number | undefined
  readonly high: number | undefined
}

export const WIDTH = 960
/** Of two that stand side by side, with the gap between them. */
export const HALF_WIDTH = 464
export const PALETTE = ['#0b7285', '#e8590c', '#7048e8', '#2b8a3e', '#c2255c', '#868e96', '#f08c00', '#1971c2', '#5c940d', '#862e9c'] // prettier-ignore

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
export const nsText = (ns: number) =>
  ns >= 1e9 ? `${ns / 1e9} s` : ns >= 1e6 ? `${ns / 1e6} ms` : ns >= 1e3 ? `${ns / 1e3} µs` : `${ns} ns`

/** A dot for each thing at its median, a line from p10 to p90 behind it. */
export function dots(
  Plot: PlotLibrary,
  points: Point[],
  y: string,
  { color, ...facet }: { color: string | ((d: Point) => string); fx?: ChannelValue; fy?: ChannelValue },
): Markish[] {
  const ranges = points.filter(({ low }) => low !== undefined)
  return [
    Plot.ruleY(ranges, {
      x1: 'low',
      x2: 'high',
      y,
      stroke: color,
      strokeWidth: 5,
      strokeOpacity: 0.3,
      ...facet,
    }),
    Plot.dot(points, { x: 'value', y, r: 4.5, fill: color, ...facet }),
  ]
}

/** A bar for each thing up to its median, a line from p10 to p90 over it, and behind both the median in words. */
export function bars(
  Plot: PlotLibrary,
  points: Point[],
  y: string,
  { color, ...facet }: { color: (d: Point) => string; fx?: ChannelValue; fy?: ChannelValue },
): Markish[] {
  const ranges = points.filter(({ low }) => low !== undefined)
  // Markers would be shorter, but lines refer to them by url(), and a page that fetches nothing has none.
  const end = (x: 'low' | 'high') => Plot.tickX(ranges, { x, y, strokeWidth: 1.5, inset: 10, ...facet })
  return [
    Plot.barX(points, { x: 'value', y, fill: color, fillOpacity: 0.75, ...facet }),
    Plot.ruleY(ranges, { x1: 'low', x2: 'high', y, strokeWidth: 1.5, ...facet }),
    end('low'),
    end('high'),
    Plot.text(points, {
      x: ({ value, high }: Point) => high ?? value,
      y,
      text: ({ value }: Point) => numberText(value!),
      textAnchor: 'start',
      dx: 8,
      ...facet,
    }),
  ]
}

/** A line for each thing over the number of threads, with its values' range behind it. */
export function lines(
  Plot: PlotLibrary,
  points: Point[],
  x: string,
  z: string,
  more: Record<string, unknown>,
): Markish[] {
  const ranges = points.filter(({ low }) => low !== undefined)
  return [
    Plot.ruleX(ranges, { x, y1: 'low', y2: 'high', stroke: z, strokeWidth: 4, strokeOpacity: 0.25, ...more }),
    Plot.line(points, { x, y: 'value', stroke: z, strokeWidth: 2, ...more }),
    Plot.dot(points, { x, y: 'value', fill: z, r: 3.5, ...more }),
  ]
}
