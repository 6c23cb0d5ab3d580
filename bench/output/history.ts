/**
 * The headline figures of a run as a line of a CSV file. One line a release shows slow-downs.
 */
import { durationText, scaledText } from '#dist/cli/units.js'
import { readFile, writeFile } from 'node:fs/promises'
import { type BenchReport, valueOf } from '../harness/report.js'

export interface HistoryLine {
  readonly version: string
  /** YYYY-MM-DD. */
  readonly date: string
  /** Figures of two lines are comparable only if this is the same. */
  readonly machine: string
  /** By the keys of the headlines. Figures that were not measured are missing. */
  readonly figures: Readonly<Record<string, number | undefined>>
}

interface Headline {
  readonly key: string
  readonly title: string
  readonly text: (value: number) => string
  /** Suite and section, the parameters of the row, its figure, and a factor that gives nanoseconds. */
  readonly from: readonly [suite: string, section: string]
  readonly where: Readonly<Record<string, string | number>>
  readonly figure: string
  readonly scale: number
}

const ns = (value: number) => durationText(value)
const rate = (value: number) => `${scaledText(value)}/s`
const hit = (variant: string) => ({ blocks: 16_384, pattern: 'uniform', threads: 1, variant })

const HEADLINES: readonly Headline[] = [
  { key: 'floor_ns', title: 'the floor', text: ns, from: ['hit', 'cost'], where: hit('floor'), figure: 'ns', scale: 1 },
  { key: 'hit_ns', title: 'a hit', text: ns, from: ['hit', 'cost'], where: hit('dcache, bytes'), figure: 'ns', scale: 1 },
  { key: 'read_sync_ns', title: 'readSync', text: ns, from: ['hit', 'cost'], where: hit('dcache, readSync of 8 bytes'), figure: 'ns', scale: 1 },
  { key: 'change_ns', title: 'a change', text: ns, from: ['modify', 'changes'], where: { blocks: 'dirty', declared: '64 bytes', threads: 1 }, figure: 'ns', scale: 1 },
  { key: 'miss_ns', title: 'a miss', text: ns, from: ['disk', 'misses'], where: { order: 'random', io: 'buffered' }, figure: 'miss', scale: 1e3 },
  { key: 'flush_ns', title: 'a flush', text: ns, from: ['disk', 'flushes'], where: { what: 'random, 64 MiB of 1 GiB', io: 'buffered' }, figure: 'flush', scale: 1e6 },
  { key: 'recovery_ns', title: 'recovery', text: ns, from: ['recovery', 'recovery'], where: { blocks: 1000, from: "the worker's 'exit'" }, figure: 'p50', scale: 1e6 },
  { key: 'served_per_s', title: 'served reads', text: rate, from: ['nbd', 'requests'], where: { operation: 'random reads', connections: 1, server: 'dcache serve' }, figure: 'perSecond', scale: 1 },
] // prettier-ignore

export const headlinesOf = (): readonly Pick<Headline, 'key' | 'title' | 'text'>[] => HEADLINES

const COLUMNS = ['version', 'date', 'machine', ...HEADLINES.map(({ key }) => key)]

export function historyLine(report: BenchReport): HistoryLine {
  const { cpu, cores, node } = report.setup
  const figures = HEADLINES.map(({ key, from: [suite, section], where, figure, scale }) => {
    const rows = report.suites.find(({ name }) => name === suite)?.sections.find(({ name }) => name === section)?.rows // prettier-ignore
    const row = rows?.find(({ parameters }) =>
      Object.entries(where).every(([name, value]) => parameters[name] === value),
    )
    const value = valueOf(row?.figures[figure])
    return [key, value === undefined ? undefined : value * scale] as const
  })
  return {
    version: report.dcache,
    date: report.startedAt.slice(0, 10),
    machine: `${cpu}, ${cores} cores, Node ${node}`,
    figures: Object.fromEntries(figures),
  }
}

/** The lines of a file; none if it does not exist. @throws with a message for the user if it is no history */
export async function readHistory(path: string): Promise<HistoryLine[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  })
  if (text.trim() === '') return []
  const [head, ...lines] = text.trim().split('\n')
  if (head !== COLUMNS.join(';')) throw new Error(`${path} is not a history of dcache bench`)
  return lines.map((line) => {
    const [version = '', date = '', machine = '', ...values] = line.split(';')
    const figures = HEADLINES.map(({ key }, i) => [key, values[i] ? Number(values[i]) : undefined] as const)
    return { version, date, machine, figures: Object.fromEntries(figures) }
  })
}

/** Rounds to four digits. */
const rounded = (value: number | undefined) => (value === undefined ? '' : Number(value.toPrecision(4)))

/** Adds the run. Replaces a line of the same version and day. */
export async function addToHistory(path: string, report: BenchReport): Promise<HistoryLine[]> {
  const added = historyLine(report)
  const before = await readHistory(path)
  const lines = [
    ...before.filter(({ version, date }) => version !== added.version || date !== added.date),
    added,
  ]
  const textOf = ({ version, date, machine, figures }: HistoryLine) =>
    [version, date, machine.replaceAll(';', ','), ...HEADLINES.map(({ key }) => rounded(figures[key]))].map(String).join(';') // prettier-ignore
  await writeFile(path, `${[COLUMNS.join(';'), ...lines.map(textOf)].join('\n')}\n`)
  return lines
}
