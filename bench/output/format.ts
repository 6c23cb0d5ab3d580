/**
 * Formats figures with three significant digits and their unit. Tables give each value the unit that fits its size
 * (`scaledFigure`). A quote keeps the unit of the figure's column (`figureText`).
 */
import { durationText, scaledText } from '#dist/cli/units.js'
import { type Figure, isSpread, type Unit } from '../harness/report.js'

const SCALES: readonly (readonly [number, string])[] = [[1e9, ' G'], [1e6, ' M'], [1e3, ' k'], [1, '']] // prettier-ignore

export function numberText(value: number): string {
  const size = Math.abs(value)
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2
  return value.toFixed(digits)
}

export function valueText(value: number, unit: Unit): string {
  if (unit === '/s') {
    const [scale, prefix] = SCALES.find(([least]) => value >= least) ?? [1, '']
    return `${numberText(value / scale)}${prefix}`
  }
  if (unit === 'bytes') return Math.round(value).toLocaleString('en-US')
  return numberText(value)
}

/** `median (p10 - p90)` of a spread. */
export function figureText(figure: Figure | undefined, unit: Unit): string {
  if (figure === null || figure === undefined) return ''
  if (!isSpread(figure)) return valueText(figure, unit)
  const { p10, median, p90 } = figure
  return `${valueText(median, unit)} (${valueText(p10, unit)} - ${valueText(p90, unit)})`
}

/** Nanoseconds in a unit of time. */
const TIMES: Partial<Record<Unit, number>> = { ns: 1, us: 1e3, ms: 1e6 }

function scaledValue(value: number, unit: Unit): string {
  const scale = TIMES[unit]
  if (scale !== undefined) return durationText(value * scale)
  return unit === '/s' ? scaledText(value) : valueText(value, unit)
}

/** `median (p10 - p90)` of a spread, each value with the unit that fits it. */
export function scaledFigure(figure: Figure | undefined, unit: Unit): string {
  if (figure === null || figure === undefined) return ''
  if (!isSpread(figure)) return scaledValue(figure, unit)
  const { p10, median, p90 } = figure
  return `${scaledValue(median, unit)} (${scaledValue(p10, unit)} - ${scaledValue(p90, unit)})`
}

/** The head of a column. For times, each value shows its unit instead. */
export const scaledHead = (title: string, unit: Unit): string =>
  unit === 'count' || TIMES[unit] !== undefined ? title : `${title}, ${unit}`
