/**
 * A report as one page: the plots as drawings that are in the file, every figure in a table below them, nothing that is
 * fetched from anywhere. Observable Plot draws into a document of linkedom, which needs no browser.
 */
import type { BenchReport, Section, SuiteReport } from '../harness/report.js'
import { figureText, headText } from '../output/format.js'
import { setupLines } from '../output/tables.js'
import { chartsOf } from './charts.js'
import type { Chart, PlotLibrary } from './plots.js'
import { STYLE } from './style.js'

/** What a page is made with: development dependencies, like the peers. */
export const PAGE_PACKAGES = ['@observablehq/plot', 'linkedom'] as const

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escape = (text: string): string => text.replace(/[&<>"]/g, (sign) => ESCAPES[sign]!)

export async function pageOf(report: BenchReport): Promise<string> {
  const [Plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')])
  // Both libraries speak of the types of a browser, which this project has not.
  const { document } = parseHTML('<!doctype html><html><body></body></html>') as { document: object }
  // With the margin that there is otherwise, the title of an axis lies on its last tick.
  const draw = ({ options }: Chart): string =>
    (Plot.plot({ marginBottom: 38, ...options, document }) as { outerHTML: string }).outerHTML
  const { dcache, startedAt, setup, suites } = report
  const links = suites.map(({ name, title }) => `<a href="#${name}">${escape(title)}</a>`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dcache bench</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>dcache <span>bench</span></h1>
<p>A disk block cache that all threads of a Node.js process share: what its parts cost on one machine.</p>
<p class="setup">dcache ${escape(dcache)}, ${escape(new Date(startedAt).toUTCString())}<br>${setupLines(setup).map(escape).join('<br>')}</p>
<nav>${links.join('')}</nav>
</header>
<main>
${suites.map((suite) => suiteHtml(Plot, suite, draw)).join('\n')}
</main>
<footer>Medians; ranges are p10 to p90 over the rounds. Variants take turns within every round, in an order that is reversed from round to round, each on threads of its own.</footer>
</body>
</html>
`
}

function suiteHtml(Plot: PlotLibrary, suite: SuiteReport, draw: (chart: Chart) => string): string {
  const { name, title, about, sections, leftOut, seconds } = suite
  const charts = chartsOf(Plot, suite).map(
    (chart) =>
      `<figure style="width: ${chart.options.width}px"><figcaption><b>${escape(chart.title)}</b> ${escape(chart.note)}</figcaption>${draw(chart)}</figure>`,
  )
  return `<section id="${name}">
<h2>${escape(title)}</h2>
<p>${escape(about)}</p>
<div class="charts">${charts.join('\n')}</div>
${sections.map(tableHtml).join('\n')}
${leftOut.map((line) => `<p class="left-out">Left out: ${escape(line)}</p>`).join('\n')}
<p class="seconds">${seconds.toFixed(0)} s</p>
</section>`
}

function tableHtml({ title, about, columns, rows }: Section): string {
  const names = Object.keys(rows[0]?.parameters ?? {})
  const head = [...names, ...columns.map((column) => headText(column.title, column.unit))]
  const body = rows.map(({ parameters, figures }) => {
    const cells = [
      ...names.map((name) => `<td>${escape(String(parameters[name]))}</td>`),
      ...columns.map(({ key, unit }) => `<td class="figure">${escape(figureText(figures[key], unit))}</td>`),
    ]
    return `<tr>${cells.join('')}</tr>`
  })
  return `<details><summary>${escape(title)}: all figures</summary>
<p>${escape(about)}</p>
<div class="scroll"><table><thead><tr>${head.map((text) => `<th>${escape(text)}</th>`).join('')}</tr></thead>
<tbody>${body.join('\n')}</tbody></table></div></details>`
}
