/**
 * A report as tables for a terminal.
 */
import Table from 'cli-table3'
import type { BenchReport, Section, SuiteReport } from '../harness/report.js'
import type { Setup } from '../harness/setup.js'
import { figureText, headText } from './format.js'

export function setupLines(setup: Setup): string[] {
  const { cpu, cores, memoryBytes, system, node, v8, flags, folder, loadBefore, loadAfter } = setup
  return [
    `${cpu}, ${cores} cores, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB; ${system}`,
    `Node ${node} (V8 ${v8}), flags: ${flags.length === 0 ? 'none' : flags.join(' ')}; files in ${folder}`,
    `load average before ${loadBefore.toFixed(2)}, after ${loadAfter.toFixed(2)}`,
  ]
}

export function reportText(report: BenchReport): string {
  const { dcache, startedAt, setup, suites } = report
  const head = [`dcache ${dcache}, ${startedAt}`, ...setupLines(setup)].join('\n')
  return [head, ...suites.map(suiteText)].join('\n\n')
}

function suiteText({ name, title, about, sections, leftOut, seconds }: SuiteReport): string {
  const lines = [`== ${name}: ${title}. ${about} (${seconds.toFixed(0)} s)`]
  for (const section of sections) lines.push(`\n${section.title}. ${section.about}`, tableOf(section))
  for (const line of leftOut) lines.push(`left out: ${line}`)
  return lines.join('\n')
}

function tableOf({ columns, rows }: Section): string {
  const names = Object.keys(rows[0]?.parameters ?? {})
  const table = new Table({
    head: [...names, ...columns.map(({ title, unit }) => headText(title, unit))],
    colAligns: [...names.map(() => 'left' as const), ...columns.map(() => 'right' as const)],
    style: { head: [], border: [], compact: true },
  })
  for (const { parameters, figures } of rows)
    table.push([
      ...names.map((name) => String(parameters[name])),
      ...columns.map(({ key, unit }) => figureText(figures[key], unit)),
    ])
  return table.toString()
}
