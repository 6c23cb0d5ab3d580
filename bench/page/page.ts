/**
 * Formats a report as one HTML page: a summary, the plots as inline SVG, and all figures in tables below them. The page
 * loads no other files. Observable Plot draws into a document of linkedom, so no browser is needed.
 */
import type { BenchReport, Section, SuiteReport } from '../harness/report.js'
import { scaledFigure, scaledHead } from '../output/format.js'
import { setupLines } from '../output/tables.js'
import { chartsOf } from './charts.js'
import { headlinesOf, type HistoryLine } from '../output/history.js'
import type { Chart, Panel, PlotLibrary } from './plots.js'
import { STYLE } from './style.js'
import { summaryOf } from './summary.js'

/** The libraries that make the page; development dependencies, like the peers. */
export const PAGE_PACKAGES = ['@observablehq/plot', 'linkedom'] as const

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escape = (text: string): string => text.replace(/[&<>"]/g, (sign) => ESCAPES[sign]!)

/** Draws a panel. The name is for screen readers. */
type Draw = (panel: Panel, name: string) => string

/** The page of a report. `history` is the lines of earlier releases, shown if there are at least two. */
export async function pageOf(report: BenchReport, history: readonly HistoryLine[] = []): Promise<string> {
  const [Plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')])
  // Both libraries use the types of a browser, which this project does not include.
  const { document } = parseHTML('<!doctype html><html><body></body></html>') as { document: object }
  // With Plot's default margin, the title of an axis overlaps its last tick.
  const draw: Draw = ({ options }, name) => {
    const { outerHTML } = Plot.plot({ marginBottom: 38, ...options, document }) as { outerHTML: string }
    return outerHTML.replace(/^<svg([^>]*)>/, `<svg role="img"$1><title>${escape(name)}</title><desc>All figures are in the tables below the plots.</desc>`) // prettier-ignore
  }
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
<ul class="summary">${summaryOf(report)
    .map((sentence) => `<li>${escape(sentence)}</li>`)
    .join('\n')}</ul>
<p class="setup">dcache ${escape(dcache)}, ${escape(new Date(startedAt).toUTCString())}<br>${setupLines(setup).map(escape).join('<br>')}</p>
<nav aria-label="Suites">${links.join('')}</nav>
</header>
<main>
${suites.map((suite) => suiteHtml(Plot, suite, draw)).join('\n')}
${historyHtml(history)}
</main>
<footer>Medians; ranges are p10 to p90 over the rounds. Variants take turns within every round, in an order that is reversed from round to round, each on threads of its own.</footer>
</body>
</html>
`
}

function suiteHtml(Plot: PlotLibrary, suite: SuiteReport, draw: Draw): string {
  const { name, title, about, sections, leftOut, seconds } = suite
  const charts = chartsOf(Plot, suite).map((chart) => chartHtml(chart, draw))
  return `<section id="${name}">
<h2>${escape(title)}</h2>
<p>${escape(about)}</p>
<div class="charts">${charts.join('\n')}</div>
${sections.map(tableHtml).join('\n')}
${leftOut.map((line) => `<p class="left-out">Left out: ${escape(line)}</p>`).join('\n')}
<p class="seconds">${seconds.toFixed(0)} s</p>
</section>`
}

function chartHtml({ title, note, legend, panels }: Chart, draw: Draw): string {
  const colors = legend.map(([color, meaning, line]) => {
    const style = line === undefined ? `background: ${color}` : `border-color: ${color}`
    return `<span><i class="${line ?? 'dot'}" style="${style}"></i>${escape(meaning)}</span>`
  })
  const drawn = panels.map((panel) => {
    const { label } = panel
    const name = label === '' ? title : `${title}: ${label}`
    return `<div${panel.isWide === true ? ' class="wide"' : ''}>${label === '' ? '' : `<h4>${escape(label)}</h4>`}${draw(panel, name)}</div>`
  })
  return `<figure><figcaption><h3>${escape(title)}</h3>${escape(note)}<div class="legend">${colors.join('')}</div></figcaption>
<div class="panels">${drawn.join('\n')}</div></figure>`
}

/** The headline figures by release. Empty for a single release, which can't be compared. */
function historyHtml(history: readonly HistoryLine[]): string {
  if (history.length < 2) return ''
  const head = ['release', 'date', 'machine', ...headlinesOf().map(({ title }) => title)]
  const body = history.map(({ version, date, machine, figures }) => {
    const cells = headlinesOf().map(({ key, text }) => {
      const value = figures[key]
      return `<td class="figure">${value === undefined ? '' : escape(text(value))}</td>`
    })
    return `<tr><td>${escape(version)}</td><td>${escape(date)}</td><td>${escape(machine)}</td>${cells.join('')}</tr>`
  })
  return `<section id="history"><h2>Release by release</h2><p>Medians of the runs that are kept.</p>
<div class="scroll"><table><thead><tr>${head.map((text) => `<th scope="col">${escape(text)}</th>`).join('')}</tr></thead>
<tbody>${body.join('\n')}</tbody></table></div></section>`
}

function tableHtml({ title, about, columns, rows }: Section): string {
  const names = Object.keys(rows[0]?.parameters ?? {})
  const head = [...names, ...columns.map((column) => scaledHead(column.title, column.unit))]
  const body = rows.map(({ parameters, figures }) => {
    const cells = [
      ...names.map((name) => `<td>${escape(String(parameters[name]))}</td>`),
      ...columns.map(
        ({ key, unit }) => `<td class="figure">${escape(scaledFigure(figures[key], unit))}</td>`,
      ),
    ]
    return `<tr>${cells.join('')}</tr>`
  })
  return `<details><summary>${escape(title)}: all figures</summary>
<p>${escape(about)}</p>
<div class="scroll" tabindex="0"><table><thead><tr>${head.map((text) => `<th scope="col">${escape(text)}</th>`).join('')}</tr></thead>
<tbody>${body.join('\n')}</tbody></table></div></details>`
}
