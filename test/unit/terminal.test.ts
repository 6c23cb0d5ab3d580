// What people read at a terminal: units that fit the size, lines and tables that fit the width, and the progress of a load.

import type { WriteStream } from 'node:tty'
import type { LoadReport } from '#dist/cli/load-report.js'
import { figuresOf } from '#dist/cli/load-report.js'
import { type ProgressLine, progressLine, secondsLeft, showProgress } from '#dist/cli/load-progress.js'
import { columnsText, fitParts, listText, paint, StatusLine, tableText, wrap } from '#dist/cli/terminal.js'
import { bytesText, digitsText, durationText, percentText, scaledText, secondsText } from '#dist/cli/units.js'
import { Progress } from '#dist/bench/output/progress.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/** A stream that keeps what is written to it. */
function stream(more: { isTTY?: boolean; columns?: number; colors?: boolean } = {}) {
  const written: string[] = []
  const { isTTY = false, columns, colors = false } = more
  const fake = { isTTY, columns, hasColors: () => colors, write: (text: string) => written.push(text) }
  return { stream: fake as unknown as WriteStream, written }
}

const widest = (text: string) => Math.max(...text.split('\n').map(({ length }) => length))

test('times have the unit that fits them', () => {
  for (const [ns, text] of [
    [0, '0'],
    [0.5, '0.50 ns'],
    [41, '41 ns'],
    [54_700, '54.7 µs'],
    [165_675_000, '166 ms'],
    [999_700, '1.00 ms'],
    [999_400, '999 µs'],
    [10_000_000_000, '10 s'],
    [59_400_000_000, '59.4 s'],
    [59_700_000_000, '1 min 0 s'],
    [125_000_000_000, '2 min 5 s'],
    [12_000_000_000_000, '3 h 20 min'],
  ] as const)
    assert.is(durationText(ns), text, String(ns))
  assert.is(secondsText(0.2), '0 s')
  assert.is(secondsText(6.4), '6 s')
  assert.is(secondsText(600), '10 min 0 s')
})

test('bytes, rates, shares and plain numbers', () => {
  assert.equal([0, 512, 1024, 1536, 123 << 20, 2 ** 41].map(bytesText), ['0 bytes', '512 bytes', '1.00 KiB', '1.50 KiB', '123 MiB', '2.00 TiB']) // prettier-ignore
  assert.equal([8, 999, 999.7, 245_123, 18_600_000].map(scaledText), [
    '8',
    '999',
    '1.00 k',
    '245 k',
    '18.6 M',
  ])
  assert.equal([0, 0.273, 1, 45.27, 4937.2].map(digitsText), ['0', '0.27', '1', '45.3', '4937'])
  assert.is(percentText(0.8734), '87.3 %')
})

test('paragraphs are broken between words, lists continue below their values', () => {
  assert.is(wrap('one two three', 7), 'one two\nthree')
  assert.is(wrap('one two three', 7, 2), 'one two\n  three')
  assert.is(wrap('unbreakable word', 4), 'unbreakable\nword')
  assert.is(listText([['a', '1 2 3'], ['bcd', '4']], 9), 'a    1 2\n     3\nbcd  4') // prettier-ignore
})

test('a table fits the width, or its rows become paragraphs', () => {
  const settings = {
    head: ['what', 'all the threads together', 'ns'],
    rows: [['some', '10', '2'], ['other', '123,456', '']],
    names: 1,
  } // prettier-ignore
  assert.is(
    tableText({ ...settings, width: 40 }),
    [
      'what    all the  ns',
      '        threads',
      '       together',
      'some         10   2',
      'other   123,456',
    ].join('\n'),
  )
  assert.is(columnsText({ ...settings, width: 16 }), undefined)
  assert.is(tableText({ ...settings, width: 16, emphasize: (text) => `<${text}>` }).split('\n')[0], '<what some>') // prettier-ignore
})

test('colour only where the terminal has it', () => {
  assert.is(paint(stream({ isTTY: true, colors: true }).stream, 'red', 'x'), '\x1b[31mx\x1b[39m')
  assert.is(paint(stream({ isTTY: true, colors: false }).stream, 'red', 'x'), 'x')
  assert.is(paint(stream({ colors: true }).stream, 'red', 'x'), 'x')
})

test('a status line never wraps, and a pipe has none', () => {
  const terminal = stream({ isTTY: true, columns: 30 })
  const status = new StatusLine(terminal.stream)
  status.show('x'.repeat(50))
  status.erase()
  status.erase()
  assert.equal(terminal.written, [`\r\x1b[K${'x'.repeat(29)}`, '\r\x1b[K'])
  const pipe = stream()
  new StatusLine(pipe.stream).show('x')
  assert.equal(pipe.written, [])
})

const STATS = { lookups: 0, hits: 0, dirty: 512, size: 8192, rounds: 12 }
const COUNTS = { reads: 0, writes: 0, repeated: 0, mismatched: 0 }
const moment = (counts: object, stats: object = {}) =>
  ({ counts: { ...COUNTS, ...counts }, stats: { ...STATS, ...stats } }) as ProgressLine['now']

test('the progress says less on a narrow terminal, and always what is wrong', () => {
  const now = moment({ reads: 100_000, writes: 22_500 }, { lookups: 1000, hits: 873 })
  const line = { before: moment({}), now, interval: 0.5, elapsed: 4, left: 6.2 }
  assert.is(
    progressLine({ ...line, width: Infinity }),
    '  4.0 s    245,000 accesses/s  hits  87.3 %  dirty   6.3 %  rounds 12  6 s left',
  )
  for (const width of [79, 59, 39]) assert.ok(progressLine({ ...line, width }).length <= width, String(width))
  assert.is(progressLine({ ...line, width: 39 }), '  4.0 s    245,000 accesses/s  6 s left')
  const wrong = { ...line, now: moment({ reads: 1000, mismatched: 3 }) }
  assert.match(progressLine({ ...wrong, width: 39 }), /accesses\/s {2}WRONG 3$/)
  assert.is(fitParts([[0, 'first'], [1, 'second']], 3), 'first') // prettier-ignore
})

test('the time left comes from the time or from the accesses, whichever is less', () => {
  const counts = moment({ reads: 100 }).counts
  assert.is(secondsLeft(counts, 4, 10, undefined), 6)
  assert.is(secondsLeft(counts, 4, 10, 200), 4)
  assert.is(secondsLeft(counts, 4, undefined, 200), 4)
  assert.is(secondsLeft(counts, 12, 10, undefined), 0)
  assert.is(secondsLeft(counts, 4, undefined, undefined), undefined)
  assert.is(secondsLeft(moment({}).counts, 4, undefined, 200), undefined)
})

test('the time left of a run of suites comes from earlier runs, corrected by the suites that are finished', () => {
  let nowMs = 0
  const progress = new Progress(
    [
      { name: 'a', seconds: 120 },
      { name: 'b', seconds: 240 },
      { name: 'c', seconds: 60 },
    ],
    true,
    () => nowMs,
  )
  progress.begin()
  assert.is(progress.line('a: begins'), '[1/3, about 7 min left] a: begins')
  nowMs += 60_000
  assert.is(progress.line('a: goes on'), '[1/3, about 6 min left] a: goes on')
  // It takes twice as long as expected, and so will the others.
  nowMs += 180_000
  assert.is(progress.line('a: slow'), '[1/3, about 5 min left] a: slow')
  progress.begin()
  assert.is(progress.line('b: begins'), '[2/3, about 10 min left] b: begins')
  nowMs += 480_000
  progress.begin()
  nowMs += 90_000
  assert.is(progress.line('c: nearly done'), '[3/3, less than a minute left] c: nearly done')
  const other = new Progress([{ name: 'a', seconds: 120 }], false)
  other.begin()
  assert.is(other.line('a'), '[1/1] a')
})

test('no rate is told of threads that are ending', async () => {
  const { stream: pipe, written } = stream()
  const ends = { ...moment({ reads: 5 }), isEnding: true }
  {
    using _ = showProgress({ stream: pipe, look: () => ends, seconds: 1, ops: undefined })
    await new Promise((resolve) => setTimeout(resolve, 2200))
  }
  assert.equal(written, [])
})

test('the report of a load fits 80, 60 and 40 columns', () => {
  const latency = { count: 1, p50: 9.4, p99: 84_672.5, p999: 186_777.6, max: 270_532.6 }
  const report = {
    seconds: 10.02, accesses: 2_301_234, accessesPerSecond: 229_664, reads: 1, writes: 1, discards: 1, hitRatio: 0.5,
    bytesRead: 1, bytesWritten: 1, latencyUs: { read: latency, write: latency },
    stats: {
      diskReadBytes: 1, diskReads: 1, diskWriteBytes: 1, diskWrites: 1, rounds: 1, failedRounds: 0, evictions: 1,
      writerStalls: { count: 8123, p50Ms: 46.34, p99Ms: 55.11, maxMs: 1655.11 },
    },
  } as unknown as LoadReport // prettier-ignore
  for (const width of [80, 60, 40, 30]) {
    const text = figuresOf(report, width, (head) => head)
    assert.ok(widest(text) <= width, text)
    assert.match(text, /187 ms/)
    assert.not.match(text, /\d{6}\.\d/)
  }
  assert.match(
    figuresOf(report, 80, (head) => head),
    /^read +9\.40 µs +84\.7 ms +187 ms +271 ms$/m,
  )
})

test.run()
