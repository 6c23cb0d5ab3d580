/**
 * Formats a report as tables for a terminal.
 */
import { columnsText, paragraphsText, wrap } from '#dist/cli/terminal.js'
import { durationText } from '#dist/cli/units.js'
import {
  type BenchReport,
  type Figure,
  type Section,
  type SuiteReport,
  type Unit,
  valueOf,
} from '../harness/report.js'
import type { Setup } from '../harness/setup.js'
import { scaledFigure, scaledHead } from './format.js'

export function setupLines(setup: Setup): string[] {
  const { cpu, cores, memoryBytes, system, node, v8, flags, folder, loadBefore, loadAfter } = setup
  return [
    `${cpu}, ${cores} cores, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB; ${system}`,
    `Node ${node} (V8 ${v8}), flags: ${flags.length === 0 ? 'none' : flags.join(' ')}; files in ${folder}`,
    `load average before ${loadBefore.toFixed(2)}, after ${loadAfter.toFixed(2)}`,
  ]
}

/** Formats the report in lines of up to `width` columns. `emphasize` is applied to heads. */
export function reportText(report: BenchReport, width: number, emphasize: (text: string) => string): string {
  const { dcache, startedAt, setup, suites } = report
  const head = [`dcache ${dcache}, ${startedAt}`, ...setupLines(setup)].map((line) => wrap(line, width))
  return [head.join('\n'), ...suites.map((suite) => suiteText(suite, width, emphasize))].join('\n\n')
}

function suiteText(suite: SuiteReport, width: number, emphasize: (text: string) => string): string {
  const { name, title, about, sections, leftOut, seconds } = suite
  const took = durationText(Math.round(seconds) * 1e9)
  const lines = [wrap(`== ${name}: ${title}. ${about} (${took})`, width)]
  for (const section of sections)
    lines.push(
      `\n${wrap(`${section.title}. ${section.about}`, width)}`,
      sectionText(section, width, emphasize),
    )
  for (const line of leftOut) lines.push(wrap(`left out: ${line}`, width))
  return lines.join('\n')
}

/** With ranges if they fit, else medians alone, else paragraphs. */
function sectionText(
  { columns, rows: all, textRows: rows = all }: Section,
  width: number,
  emphasize: (text: string) => string,
): string {
  const names = Object.keys(rows[0]?.parameters ?? {})
  const settings = (text: (figure: Figure | undefined, unit: Unit) => string) => ({
    head: [...names, ...columns.map(({ title, unit }) => scaledHead(title, unit))],
    rows: rows.map(({ parameters, figures }) => [
      ...names.map((name) => String(parameters[name])),
      ...columns.map(({ key, unit }) => text(figures[key], unit)),
    ]),
    names: names.length,
    width,
    emphasize,
  })
  const medians = (figure: Figure | undefined, unit: Unit) => scaledFigure(valueOf(figure), unit)
  return (
    columnsText(settings(scaledFigure)) ??
    columnsText(settings(medians)) ??
    paragraphsText(settings(scaledFigure))
  )
}
