/**
 * Summarizes a run in up to five sentences: a hit, a change, the disk, recovery and the block server. Sentences whose
 * figures were not measured are omitted, and others replace them.
 */
import { digitsText, durationText, percentText, scaledText } from '#dist/cli/units.js'
import { type BenchReport, type Row, valueOf } from '../harness/report.js'
import { REFERENCES } from '../replay/policies.js'

const SENTENCES_MAX = 5

type Sentence = (report: BenchReport) => string | undefined
type Wanted = Readonly<Record<string, string | number>>

export const summaryOf = (report: BenchReport): string[] =>
  SENTENCES.flatMap((sentence) => sentence(report) ?? []).slice(0, SENTENCES_MAX)

const rowsOf = (report: BenchReport, suite: string, section: string): readonly Row[] =>
  report.suites.find(({ name }) => name === suite)?.sections.find(({ name }) => name === section)?.rows ?? []

const find = (rows: readonly Row[], wanted: Wanted): Row | undefined =>
  rows.find(({ parameters }) => Object.entries(wanted).every(([name, value]) => parameters[name] === value))

/** The middle value of a parameter. */
const middle = (rows: readonly Row[], parameter: string): number => {
  const values = [...new Set(rows.map(({ parameters }) => Number(parameters[parameter])))].sort((a, b) => a - b) // prettier-ignore
  return values[values.length >> 1] ?? 0
}

const figure = (row: Row | undefined, key: string) => valueOf(row?.figures[key])

const hit: Sentence = (report) => {
  const rows = rowsOf(report, 'hit', 'cost')
  const pattern = rows[0]?.parameters['pattern'] ?? ''
  const blocks = middle(rows, 'blocks')
  const threads = Math.min(...rows.map(({ parameters }) => Number(parameters['threads'])))
  const row = find(rows, { blocks, pattern, threads, variant: 'dcache, bytes' })
  const [ns, toFloor] = [figure(row, 'ns'), figure(row, 'toFloor')]
  if (ns === undefined || toFloor === undefined) return undefined
  const message = figure(find(rows, { blocks, pattern, threads, variant: 'owner by message' }), 'ns')
  return (
    `A hit takes ${durationText(ns)} on ${threads} thread${threads === 1 ? '' : 's'} (${blocks.toLocaleString('en-US')} blocks, ${pattern}), ` +
    `${digitsText(toFloor)} times the bare atomics that it needs` +
    (message === undefined
      ? '.'
      : `; a request to an owner thread by message takes ${durationText(message)}.`)
  )
}

const change: Sentence = (report) => {
  const rows = rowsOf(report, 'modify', 'changes')
  const threads = Math.min(...rows.map(({ parameters }) => Number(parameters['threads'])))
  const of = (blocks: string) => rows.find(({ parameters }) => parameters['blocks'] === blocks && parameters['threads'] === threads && parameters['declared'] !== 'whole block') // prettier-ignore
  const [clean, dirty] = [figure(of('clean'), 'ns'), figure(of('dirty'), 'ns')]
  if (clean === undefined || dirty === undefined) return undefined
  return `A change of declared bytes takes ${durationText(clean)} in a clean block and ${durationText(dirty)} in one with unwritten changes, of which an image is saved.`
}

const disk: Sentence = (report) => {
  const miss = find(rowsOf(report, 'disk', 'misses'), { order: 'random', io: 'buffered' })
  const flush = find(rowsOf(report, 'disk', 'flushes'), { what: 'random, 64 MiB of 1 GiB', io: 'buffered' })
  const [us, bare] = [figure(miss, 'miss'), figure(miss, 'bare')]
  const [ms, ratio] = [figure(flush, 'flush'), figure(flush, 'ratio')]
  if (us === undefined || bare === undefined || ms === undefined || ratio === undefined) return undefined
  return (
    `A random miss takes ${durationText(us * 1e3)} out of the page cache (fs.readSync: ${durationText(bare * 1e3)}), and a flush of 64 MiB in ` +
    `random blocks ${durationText(ms * 1e6)}, at ${percentText(ratio)} of the speed of bare writes and one fsync.`
  )
}

const death: Sentence = (report) => {
  const rows = rowsOf(report, 'recovery', 'recovery')
  const row = find(rows, { from: "the worker's 'exit'" })
  const [p50, p99] = [figure(row, 'p50'), figure(row, 'p99')]
  if (p50 === undefined || p99 === undefined) return undefined
  return `After the exit of a worker, a block that it held is free within ${durationText(p50 * 1e6)} in half of the cases, and within ${durationText(p99 * 1e6)} in 99 %.`
}

const server: Sentence = (report) => {
  const rows = rowsOf(report, 'nbd', 'requests')
  const row = rows.find(({ parameters }) => String(parameters['server']).startsWith('dcache'))
  const [rate, toNbdkit] = [figure(row, 'perSecond'), figure(row, 'toNbdkit')]
  if (row === undefined || rate === undefined) return undefined
  return (
    `The block server answers ${scaledText(rate)} ${row.parameters['operation']} of 4 KiB a second on ${row.parameters['connections'] === 1 ? '1 connection' : `${row.parameters['connections']} connections`}` +
    (toNbdkit === undefined ? '.' : `, ${digitsText(toNbdkit)} times as many as nbdkit.`)
  )
}

/** Stored runs without figures of `adaptive` are from when `2q` was the default. */
const DEFAULTS = [
  { key: 'adaptive', title: 'adaptive' },
  { key: 'twoQueues', title: '2q' },
] as const

/** The means of a run; of an older one, which has none, how often the default policy is not behind plain LRU. */
const replay: Sentence = (report) => {
  const all = rowsOf(report, 'replay', 'means').at(-1)
  const rows = rowsOf(report, 'replay', 'ratios')
  const { key, title } = DEFAULTS.find((each) => figure(rows[0], each.key) !== undefined) ?? DEFAULTS[0]
  if (all !== undefined) {
    const percent = (key: string) => `${digitsText(figure(all, key) ?? 0)} %`
    const other = [...REFERENCES].sort((a, b) => (figure(all, b.key) ?? 0) - (figure(all, a.key) ?? 0))[0]!
    const of = rowsOf(report, 'replay', 'means').length === 2 ? 'a trace' : 'the traces'
    return (
      `In the mean of the sizes of ${of} the policy ${title} hits in ${percent(key)} of the accesses, plain LRU in ${percent('lru')}, the best ` +
      `policy of research that was compared, ${other.title}, in ${percent(other.key)}, and the best possible choice in ${percent('best')}.`
    )
  }
  const better = rows.filter(({ figures }) => valueOf(figures[key])! >= valueOf(figures['lru'])!)
  return rows.length === 0
    ? undefined
    : `The policy ${title} has at least as many hits as plain LRU in ${better.length} of ${rows.length} replays of recorded traces.`
}

const together: Sentence = (report) => {
  const rows = rowsOf(report, 'contention', 'contention')
  const threads = Math.max(0, ...rows.map(({ parameters }) => Number(parameters['threads'])))
  return rows.length === 0 ? undefined : `Contention was measured with up to ${threads} threads.`
}

const SENTENCES: readonly Sentence[] = [hit, change, disk, death, server, replay, together]
