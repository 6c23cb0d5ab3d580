// The page of `dcache bench`: which plots it has, that every figure is drawn, and that a suite without rows has no plot.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchReport, Figure, Row, Section } from '#dist/bench/harness/report.js'
import { pageOf } from '#dist/bench/page/page.js'
import { parseHTML } from 'linkedom'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'

/** The part of an element's type that the tests use. linkedom refers to the types of a browser, which this project lacks. */
interface Element {
  readonly textContent: string
  getAttribute(name: string): string | null
  querySelectorAll(selector: string): Iterable<Element>
}

const parse = (html: string) => (parseHTML(html) as unknown as { document: Element }).document

/** The plots of a suite by their titles. */
function plotsOf(page: Element, suite: string): Map<string, Element> {
  const plots = [...page.querySelectorAll(`#${suite} .charts > figure`)]
  return new Map(plots.map((plot) => [[...plot.querySelectorAll('figcaption b')][0]!.textContent, plot]))
}

/** The elements that the marks of a kind have drawn. */
const marksOf = (plot: Element | undefined, kind: string, element: string): Element[] => [
  ...plot!.querySelectorAll(`g[aria-label="${kind}"] ${element}`),
]

const numbersOf = (marks: Element[], attribute: string) =>
  marks.map((mark) => Number(mark.getAttribute(attribute)))

const spread = (median: number): Figure => ({ p10: median * 0.9, median, p90: median * 1.1 })
const IO = ['buffered', 'direct']
const KINDS = ['neighbours, 64 MiB', 'random, 64 MiB of 1 GiB', 'random, two partitions']

const sectionOf = (name: string, rows: Row[]): Section => ({
  name,
  title: name,
  about: '',
  columns: [],
  rows,
})

/** Makes all ratios a half, so that their dots must be left of the line at 1. */
const sectionsOf = (ways: readonly string[]): Section[] => [
  sectionOf('misses', ways.flatMap((io) => ['random', 'sequential'].map((order) => (
    { parameters: { order, io }, figures: { miss: spread(40), bare: spread(20), ratio: spread(0.5) } }
  )))),
  sectionOf('flushes', ways.flatMap((io) => KINDS.map((what) => (
    { parameters: { what, io }, figures: { flush: spread(200), bare: spread(100), ratio: spread(0.5), perSecond: spread(3e8) } }
  )))),
  sectionOf('steady', ways.map((io) => (
    { parameters: { threads: 2, io }, figures: { perSecond: spread(3e4), p50: 0.01, p99: 0.1, p999: 20, most: 3000, device: 30, ratio: 0.9 } }
  ))),
  sectionOf('fio', ways.map((io) => ({ parameters: { io }, figures: { perSecond: 1e8 } }))),
] // prettier-ignore

function reportOf(sections: readonly Section[]): BenchReport {
  return {
    dcache: '0',
    startedAt: new Date(0).toISOString(),
    setup: {
      cpu: '', cores: 1, memoryBytes: 0, system: '', node: '', v8: '', flags: [], folder: '', loadBefore: 0, loadAfter: 0,
    },
    settings: {},
    suites: [{ name: 'disk', title: 'The disk', about: '', sections, leftOut: [], seconds: 1 }],
  } // prettier-ignore
}

const plotsOfDisk = async (sections: readonly Section[]) =>
  plotsOf(parse(await pageOf(reportOf(sections))), 'disk')

test('every figure of the disk is drawn', async () => {
  const plots = await plotsOfDisk(sectionsOf(IO))
  assert.equal(
    [...plots].map(([title, plot]) => ({
      title,
      bars: marksOf(plot, 'bar', 'rect').length,
      dots: marksOf(plot, 'dot', 'circle').length,
      lines: marksOf(plot, 'rule', 'line').length,
      ticks: marksOf(plot, 'tick', 'line').length,
      texts: marksOf(plot, 'text', 'text').length,
    })),
    [
      { title: 'A miss, buffered', bars: 4, dots: 0, lines: 4, ticks: 8, texts: 4 },
      { title: 'A miss, direct', bars: 4, dots: 0, lines: 4, ticks: 8, texts: 4 },
      { title: 'A flush', bars: 12, dots: 0, lines: 12, ticks: 24, texts: 12 },
      // The line at 1 in both panels, and a range for each dot.
      { title: 'Speed to bare calls', bars: 0, dots: 10, lines: 12, ticks: 0, texts: 0 },
      { title: 'Changes without end', bars: 0, dots: 8, lines: 0, ticks: 2, texts: 8 },
      // fio runs once: its figures have no range.
      { title: 'Random writes, beside fio', bars: 4, dots: 0, lines: 2, ticks: 4, texts: 4 },
    ],
  )
})

test('each mark is at the position of its figure', async () => {
  const plots = await plotsOfDisk(sectionsOf(IO))
  // In each panel dcache is above its rival; here it takes twice as long and writes three times as much as fio.
  for (const [title, times] of [
    ['A miss, direct', 2],
    ['A flush', 2],
    ['Random writes, beside fio', 3],
  ] as const) {
    // prettier-ignore
    const widths = numbersOf(marksOf(plots.get(title), 'bar', 'rect'), 'width')
    for (let i = 0; i < widths.length; i += 2)
      assert.ok(Math.abs(widths[i]! / widths[i + 1]! - times) < 1e-6, `${title}: ${widths.join(', ')}`)
  }
  const ranges = marksOf(plots.get('A flush'), 'rule', 'line')
  assert.equal(
    numbersOf(marksOf(plots.get('A flush'), 'tick', 'line'), 'x1'),
    [...numbersOf(ranges, 'x1'), ...numbersOf(ranges, 'x2')],
    'ticks at both ends of each range',
  )
  const flushes = marksOf(plots.get('A flush'), 'text', 'text').map(({ textContent }) => textContent)
  assert.equal([...new Set(flushes)], ['200', '100'])

  const ratios = plots.get('Speed to bare calls')
  const one = numbersOf(marksOf(ratios, 'rule', 'line'), 'x1')[0]!
  const dots = numbersOf(marksOf(ratios, 'dot', 'circle'), 'cx')
  assert.ok(Math.max(...dots) < one, `half as fast is left of ${one}: ${dots.join(', ')}`)

  const waits = plots.get('Changes without end')
  const texts = marksOf(waits, 'text', 'text').map(({ textContent }) => textContent)
  assert.equal([...new Set(texts)], ['10 µs', '100 µs', '20 ms', '3 s'])
  const [p50, , p99, , p999, , most] = numbersOf(marksOf(waits, 'dot', 'circle'), 'cx')
  const [device] = numbersOf(marksOf(waits, 'tick', 'line'), 'x1')
  assert.ok(p50! < p99! && p99! < p999! && p999! < device! && device! < most!)
  // On a logarithmic scale, 0.01 and 0.1 are as far apart as 20 and 200.
  assert.ok(Math.abs((most! - p999!) / (p99! - p50!) - Math.log10(3000 / 20)) < 0.01)
})

test('what was not measured has no plot', async () => {
  const titlesOf = async (sections: readonly Section[]) => [...(await plotsOfDisk(sections)).keys()]
  assert.equal(await titlesOf([]), [])
  assert.equal(await titlesOf(sectionsOf([])), [])
  const [misses, flushes, steady, fio] = sectionsOf(IO)
  assert.equal(await titlesOf([misses!]), ['A miss, buffered', 'A miss, direct', 'Speed to bare calls'])
  assert.equal(await titlesOf([flushes!]), ['A flush', 'Speed to bare calls'])
  assert.equal(await titlesOf([steady!]), ['Changes without end'])
  assert.equal(await titlesOf([fio!]), [])

  // A file system without direct I/O, and a disk that wrote nothing during the longest changes.
  const [alone, , changes] = sectionsOf(['buffered'])
  const idle = changes!.rows.map((row) => ({
    ...row,
    figures: { ...row.figures, device: null, ratio: null },
  }))
  const plots = await plotsOfDisk([alone!, sectionOf('steady', idle)])
  assert.equal([...plots.keys()], ['A miss, buffered', 'Speed to bare calls', 'Changes without end'])
  assert.is(marksOf(plots.get('Speed to bare calls'), 'dot', 'circle').length, 2)
  assert.is(marksOf(plots.get('Changes without end'), 'dot', 'circle').length, 4)
  assert.is(marksOf(plots.get('Changes without end'), 'tick', 'line').length, 0)
})

test('every suite of the run in the repository has plots, and the page refers to no other file', async () => {
  const report = JSON.parse(
    readFileSync(join(projectRoot, 'bench/results/bench.json'), 'utf8'),
  ) as BenchReport
  const html = await pageOf(report)
  const page = parse(html)
  for (const { name } of report.suites) assert.ok(plotsOf(page, name).size > 0, name)
  assert.not.match(html, /url\(/)
})

test.run()
