// The page of `dcache bench`: which plots it has, that every figure is drawn, and that a suite without rows has no plot.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchReport, Figure, Row, Section } from '#dist/bench/harness/report.js'
import { addToHistory, readHistory } from '#dist/bench/output/history.js'
import { reportText } from '#dist/bench/output/tables.js'
import { pageOf } from '#dist/bench/page/page.js'
import { summaryOf } from '#dist/bench/page/summary.js'
import { parseHTML } from 'linkedom'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { tempFolder } from '../support/temp.js'

/** The part of an element's type that the tests use. linkedom refers to the types of a browser, which this project lacks. */
interface Element {
  readonly textContent: string
  getAttribute(name: string): string | null
  querySelectorAll(selector: string): Iterable<Element>
}

/** The run in the repository. */
const kept = JSON.parse(readFileSync(join(projectRoot, 'bench/results/bench.json'), 'utf8')) as BenchReport

const parse = (html: string) => (parseHTML(html) as unknown as { document: Element }).document

/** The plots of a suite by their titles. */
function plotsOf(page: Element, suite: string): Map<string, Element> {
  const plots = [...page.querySelectorAll(`#${suite} .charts > figure`)]
  return new Map(plots.map((plot) => [[...plot.querySelectorAll('figcaption h3')][0]!.textContent, plot]))
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

const MISSES = [['random', 1], ['random', 2], ['sequential', 1]] as const // prettier-ignore

/** Makes all ratios a half, so that their dots must be left of the line at 1. */
const sectionsOf = (ways: readonly string[]): Section[] => [
  sectionOf('misses', ways.flatMap((io) => MISSES.map(([order, threads]) => (
    { parameters: { order, io, threads }, figures: { miss: spread(40), bare: spread(20), ratio: spread(0.5) } }
  )))),
  sectionOf('flushes', ways.flatMap((io) => KINDS.map((what) => (
    { parameters: { what, io }, figures: { flush: spread(200), bare: spread(100), ratio: spread(0.5), perSecond: spread(3e8) } }
  )))),
  sectionOf('steady', ways.map((io) => (
    { parameters: { threads: 2, io }, figures: { perSecond: spread(3e4), p50: 0.01, p99: 0.1, p999: 20, most: 3000, device: 30, ratio: 0.9 } }
  ))),
  sectionOf('fio', ways.map((io) => ({ parameters: { io }, figures: { perSecond: 1e8 } }))),
] // prettier-ignore

function reportOf(sections: readonly Section[], name = 'disk'): BenchReport {
  return {
    dcache: '0',
    startedAt: new Date(0).toISOString(),
    setup: {
      cpu: '', cores: 1, memoryBytes: 0, system: '', node: '', v8: '', flags: [], folder: '', loadBefore: 0, loadAfter: 0,
    },
    settings: {},
    suites: [{ name, title: name, about: '', sections, leftOut: [], seconds: 1 }],
  } // prettier-ignore
}

const plotsOfDisk = async (sections: readonly Section[]) =>
  plotsOf(parse(await pageOf(reportOf(sections))), 'disk')

test('every figure of the disk is drawn', async () => {
  const plots = await plotsOfDisk(sectionsOf(IO))
  assert.equal(
    [...plots].map(([title, plot]) => ({
      title,
      panels: [...plot.querySelectorAll('svg')].length,
      dots: marksOf(plot, 'dot', 'circle').length,
      ranges: marksOf(plot, 'link', 'path').length,
      texts: marksOf(plot, 'text', 'text').length,
    })),
    [
      { title: 'A miss', panels: 2, dots: 12, ranges: 12, texts: 12 },
      { title: 'A flush', panels: 2, dots: 12, ranges: 12, texts: 12 },
      { title: 'Speed to bare calls', panels: 2, dots: 12, ranges: 12, texts: 12 },
      { title: 'Changes without end', panels: 2, dots: 10, ranges: 0, texts: 10 },
      // fio runs once: its figures have no range.
      { title: 'Random writes, compared with fio', panels: 2, dots: 4, ranges: 2, texts: 4 },
    ],
  )
})

test('commits have a panel for each file system, compared with the bare calls', async () => {
  const rows = ['disk', '/dev/shm'].flatMap((files) =>
    [[0, 1], [0, 2], [20, 1]].map(([pauseMs, threads]) => (
      { parameters: { files, 'ms apart': pauseMs!, threads: threads! }, figures: { commit: spread(300), bare: spread(100), ratio: spread(3) } }
    ))) // prettier-ignore
  const plot = (await plotsOfDisk([sectionOf('commits', rows)])).get('A commit')
  assert.is([...plot!.querySelectorAll('svg')].length, 2)
  assert.is(marksOf(plot, 'dot', 'circle').length, 12)
  const texts = new Set([...plot!.querySelectorAll('text')].map(({ textContent }) => textContent))
  for (const name of ['1 thread', '2 threads', '1 thread, 20 ms apart'])
    for (const side of ['dcache', 'bare']) assert.ok(texts.has(`${name}: ${side}`), `${name}: ${side}`)
})

/** Sections of `replay`, with a policy that the page does not know, for these traces at three sizes. */
function replaySections(traces: readonly string[]): Section[] {
  const columns = ['adaptive', 'novel', 'lru', 'arc', 'best'].map((key) => ({
    key,
    title: `policy ${key}`,
    unit: '%' as const,
  }))
  const figures = { adaptive: 50, novel: 60, lru: 40, arc: 45, best: 70 }
  const rowsOf = (parameters: (trace: string) => Row['parameters'][]) =>
    traces.flatMap((trace) =>
      parameters(trace).map((values) => ({ parameters: { trace, ...values }, figures })),
    )
  const mean = { parameters: { trace: 'all', sizes: 3 * traces.length }, figures }
  return [
    { name: 'ratios', rows: rowsOf(() => [100, 200, 400].map((blocks) => ({ blocks }))) },
    { name: 'means', rows: [...rowsOf(() => [{ sizes: 3 }]), mean] },
    { name: 'time', rows: rowsOf(() => [50, 100].map((percent) => ({ blocks: 200, 'up to, %': percent }))) },
  ].map((section) => ({ ...section, title: section.name, about: '', columns })) // prettier-ignore
}

test('the policies of a replay are drawn by size, in the mean and over time', async () => {
  const report = reportOf(replaySections(['one', 'two']), 'replay')
  const plots = plotsOf(parse(await pageOf(report)), 'replay')
  const shapes = [...plots].map(([title, plot]) => ({
    title,
    panels: [...plot.querySelectorAll('svg')].length,
    wide: [...plot.querySelectorAll('.wide svg')].length,
    lines: marksOf(plot, 'line', 'path').length,
    legend: [...plot.querySelectorAll('.legend i')].length,
  }))
  assert.equal(shapes, [
    { title: 'Hits in the mean', panels: 3, wide: 0, lines: 0, legend: 2 },
    { title: 'Hits by the size of the cache', panels: 2, wide: 0, lines: 10, legend: 5 },
    // Without plain LRU, which is the line at 0, and the best possible.
    { title: 'Compared with plain LRU', panels: 2, wide: 0, lines: 6, legend: 4 },
    { title: 'Hits over time', panels: 2, wide: 2, lines: 10, legend: 5 },
  ])
  const strokes = [...plots.get('Hits over time')!.querySelectorAll('g[aria-label="line"]')].map((line) => [line.getAttribute('stroke'), line.getAttribute('stroke-dasharray')]) // prettier-ignore
  const ours = strokes.filter(([stroke]) => stroke === 'var(--dcache)').slice(0, 2)
  assert.equal(ours, [['var(--dcache)', null], ['var(--dcache)', '6 4']]) // prettier-ignore
  assert.is(new Set(strokes.map(String)).size, 5)
  assert.match(
    summaryOf(report)[0]!,
    /adaptive hits in 50 % .* plain LRU in 40 %, .* ARC, in 45 %, .* in 70 %\.$/,
  )

  // The mean of one trace is not shown twice.
  const alone = plotsOf(parse(await pageOf(reportOf(replaySections(['one']), 'replay'))), 'replay')
  assert.is([...alone.get('Hits in the mean')!.querySelectorAll('svg')].length, 1)
})

test('each mark is at the position of its figure', async () => {
  const plots = await plotsOfDisk(sectionsOf(IO))

  const textsOf = (title: string) =>
    [...new Set(marksOf(plots.get(title), 'text', 'text').map(({ textContent }) => textContent))].sort()
  assert.equal(textsOf('A flush'), ['100 ms', '200 ms'])
  assert.equal(textsOf('A miss'), ['20 µs', '40 µs'])

  const ratios = plots.get('Speed to bare calls')
  const upright = marksOf(ratios, 'rule', 'line').filter(
    (line) => line.getAttribute('x1') === line.getAttribute('x2'),
  )
  const [one] = numbersOf(upright, 'x1')
  const dots = numbersOf(marksOf(ratios, 'dot', 'circle'), 'cx')
  assert.ok(Math.max(...dots) < one!, `half as fast is left of ${one!}: ${dots.join(', ')}`)

  const waits = plots.get('Changes without end')
  assert.equal(textsOf('Changes without end'), ['10 µs', '100 µs', '20 ms', '3 s', '30 ms'])
  const [p50, p99, p999, most, device] = numbersOf(marksOf(waits, 'dot', 'circle'), 'cx')
  assert.ok(p50! < p99! && p99! < p999! && p999! < device! && device! < most!)
  // On a logarithmic scale, 0.01 and 0.1 are as far apart as 20 and 200.
  assert.ok(Math.abs((most! - p999!) / (p99! - p50!) - Math.log10(3000 / 20)) < 0.01)
})

test('what was not measured has no plot', async () => {
  const titlesOf = async (sections: readonly Section[]) => [...(await plotsOfDisk(sections)).keys()]
  assert.equal(await titlesOf([]), [])
  assert.equal(await titlesOf(sectionsOf([])), [])
  const [misses, flushes, steady, fio] = sectionsOf(IO)
  assert.equal(await titlesOf([misses!]), ['A miss', 'Speed to bare calls'])
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
  assert.equal([...plots.keys()], ['A miss', 'Speed to bare calls', 'Changes without end'])
  assert.is(marksOf(plots.get('Changes without end'), 'dot', 'circle').length, 4)
})

test('every drawing has a role and a title, and dcache has one colour', async () => {
  const page = parse(await pageOf(kept))
  const drawings = [...page.querySelectorAll('svg')]
  assert.ok(drawings.length > 20)
  for (const drawing of drawings) {
    assert.is(drawing.getAttribute('role'), 'img')
    assert.ok([...drawing.querySelectorAll('title')][0]!.textContent.length > 3)
  }
  const fills = new Set(
    [...page.querySelectorAll('g[aria-label="dot"] circle')].map((dot) => dot.getAttribute('fill')),
  )
  for (const fill of fills)
    assert.ok(fill === null || /^var\(--(dcache|other|paper)\)$/.test(fill), String(fill))
})

/** The medians of a hit in the run that is kept. */
function keptHit(): { ns: number; toFloor: number } {
  const { rows } = kept.suites.find(({ name }) => name === 'hit')!.sections[0]!
  const row = rows.find(
    ({ parameters: { blocks, pattern, threads, variant } }) =>
      blocks === 16_384 && pattern === 'uniform' && threads === 1 && variant === 'dcache, bytes',
  )!
  const median = (key: string) => (row.figures[key] as { median: number }).median
  return { ns: median('ns'), toFloor: median('toFloor') }
}

test('the summary has five sentences, made of the figures', async () => {
  const sentences = summaryOf(kept)
  assert.is(sentences.length, 5)
  const { ns, toFloor } = keptHit()
  const start = `A hit takes ${Math.round(ns)} ns on 1 thread (16,384 blocks, uniform), ${toFloor.toFixed(2)} times `
  assert.ok(sentences[0]!.startsWith(start), sentences[0])
  for (const sentence of sentences) {
    assert.match(sentence, /^[A-Z].*\d.*\.$/)
    assert.not.match(sentence, /undefined|NaN|null/)
  }
  assert.equal(summaryOf({ ...kept, suites: [] }), [])
  const partly = summaryOf({ ...kept, suites: kept.suites.filter(({ name }) => name !== 'hit') })
  assert.is(partly.length, 5)
  // The stored run is from when `2q` was the default.
  const replayed = summaryOf({ ...kept, suites: kept.suites.filter(({ name }) => name === 'replay') })
  assert.match(replayed[0]!, /^The policy 2q has at least as many hits as plain LRU in 6 of 6 replays/)
})

test('the history has a line a release, and the page shows it from two lines on', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'history.csv')
  assert.equal(await readHistory(path), [])
  const [line] = await addToHistory(path, kept)
  assert.equal(await addToHistory(path, kept), [line])
  assert.is((await addToHistory(path, { ...kept, dcache: '9.9.9', suites: [] })).length, 2)
  const lines = await readHistory(path)
  assert.equal(lines.map(({ version }) => version), [kept.dcache, '9.9.9']) // prettier-ignore
  assert.ok(Math.abs(lines[0]!.figures['hit_ns']! / keptHit().ns - 1) < 0.001)
  assert.is(lines[1]!.figures['hit_ns'], undefined)
  assert.match(await pageOf(kept, lines), /<section id="history">[^]*9\.9\.9/)
  assert.not.match(await pageOf(kept, lines.slice(1)), /id="history"/)
  writeFileSync(path, 'something;else\n')
  const error = await readHistory(path).then(() => undefined, (cause: unknown) => cause as Error) // prettier-ignore
  assert.match(error?.message ?? '', /is not a history/)

  // The line that is kept is that of the run that is kept.
  const keptLines = await readHistory(join(projectRoot, 'bench/results/history.csv'))
  assert.is(keptLines.at(-1)!.version, kept.dcache)
  assert.equal(keptLines.at(-1), lines[0])
})

test('tables fit 80, 60 and 40 columns', () => {
  for (const width of [80, 60, 40]) {
    const text = reportText(kept, width, (head) => head)
    const widest = text.split('\n').reduce((most, line) => (line.length > most.length ? line : most), '')
    assert.ok(widest.length <= width, widest)
  }
})

test('every suite of the run in the repository has plots, and the page refers to no other file', async () => {
  const html = await pageOf(kept)
  const page = parse(html)
  for (const { name } of kept.suites) assert.ok(plotsOf(page, name).size > 0, name)
  assert.not.match(html, /url\(/)
})

test.run()
