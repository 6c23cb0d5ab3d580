/**
 * The result of a benchmark: sections of rows. Each row has parameters and the figures measured with them. The same
 * object is printed as JSON, as tables and as a page.
 */
import type { Setup } from './setup.js'
import type { Spread } from './spread.js'

export type Unit = 'ns' | 'us' | 'ms' | '/s' | 'x' | '%' | 'bytes' | 'count'

/** A column of figures. */
export interface Column {
  readonly key: string
  readonly title: string
  readonly unit: Unit
}

export type Figure = number | Spread | null

export interface Row {
  readonly parameters: Readonly<Record<string, string | number>>
  /** By the keys of the section's columns; null if the figure has no meaning. */
  readonly figures: Readonly<Record<string, Figure>>
}

export interface Section {
  readonly name: string
  readonly title: string
  /** What is measured, and how to read it. */
  readonly about: string
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
  /** What a terminal shows in place of rows that are too many for it. */
  readonly textRows?: readonly Row[]
}

export interface SuiteReport {
  readonly name: string
  readonly title: string
  readonly about: string
  readonly sections: readonly Section[]
  /** What could not be measured here, and why. */
  readonly leftOut: readonly string[]
  readonly seconds: number
}

export interface BenchReport {
  readonly dcache: string
  readonly startedAt: string
  readonly setup: Setup
  readonly settings: Readonly<Record<string, unknown>>
  readonly suites: readonly SuiteReport[]
}

export const isSpread = (figure: Figure): figure is Spread => typeof figure === 'object' && figure !== null

/** The figure itself, or the median of a spread. */
export const valueOf = (figure: Figure | undefined): number | undefined =>
  figure === undefined || figure === null ? undefined : isSpread(figure) ? figure.median : figure
