/**
 * Figures as people read them: three digits that mean something, and the unit.
 */
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

export const headText = (title: string, unit: Unit): string =>
  unit === 'count' ? title : `${title}, ${unit}`
