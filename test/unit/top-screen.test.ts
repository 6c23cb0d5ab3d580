// dcache top: the screen as text. It fits every size, shows what matters most, and no name acts on the terminal. What keys change.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { columnsIn } from '#dist/cli/terminal.js'
import { modelOf } from '#dist/cli/top-model.js'
import type { TopModel } from '#dist/cli/top-report.js'
import { type ScreenInput, screenOf } from '#dist/cli/top-screen.js'
import { SORT_KEYS } from '#dist/cli/top-tables.js'
import { cut, edges } from '#dist/cli/top-text.js'
import { firstView, type Key, pressed, type TopView } from '#dist/cli/top-view.js'
import { group, latency, type MadeUp, madeUp, partition, thread } from '../support/fake-monitor.js'

const NAMES = [
  'orders',
  'customers',
  'bad\x1b[31m\nname',
  '日本語の名前がとても長いパーティション',
  'a-name-that-is-much-longer-than-a-column-may-be',
]

/** A busy cache: partitions with all kinds of names, groups, waiting threads, and `more`. */
function busy(more: MadeUp = {}): TopModel {
  const at = (n: number) => ({
    name: 'orders.mjs',
    stats: {
      lookups: 1_234_567 * n, hits: 1_200_000 * n, misses: 34_567 * n, diskReads: 34_567 * n, diskReadBytes: 141_586_432 * n,
      diskWrites: 900 * n, diskWriteBytes: 3_686_400 * n, evictions: 30_000 * n, rounds: 12 * n, flushes: 40 * n,
      memoryBytes: 64 * 2 ** 20, size: 16_384, dirty: 2000,
      writerStalls: latency([2 ** 6, 12 * n], [2000, n]),
      groups: {
        orders: group({ dirty: 900, dirtyLimit: 1000, journal: { records: 3, writtenBytes: 0, fsync: latency(), usedBytes: 500, halfBytes: 1000 } }),
        logs: group(),
      },
      partitions: Object.fromEntries(NAMES.map((name, i) => [
        name,
        partition({
          index: i, group: i < 3 ? 'orders' : 'logs', hits: (200_000 - i * 1000) * n, misses: 7000 * n, cached: 3000 + i,
          diskReadBytes: 28_317_286 * n, diskWriteBytes: 700_000 * n, fsyncs: 9 * n, fsync: latency([12, 9 * n]), read: latency([0.05, 7000 * n]),
        }),
      ])),
      ...more.stats,
      failedRounds: (more.stats?.failedRounds ?? 0) * n,
    },
    threads: [
      thread(0, { name: 'owner' }),
      thread(1, { name: 'flush worker' }),
      thread(20, { name: 'worker \x07a', holds: [{ mode: 'modify', partition: 'orders', block: 7 }], holdCount: 3 }),
      thread(21, { waits: [{ mode: 'modify', partition: 'orders', block: 7, sinceMs: 1234, heldBy: [20], cycle: [] }] }),
      thread(22, {
        waits: [
          { mode: 'read', partition: 'customers', block: 1, heldBy: [23], cycle: [22, 23] },
          { mode: 'dirty', sinceMs: 9, heldBy: [], cycle: [] },
        ],
      }),
      thread(23, { alive: false }),
    ],
  }) // prettier-ignore
  const { stats: _, ...rest } = more
  return modelOf(madeUp({ ...at(2), timeMs: 1_001_000, ...rest }), madeUp({ ...at(1), timeMs: 1_000_000 }))
}

const screen = (more: Partial<ScreenInput> = {}) =>
  screenOf({
    model: busy(),
    view: firstView(1),
    watchedSeconds: 75,
    columns: 80,
    rows: 24,
    style: (_, text) => text,
    ...more,
  })

const textOf = (more: Partial<ScreenInput> = {}) => screen(more).lines.join('\n')
const threads = { ...firstView(1), panel: 'threads' as const }
const LOST = { why: 'nothing listens at 127.0.0.1:7000', seconds: 12 }
const FENCED = busy({ stats: { failedRounds: 5, partitions: { broken: partition({ isFenced: true }) } } })

test('it fits every size, whatever it shows', () => {
  const models = [
    busy(),
    FENCED,
    modelOf(madeUp()),
    modelOf(madeUp({ stats: { partitions: {}, groups: {} } })),
  ]
  const views = [firstView(1), threads, { ...firstView(1), isPaused: true, scroll: 3 }, { ...firstView(1), isHelp: true }] // prettier-ignore
  for (const columns of [20, 40, 60, 80, 120, 200])
    for (const rows of [5, 10, 16, 20, 24, 50])
      for (const model of models)
        for (const view of views)
          for (const lost of view === views[0] ? [undefined, LOST] : [undefined]) {
            const { lines } = screen({ model, view, columns, rows, lost })
            const where = `${columns} x ${rows}\n${lines.join('\n')}`
            assert.ok(lines.length <= rows, where)
            assert.ok(view.isHelp || lines.length === rows, where)
            for (const line of lines) assert.ok(columnsIn(line) <= columns, where)
            assert.not.match(lines.join('\n'), /NaN|undefined|null|Infinity/)
            assert.not.match(lines.join(''), /[\x00-\x1f\x7f-\x9f]/) // eslint-disable-line no-control-regex
          }
})

test('80 columns have the rates, latencies, groups and the partitions with the fsyncs', () => {
  const text = textOf()
  assert.match(text, /^orders\.mjs {2}pid 4711 {2}open .*watched 1 min 15 s {2}rates over 1\.0 s$/m)
  assert.match(
    text,
    /lookups\/s +1\.23M .*read\/s +135MiB .*memory +64MiB|lookups\/s +1\.23M .*read\/s +135MiB .*memory +64\.0MiB/,
  )
  assert.match(text, /hits +97\.2% /)
  assert.match(text, /^latency +per s +p50 +p99 +max$/m)
  assert.match(text, /^fsync +45 +12ms +12ms +12ms$/m)
  assert.match(text, /^writer stalls +13 +64ms +2s +2s$/m)
  assert.match(text, /^orders +900 +1k +90\.0% +2 of 2 +0 +50\.0%$/m)
  assert.match(text, /^logs +1 +50 +2\.0% .*none$/m)
  assert.match(text, /^-- PARTITIONS 5, by lookups --$/m)
  assert.match(text, /^partition +lookups\/s +hits +cached +pool +dirty +read\/s +write\/s +fsync p99$/m)
  assert.match(text, /^orders +207k +96\.6% +3k +18\.3% +1 +27\.0MiB +684KiB +12ms$/m)
  assert.match(text, /^bad\\x1b\[31m\\nname /m)
  assert.match(text, /^日本語の名前がと… +204k /m)
  assert.match(text, /^q quit .*interval 1 s$/m)
})

test('40 columns keep the names, the lookups and the hits; 10 rows keep partitions', () => {
  const { lines, page } = screen({ columns: 40, rows: 10 })
  assert.is(lines.length, 10)
  assert.match(lines.join('\n'), /^partition +lookups\/s +hits/m)
  assert.match(lines.join('\n'), /^orders +207k +96\.6%/m)
  assert.not.match(lines.join('\n'), /latency/)
  assert.ok(page >= 3, String(page))
})

test('wide terminals have every column, and latencies and groups next to each other', () => {
  const text = textOf({ columns: 200 })
  assert.match(text, /^latency .* group /m)
  assert.match(text, /^partition +group +lookups\/s .* read p99 +fsyncs\/s +blocks +block size$/m)
  assert.match(text, /a-name-that-is-much-longer-than-a-column-may-be/)
  assert.match(textOf({ columns: 120 }), /^partition +group +lookups\/s .* fsync p99/m)
})

test('without limits there is everything, and no keys', () => {
  const text = textOf({ columns: Infinity, rows: Infinity })
  assert.match(text, /PARTITIONS 5/)
  assert.match(text, /THREADS 7/)
  assert.match(text, /^orders\.mjs {2}pid 4711 {2}open {2}watched/)
  assert.not.match(text, /q quit|…/)
})

test('unknown numbers are a dash', () => {
  const text = textOf({ model: modelOf(madeUp()) })
  assert.match(text, /rates over -/)
  assert.match(text, /lookups\/s +- /)
  assert.match(text, /^read +- +- +- +-$/m)
  assert.match(text, /^data +- +- /m)
})

test('threads: what each waits for, since when, who holds it, and cycles first', () => {
  const text = textOf({ view: threads, columns: 120 })
  const rows = text.slice(text.indexOf('-- THREADS 7 --')).split('\n').slice(2)
  assert.match(rows[0]!, /^ 22 thread 22 +read customers:1 +- +23 thread 23 +CYCLE 22 > 23/)
  assert.match(rows[1]!, /^ +the dirty limit +9ms/)
  assert.match(rows[2]!, /^ 21 thread 21 +modify orders:7 +1\.23s +20 worker \\x07a$/)
  assert.match(rows[3]!, /^ {2}0 owner/)
  assert.match(rows[4]!, /^ 20 worker \\x07a +modify orders:7, 2 more$/)
  assert.match(rows[5]!, /^ 23 \(dead\) thread 23/)
  assert.match(rows[6]!, /^ {2}1 flush worker/)
  assert.match(textOf({ view: threads, columns: 40 }), /CYCLE|held by|waits for/)
})

test('warnings come after the title; a low terminal says how many more there are', () => {
  const model = busy({ stats: { failedRounds: 5, partitions: { broken: partition({ isFenced: true }) }, groups: { '': group({ dirty: 50 }) } } }) // prettier-ignore
  const high = screen({ model, columns: 100 }).lines
  assert.match(high[1]!, /^! a write has failed: broken is not written until retry\(\)/)
  assert.match(high[2]!, /^! 5 rounds of write-back have failed/)
  assert.match(high[3]!, /^! .*\(and 1 more\)$/)
  assert.match(high.join('\n'), /^broken +FENCED/m)
  const low = screen({ model, columns: 60, rows: 12 }).lines
  assert.match(low[1]!, /^! a write has failed: .*\(and 3 more\)$/)
  assert.not.match(low[2]!, /^!/)
})

test('a lost connection is told with the age of the figures, which are greyed and stay', () => {
  const style: ScreenInput['style'] = (style, text) => `<${style}>${text}</${style}>`
  const text = textOf({ lost: LOST, style, columns: 120 })
  assert.match(text, /<red>! connection lost, figures of 12 s ago: nothing listens at 127\.0\.0\.1:7000/)
  assert.match(text, /^<dim>lookups\/s +1\.23M.*<\/dim>$/m)
  assert.match(text, /^<dim>orders +orders +207k .*<\/dim>$/m)
  assert.not.match(text, /<bold>/)
  assert.match(textOf({ style, columns: 120 }), /<bold>partition/)
})

test('a long list scrolls to its end and not further', () => {
  const partitions = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`p${String(i).padStart(3, '0')}`, partition({ index: i })]),
  )
  const model = modelOf(madeUp({ stats: { partitions } }))
  const view = { ...firstView(1), sort: SORT_KEYS.findIndex(({ name }) => name === 'name') }
  const first = screen({ model, view })
  assert.match(first.lines.join('\n'), new RegExp(`PARTITIONS 1-${first.page} of 100, by name`))
  const last = screen({ model, view: { ...view, scroll: 1e9 } })
  assert.is(last.scroll, 100 - last.page)
  assert.match(last.lines.at(-2)!, /^p099/)
})

test('keys', () => {
  const view = firstView(1)
  const press = (from: TopView, ...keys: (string | Key)[]): TopView =>
    keys.reduce<TopView>((view, key) => {
      const next = pressed(view, typeof key === 'string' ? { name: key } : key, 10)
      assert.ok(typeof next === 'object', JSON.stringify(key))
      return next
    }, from)
  assert.is(press(view, 't').panel, 'threads')
  assert.is(press(view, 'tab', 'tab').panel, 'partitions')
  assert.is(press(view, 's').sort, 1)
  assert.is(press(view, ...SORT_KEYS.map(() => 's')).sort, 0)
  assert.is(press(view, { name: 's', shift: true }).sort, SORT_KEYS.length - 1)
  assert.is(press(view, 'r').isReversed, true)
  assert.is(press(view, 'down', 'pagedown', 'up').scroll, 10)
  assert.is(press(view, 'down', 'pageup').scroll, 0)
  assert.is(press(view, 'down', 'home').scroll, 0)
  assert.is(press(view, 'space').isPaused, true)
  assert.is(press(view, { sequence: '+' }, { sequence: '+' }).intervalSeconds, 5)
  assert.is(press(view, { sequence: '-' }).intervalSeconds, 0.5)
  assert.is(press({ ...view, intervalSeconds: 3 }, { sequence: '-' }).intervalSeconds, 2)
  assert.is(press(view, ...Array.from({ length: 30 }, () => ({ sequence: '-' }))).intervalSeconds, 0.1)
  assert.is(press(view, ...Array.from({ length: 30 }, () => ({ sequence: '+' }))).intervalSeconds, 3600)
  assert.is(press(view, { sequence: '?' }).isHelp, true)
  assert.is(press(view, 'h', 'q').isHelp, false)
  for (const key of [{ name: 'q' }, { name: 'c', ctrl: true }, { name: 'd', ctrl: true }])
    assert.is(pressed(view, key, 10), 'quit')
  assert.is(pressed(press(view, 'h'), { name: 'c', ctrl: true }, 10), 'quit')
  assert.is(pressed(view, { name: 'z', ctrl: true }, 10), 'suspend')
  assert.is(pressed(view, { name: 'x' }, 10), undefined)
  assert.match(textOf({ view: press(view, 'h') }), /Ctrl-Z +suspend/)
})

test('texts are cut between characters, at columns of the terminal', () => {
  assert.is(cut('abcdef', 6), 'abcdef')
  assert.is(cut('abcdef', 5), 'abcd…')
  assert.is(cut('日本語', 5), '日本…')
  assert.is(cut('日本語', 4), '日…')
  assert.is(cut('e\u0301e\u0301e\u0301', 2), 'e\u0301…')
  assert.is(cut('abc', 0), '')
  assert.is(edges('ab', 'cd', 8), 'ab    cd')
  assert.is(edges('ab', 'cd', 5), 'ab')
})

test.run()
