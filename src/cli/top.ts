/**
 * `dcache top`: what a running cache does, on a screen that is updated, once as text, or as JSON. It reads the monitor of the
 * program (`dcache/monitor`) and changes nothing.
 */
import { Command, InvalidArgumentError, Option } from 'commander'
import { printableJson, printableLines } from '../nbd/printable.js'
import { catchInterrupts, EXIT_INTERRUPTED } from './interrupt.js'
import { number } from './load-settings.js'
import { type MonitorAddress, MonitorError, parseAddress } from './monitor-address.js'
import { MonitorClient } from './monitor-client.js'
import { columnsOf, paint } from './terminal.js'
import { screenOf } from './top-screen.js'
import { SORT_KEYS } from './top-tables.js'
import { Terminal } from './top-terminal.js'
import {
  firstView,
  INTERVAL_LEAST,
  INTERVAL_MOST,
  type Key,
  KEYS,
  pressed,
  type TopView,
} from './top-view.js'
import { TopWatch } from './top-watch.js'

const EXIT_FAILED = 1
/** Of a terminal that does not report its height. */
const ROWS = 24
const ROWS_LEAST = 5

interface TopOptions {
  readonly interval: number
  readonly sort: string
  readonly once: boolean
  readonly json: boolean
}

export function topCommand(): Command {
  return new Command('top')
    .description(
      'Show what a running cache does: rates, latencies, partitions, groups and threads.\n\n' +
        'The program of the cache calls monitor() of dcache/monitor. Only reads.',
    )
    .argument(
      '<monitor>',
      'where it listens: http://HOST:PORT, HOST:PORT, a port of this machine, or the path of a Unix socket',
      addressOf,
    )
    .option(
      '--interval <seconds>',
      'between two samples; the rates are those of this time',
      number(INTERVAL_LEAST, INTERVAL_MOST),
      1,
    )
    .addOption(
      new Option('--sort <column>', 'the order of the partitions at the start')
        .choices(SORT_KEYS.map(({ name }) => name))
        .default(SORT_KEYS[0]!.name),
    )
    .option(
      '--once',
      'print everything once as text, after two samples; the default if stdout is no terminal',
      false,
    )
    .option('--json', 'print one JSON object a line, from the second sample on; with --once only one', false)
    .addHelpText(
      'after',
      `\nKeys:\n${KEYS.map(([keys, meaning]) => `  ${keys.padEnd(20)}${meaning}`).join('\n')}\n` +
        '\nExit codes: 0 done, 1 the monitor does not answer, or what listens there is none, 2 called wrongly, 130 interrupted.',
    )
    .action(async (address: MonitorAddress, options: TopOptions) => {
      process.exitCode = await top(address, options)
    })
}

function addressOf(text: string): MonitorAddress {
  try {
    return parseAddress(text)
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

/** Runs the command. Resolves to its exit code. */
async function top(address: MonitorAddress, options: TopOptions): Promise<number> {
  using client = new MonitorClient(address)
  const { stdout } = process
  // A terminal without a cursor that moves has no screen to update.
  const isScreen = stdout.isTTY && process.env['TERM'] !== 'dumb'
  try {
    if (options.json || options.once || !isScreen) return await print(client, options)
    return await show(client, options)
  } catch (error) {
    if (!(error instanceof MonitorError)) throw error
    complain(error.message)
    return EXIT_FAILED
  }
}

const viewOf = ({ interval, sort }: TopOptions): TopView =>
  firstView(
    interval,
    SORT_KEYS.findIndex(({ name }) => name === sort),
  )

/** Without a screen: JSON, or the text of one moment. */
async function print(client: MonitorClient, options: TopOptions): Promise<number> {
  const { stdout } = process
  const ended = new AbortController()
  using interrupt = catchInterrupts(() => {
    ended.abort()
  })
  const isOnce = options.once || !options.json
  const watch = new TopWatch(client, options.interval * 1000, ended.signal)
  let printed: object | undefined
  let lost: string | undefined
  await watch.run(() => {
    const { model } = watch
    if (watch.lost?.why !== lost) {
      lost = watch.lost?.why
      if (lost !== undefined && isOnce) throw new MonitorError(lost)
      complain(lost === undefined ? 'connected again' : `connection lost, trying again each second: ${lost}`)
    }
    // A model without rates is the first one, or the first of a program that has started anew.
    if (lost !== undefined || model === undefined || model === printed || model.intervalSeconds === null)
      return
    printed = model
    if (options.json) stdout.write(`${printableJson(JSON.stringify(model))}\n`)
    else {
      const { lines } = screenOf({
        model,
        view: viewOf(options),
        watchedSeconds: watch.watchedSeconds,
        columns: columnsOf(stdout),
        rows: Infinity,
        style: (style, text) => (style === 'inverse' ? text : paint(stdout, style, text)),
      })
      stdout.write(`${lines.map((line) => line.trimEnd()).join('\n')}\n`)
    }
    if (isOnce) ended.abort()
  })
  return interrupt.signal.aborted ? EXIT_INTERRUPTED : 0
}

/** On a terminal, until a key quits. */
async function show(client: MonitorClient, options: TopOptions): Promise<number> {
  const { stdin, stdout } = process
  const ended = new AbortController()
  let code = 0
  let view = viewOf(options)
  let page = 1
  const watch = new TopWatch(client, options.interval * 1000, ended.signal)
  let terminal: Terminal | undefined
  const draw = () => {
    if (watch.model === undefined || terminal === undefined) return
    const columns = columnsOf(stdout)
    const screen = screenOf({
      model: watch.model,
      view,
      watchedSeconds: watch.watchedSeconds,
      lost: watch.lost,
      columns,
      rows: Math.max(ROWS_LEAST, stdout.rows || ROWS),
      style: (style, text) => paint(stdout, style, text),
    })
    page = screen.page
    view = { ...view, scroll: screen.scroll }
    terminal.draw(screen.lines, columns)
  }
  const key = (pressedKey: Key) => {
    const next = pressed(view, pressedKey, page)
    if (next === 'quit') ended.abort()
    else if (next === 'suspend') terminal?.suspend()
    else if (next === 'redraw') draw()
    else if (next !== undefined) {
      const isOther = next.isPaused !== view.isPaused || next.intervalSeconds !== view.intervalSeconds
      view = next
      watch.isPaused = view.isPaused
      watch.intervalMs = view.intervalSeconds * 1000
      draw()
      if (isOther) watch.wake()
    }
  }
  const interrupted = () => {
    code = EXIT_INTERRUPTED
    ended.abort()
  }
  try {
    await watch.run(() => {
      // After the first sample, so that an error of the first one stays on the screen of the shell.
      terminal ??= new Terminal(stdin, stdout, { key, stale: draw, interrupted })
      draw()
    })
  } finally {
    terminal?.[Symbol.dispose]()
  }
  return code
}

function complain(text: string): void {
  process.stderr.write(`${paint(process.stderr, 'red', 'dcache:')} ${printableLines(text)}\n`)
}
