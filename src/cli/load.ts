/**
 * `dcache load`: opens a cache on this thread, drives it from a pool of worker threads, and verifies the result. Every
 * read is compared with a table of what was written, and so is every block of the files at the end.
 */
import { Command, Option } from 'commander'
import { createHistogram } from 'node:perf_hooks'
import type { WriteStream } from 'node:tty'
import { type BlockCache, CacheError, openCache } from '../index.js'
import { Board } from '../workload/board.js'
import { Grower } from '../workload/grower.js'
import { HOT_BLOCKS, HOT_SHARE } from '../workload/pattern.js'
import type { LoadFile, Truth } from '../workload/truth.js'
import { holdersText } from '../core/inspect/holders-text.js'
import { monitor } from '../monitor/index.js'
import { learn, type Verification, verify } from '../workload/verify.js'
import { runLoad } from '../workload/workload.js'
import { catchInterrupts, EXIT_INTERRUPTED } from './interrupt.js'
import { type LoadFiles, useFiles } from './load-files.js'
import { showProgress } from './load-progress.js'
import { figuresOf, type Findings, reportOf, verdictOf } from './load-report.js'
import * as settings from './load-settings.js'
import { type LoadSettings } from './load-settings.js'
import { monitorOption, monitorText } from './monitor-option.js'
import { RECORDER } from '../monitor/recorder.js'
import { POLICIES } from '../shared/config.js'
import { columnsOf, paint, StatusLine, wrap } from './terminal.js'
import { countText } from './units.js'

const EXIT_FAILED = 1
const EXIT_USAGE = 2
/** The words that count accesses have 32 bits, with a sign. */
const OPS_MAX = 2 ** 31 - 1

export function loadCommand(): Command {
  return new Command('load')
    .description(
      'Drive a cache from several threads and verify that every block holds what was written.\n\n' +
        'A partition that you name is OVERWRITTEN: the load writes stamps into its blocks. Without --partition, the load ' +
        'uses a copy of the running Node executable and a fresh file, in a temporary folder that it removes.',
    )
    .addOption(
      new Option(
        '--partition <path[:blocksize]>',
        `a file or device to work on, which the load changes; the number after the last colon is the block size in bytes ` +
          `(default ${settings.BLOCK_SIZE}); repeatable`,
      )
        .argParser(settings.parsePartition)
        .default([], 'files in a temporary folder'),
    )
    .option('--threads <count>', 'number of worker threads', settings.whole(1, 1000), 4)
    .option(
      '--seconds <seconds>',
      `duration of the load (default: ${settings.SECONDS}; no limit with --ops or --trace)`,
      settings.number(0, 1e6, false),
    )
    .option('--ops <count>', 'number of accesses, of all threads together', settings.whole(1, OPS_MAX))
    .option('--reads <share>', 'share of the accesses that only read', settings.number(0, 1), 0.8)
    .option(
      '--class-changes <share>',
      "share of the writes that mark a block with a write class other than the block's own; such a write may wait until " +
        "the block's earlier change is on the disk",
      settings.number(0, 1),
      0,
    )
    .addOption(
      new Option(
        '--grow <factor>',
        'the partitions grow while the load runs, to this many times their size; a quarter of the accesses goes to the blocks that ' +
          'were added',
      )
        .argParser(settings.number(1, 100, false))
        .conflicts('trace'),
    )
    .addOption(
      new Option(
        '--pattern <name>',
        `which blocks are accessed: uniform; zipf:EXPONENT; scan (each thread goes through all blocks in order); hot (${HOT_SHARE * 100} % ` +
          `of the accesses to ${HOT_BLOCKS} blocks)`,
      )
        .argParser(settings.parsePattern)
        .default({ kind: 'zipf', exponent: 0.99 }, 'zipf:0.99'),
    )
    .option(
      '--trace <file>',
      'instead of a pattern: a gzip file of little-endian 32-bit block numbers, one for each access, modulo the number ' +
        'of blocks of all partitions; each free thread takes the next number; the trace runs once, or repeatedly with ' +
        '--seconds or --ops; with --reads 1 the hit ratio is that of the policy on this trace',
    ) // prettier-ignore
    .option('--memory <size>', 'memory of the cache, such as 64MiB', '64MiB')
    .addOption(
      new Option('--policy <name>', 'how the cache chooses victims').choices(POLICIES).default('adaptive'),
    )
    .option('--seed <number>', 'seed of the random numbers', settings.whole(0, 2 ** 32 - 1), 1)
    .addOption(monitorOption())
    .option('--json', 'print one JSON object on stdout, and the progress on stderr', false)
    .addHelpText(
      'after',
      '\nExit codes: 0 verified, 1 an error or a wrong block was found, 2 the load could not start, 130 interrupted (no ' +
        'error was found).\n' +
        'Ctrl-C stops the load, which then flushes and verifies its changes. A second Ctrl-C exits at once.\n' +
        'SIGUSR2 prints to stderr which blocks and locks each thread holds or waits for.',
    )
    .action(async (options: LoadSettings) => {
      process.exitCode = await load(options)
    })
}

/** Runs the command. Resolves to its exit code. */
async function load(options: LoadSettings): Promise<number> {
  let stop = () => {}
  using interrupt = catchInterrupts(() => {
    process.stderr.write(
      '\nStopping: flushing and verifying the changes. Press Ctrl-C again to exit at once.\n',
    )
    stop()
  })
  const { signal } = interrupt
  let cache: BlockCache | undefined
  let truth: Truth
  let trace: Uint32Array<SharedArrayBuffer> | undefined
  let disposeFiles = () => {}
  const status = new StatusLine(outputOf(options))
  try {
    try {
      assertHistograms()
      trace = options.trace === undefined ? undefined : await settings.readTrace(options.trace)
      const files = await useFiles(options.partition, options.seed, signal)
      disposeFiles = () => files[Symbol.dispose]()
      const { memory, policy, threads } = options
      cache = await openCache({
        memory,
        policy,
        threads,
        partitions: files.partitions,
        ...(options.monitor === undefined ? {} : RECORDER),
      })
      say(options, introduction(options, files, cache))
      if (options.monitor !== undefined)
        say(options, monitorText((await monitor(cache, { ...options.monitor, name: 'dcache load' })).url))
      status.show('Reading the files')
      truth = await learn(loadFiles(files, cache, options.grow), signal)
      signal.throwIfAborted()
    } catch (error) {
      status.erase()
      await cache?.close()
      if (signal.aborted) return EXIT_INTERRUPTED
      complain(error)
      return EXIT_USAGE
    }
    const board = Board.create(options.threads)
    stop = () => board.stop()
    const findings = await drive(options, cache, truth, trace, board)
    return conclude({ ...findings, isInterrupted: signal.aborted })
  } finally {
    disposeFiles()
  }
}

/** Runs the load, flushes, closes the cache and compares the files. */
async function drive(
  options: LoadSettings,
  cache: BlockCache,
  truth: Truth,
  trace: Uint32Array<SharedArrayBuffer> | undefined,
  board: Board,
): Promise<Omit<Findings, 'isInterrupted'>> {
  const { pattern, reads, classChanges, seed } = options
  const isEndless = options.seconds === undefined && options.ops === undefined
  const plan = {
    pattern,
    reads,
    classChanges,
    seed,
    trace,
    ops: options.ops ?? (isEndless ? trace?.length : undefined),
  }
  const seconds = options.seconds ?? (plan.ops === undefined ? settings.SECONDS : undefined)
  let progress: Disposable | undefined
  const { files } = truth.memory
  const grower = new Grower(cache, files, board, seed, seconds)
  const onStart = () => {
    grower.start()
    progress = showProgress({
      stream: outputOf(options),
      look: () => ({
        stats: cache.stats(),
        counts: board.sums(),
        isEnding: board.isStopped || (plan.ops !== undefined && board.taken >= plan.ops),
      }),
      seconds,
      ops: plan.ops,
    })
  }
  const showHolders = () => {
    process.stderr.write(`\n${holdersText(cache.holders()).join('\n')}\n`)
  }
  process.on('SIGUSR2', showHolders)
  const outcome = await runLoad({ handle: cache.handle, truth, plan, board, seconds, onStart }).finally(
    () => {
      progress?.[Symbol.dispose]()
      process.off('SIGUSR2', showHolders)
    },
  )
  const errors = [...outcome.errors]
  let broken: string[] = []
  let growth = { extends: 0, blocks: 0 }
  let grown = files
  let verification: Verification | undefined
  const status = new StatusLine(outputOf(options))
  try {
    growth = await grower.stop()
    grown = files.map((file) => ({ ...file, blocks: cache.partition(file.name).blocks }))
    status.show('Writing the last changes')
    await cache.flush()
    broken = cache.check()
    await cache.close()
    status.show('Comparing every block of the files')
    verification = await verify(grown, truth)
  } catch (error) {
    errors.push(error as Error)
    await cache.abandon()
  } finally {
    status.erase()
  }
  const [counts, stats] = [board.sums(), cache.stats()]
  return { settings: options, files: grown, growth, outcome, counts, stats, broken, verification, errors }
}

function conclude(findings: Findings): number {
  const report = reportOf(findings)
  for (const error of findings.errors) complain(error)
  if (findings.settings.json) {
    process.stdout.write(`${JSON.stringify(report)}\n`)
    if (!report.ok) for (const line of verdictOf(report)) process.stderr.write(`${line}\n`)
  } else {
    const { stdout } = process
    const verdict = verdictOf(report)
    const last = paint(stdout, report.ok ? 'green' : 'red', verdict.pop()!)
    const figures = figuresOf(report, columnsOf(stdout), (text) => paint(stdout, 'bold', text))
    stdout.write([figures, ...verdict.map((line) => paint(stdout, 'red', line)), last, ''].join('\n'))
  }
  if (!report.ok) return EXIT_FAILED
  return report.interrupted ? EXIT_INTERRUPTED : 0
}

function introduction(options: LoadSettings, { partitions, areNamed }: LoadFiles, cache: BlockCache): string {
  const names = Object.entries(partitions).map(([name, { blockSize }]) => {
    const { blocks } = cache.partition(name)
    return `${name} (${countText(blocks)} blocks of ${blockSize} bytes)`
  })
  const pattern = options.trace ?? settings.patternText(options.pattern)
  return (
    (areNamed ? 'The load changes the blocks of ' : 'The load works in a temporary folder on ') +
    `${names.join(' and ')}.\n` +
    `${options.threads === 1 ? '1 thread' : `${options.threads} threads`}, ${options.memory} of memory, ` +
    `policy ${options.policy}, ${options.trace === undefined ? 'pattern' : 'trace'} ${pattern}, ` +
    `${options.reads * 100} % reads, seed ${options.seed}`
  )
}

function loadFiles({ partitions }: LoadFiles, cache: BlockCache, grow: number | undefined): LoadFile[] {
  return Object.entries(partitions).map(([name, { path, blockSize }]) => {
    const { blocks } = cache.partition(name)
    return {
      name,
      path,
      blockSize,
      blocks,
      ...(grow === undefined ? {} : { blocksMax: Math.ceil(blocks * grow) }),
    }
  })
}

/** The stream for progress and status: stderr if stdout is for the JSON object. */
const outputOf = ({ json }: LoadSettings): WriteStream => (json ? process.stderr : process.stdout)

function say(options: LoadSettings, text: string): void {
  const stream = outputOf(options)
  for (const line of text.split('\n')) stream.write(`${wrap(line, columnsOf(stream))}\n`)
}

/**
 * The threads send their latencies as histograms of Node.js, which Bun cannot clone.
 * @throws ERR_DCACHE_UNSUPPORTED
 */
function assertHistograms(): void {
  try {
    structuredClone(createHistogram())
  } catch (cause) {
    throw new CacheError(
      'ERR_DCACHE_UNSUPPORTED',
      'dcache load does not run on this runtime: its threads cannot send their histograms; run it with Node.js',
      { cause },
    )
  }
}

/** Prints a bug in the program with its stack; the messages of other errors are clear without one. */
function complain(error: unknown): void {
  const { code, message, stack } = error as NodeJS.ErrnoException
  const isMistake = [TypeError, RangeError, ReferenceError].some((kind) => error instanceof kind)
  const text = isMistake ? stack : `${message}${code === undefined ? '' : ` (${code})`}`
  process.stderr.write(`${paint(process.stderr, 'red', 'dcache:')} ${text ?? message}\n`)
}
