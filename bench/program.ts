/**
 * The options of `dcache bench`, and the run of the suites and its output.
 */
import { readTrace, whole } from '#dist/cli/load-settings.js'
import { monitorOption, monitorText } from '#dist/cli/monitor-option.js'
import { columnsOf, paint } from '#dist/cli/terminal.js'
import { POLICIES } from '#dist/shared/config.js'
import type { PolicyName } from '#dist/shared/options.js'
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { MonitorOptions } from 'dcache/monitor'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { monitorCaches } from './harness/monitor.js'
import type { BenchReport, SuiteReport } from './harness/report.js'
import { loadNow, setupOf } from './harness/setup.js'
import type { BenchSettings } from './harness/suite.js'
import { PATTERNS, type PatternName } from './hit/workload.js'
import { addToHistory, type HistoryLine, readHistory } from './output/history.js'
import { Progress } from './output/progress.js'
import { reportText } from './output/tables.js'
import { pageProblem, writePage } from './page/write.js'
import { parseSizes, type Sizes, sizesProblem } from './replay/sizes.js'
import { MADE_UP } from './replay/suite.js'
import { SUITES } from './suites.js'

const EXIT_FAILED = 1
const EXIT_USAGE = 2
/** The options that change how long a run takes. */
const LENGTHENING: readonly (keyof Options)[] = ['smoke', 'rounds', 'sliceMs', 'threads', 'blocks', 'patterns', 'peers', 'deaths', 'trace', 'sizes'] // prettier-ignore

/** The options as commander collects them. */
interface Options {
  readonly smoke: boolean
  readonly rounds: number
  readonly sliceMs: number
  readonly threads?: readonly number[]
  readonly blocks?: readonly number[]
  readonly patterns: readonly PatternName[]
  readonly policy?: PolicyName
  readonly peers: boolean
  readonly deaths: number
  readonly trace: readonly string[]
  readonly sizes: Sizes
  readonly monitor?: MonitorOptions
  readonly json: boolean
  readonly html?: string
  readonly from?: string
  readonly history?: string
}

/** Returns a parser for commander that accepts whole numbers separated by commas. */
function list(least: number, most: number): (text: string) => number[] {
  const parse = whole(least, most)
  return (text) => text.split(',').map(parse)
}

function patterns(text: string): PatternName[] {
  return text.split(',').map((name) => {
    const pattern = PATTERNS.find((known) => known === name)
    if (pattern === undefined) throw new InvalidArgumentError(`It must be one of ${PATTERNS.join(', ')}.`)
    return pattern
  })
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/** Runs the command. Resolves to its exit code. */
export async function program(argv: readonly string[]): Promise<number> {
  let code = 0
  const command = new Command('dcache bench')
    .description(
      'Measure on this machine what hits, changes, misses, flushes, commits and the block server cost.',
    )
    .exitOverride()
    .addArgument(
      new Argument('[suites...]', 'what to measure')
        .choices(SUITES.map(({ name }) => name))
        .default([], 'all'),
    )
    .option('--smoke', 'a tiny run that only shows that everything works; its figures are meaningless', false)
    .option('--rounds <count>', 'number of rounds; each measures every variant', whole(1, 10_000), 15)
    .option('--slice-ms <ms>', 'duration of a variant in a round, in milliseconds', whole(1, 60_000), 50)
    .option(
      '--threads <counts>',
      'numbers of threads, separated by commas (default: those of each suite)',
      list(1, 64),
    )
    .option(
      '--blocks <counts>',
      'numbers of blocks, separated by commas (default: those of each suite)',
      list(2, 2 ** 24),
    )
    .option('--patterns <names>', `hit: ${PATTERNS.join(', ')}`, patterns, [...PATTERNS])
    .addOption(
      new Option('--policy <name>', 'how the cache chooses victims (default: that of openCache)').choices(
        POLICIES,
      ),
    )
    .option('--no-peers', 'hit, commit: only dcache and the floors')
    .option('--deaths <count>', 'recovery: number of workers that are killed', whole(1, 100_000), 200)
    .option(
      '--trace <files...>',
      'replay: gzip files of little-endian 32-bit block numbers, as for dcache load --trace',
      (path: string, before: readonly string[]) => [...before, path],
      [],
    )
    .addOption(
      new Option(
        '--sizes <counts>',
        'replay: sizes of the cache in blocks, separated by commas; TRACE=SIZES gives those of one trace, which is called like ' +
          'its file without .u32.gz, and may be repeated',
      )
        .argParser(parseSizes)
        .default(new Map() as Sizes, 'shares of the distinct blocks'),
    )
    .addOption(monitorOption())
    .option('--json', 'print one JSON object on stdout, and the progress on stderr', false)
    .option('--html <file>', 'write a self-contained page with plots')
    .option('--from <file>', 'do not measure; show the run that --json printed into this file')
    .option(
      '--history <file>',
      'add the headline figures to this CSV file, one line a release; the page shows them if there are at least two lines',
    )
    .addHelpText(
      'after',
      `\nSuites:\n${SUITES.map(({ name, about }) => `  ${name.padEnd(12)}${about}`).join('\n')}`,
    )
    .action(async (names: string[], options: Options, self: Command) => {
      const isUsual = LENGTHENING.every(
        (name) => (self.getOptionValueSource(name) ?? 'default') === 'default',
      )
      code = await bench(names, options, argv, isUsual)
    })
  try {
    await command.parseAsync(argv)
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? 0 : EXIT_USAGE
  }
  return code
}

async function bench(
  names: readonly string[],
  options: Options,
  argv: readonly string[],
  isUsual: boolean,
): Promise<number> {
  if (options.html !== undefined) {
    const problem = await pageProblem(options.html)
    if (problem !== undefined) return refuse(problem)
  }
  let history: HistoryLine[] = []
  let report: BenchReport | number
  try {
    if (options.history !== undefined) history = await readHistory(options.history)
    report =
      options.from === undefined
        ? await measure(names, options, argv, isUsual)
        : await readReport(options.from)
  } catch (error) {
    return refuse((error as Error).message)
  }
  if (typeof report === 'number') return report
  if (options.history !== undefined) history = await addToHistory(options.history, report)
  if (options.html !== undefined) await writePage(options.html, report, history)
  const { stdout } = process
  stdout.write(options.json ? `${JSON.stringify(report)}\n` : `${reportText(report, columnsOf(stdout), (text) => paint(stdout, 'bold', text))}\n`) // prettier-ignore
  return 0
}

function refuse(problem: string): number {
  process.stderr.write(`dcache bench: ${problem}\n`)
  return EXIT_USAGE
}

/** @throws with a message for the user */
async function readReport(path: string): Promise<BenchReport> {
  try {
    const report = JSON.parse(await readFile(path, 'utf8')) as Partial<BenchReport>
    if (Array.isArray(report.suites) && report.setup !== undefined) return report as BenchReport
  } catch (error) {
    throw new Error(`${path} can't be read: ${(error as Error).message}`, { cause: error })
  }
  throw new Error(`${path} is no output of dcache bench --json`)
}

/**
 * Runs the suites. Resolves to an exit code if a suite fails. @throws with a message for the user, before any suite
 * runs
 */
async function measure(
  names: readonly string[],
  options: Options,
  argv: readonly string[],
  isUsual: boolean,
): Promise<BenchReport | number> {
  const traces = new Map<string, Uint32Array>()
  for (const path of options.trace) {
    const name = basename(path, '.u32.gz')
    if (traces.has(name)) throw new Error(`two traces are called ${name}: rename the file ${path}`)
    traces.set(name, await readTrace(path))
  }
  const problem = sizesProblem(options.sizes, traces.size === 0 ? [MADE_UP] : [...traces.keys()])
  if (problem !== undefined) throw new Error(problem)
  const startedAt = new Date().toISOString()
  const loadBefore = loadNow()
  const settings: BenchSettings = {
    smoke: options.smoke,
    rounds: options.smoke ? 2 : options.rounds,
    sliceMs: options.smoke ? 2 : options.sliceMs,
    threads: options.threads,
    blocks: options.blocks,
    patterns: options.patterns,
    policy: options.policy,
    peers: options.peers,
    deaths: options.deaths,
    traces,
    sizes: options.sizes,
  }
  const chosen = SUITES.filter(({ name }) => names.length === 0 || names.includes(name))
  const progress = new Progress(chosen, isUsual)
  const say = (text: string) => {
    process.stderr.write(`${progress.line(text)}\n`)
  }
  if (options.monitor !== undefined)
    monitorCaches(
      options.monitor,
      (url) => say(monitorText(url)),
      (why) => say(`without the monitor: ${why}`),
    )
  const suites: SuiteReport[] = []
  for (const suite of chosen) {
    progress.begin()
    try {
      suites.push(await suite.run(settings, say))
    } catch (error) {
      const { stack, message } = error as Error
      process.stderr.write(`dcache bench ${suite.name}: ${stack ?? message}\n`)
      return EXIT_FAILED
    }
  }
  const report: BenchReport = {
    dcache: version,
    startedAt,
    setup: setupOf(loadBefore),
    settings: {
      arguments: argv.slice(2),
      ...settings,
      traces: [...traces.keys()],
      sizes: [...options.sizes],
    },
    suites,
  }
  return report
}
