/**
 * `dcache trace MONITOR`: fetches the flight recorder of a program that runs from its monitor, and writes it into a file that
 * ui.perfetto.dev and chrome://tracing show. The file appears under its name when it is whole.
 */
import { Command, InvalidArgumentError } from 'commander'
import { link, lstat, mkdtemp, open, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { printable, printableLines } from '../nbd/printable.js'
import { catchInterrupts, EXIT_INTERRUPTED } from './interrupt.js'
import { number } from './load-settings.js'
import { type MonitorAddress, MonitorError, parseAddress } from './monitor-address.js'
import { foreign, getFrom } from './monitor-get.js'
import { paint } from './terminal.js'
import { bytesText, countText } from './units.js'

const EXIT_FAILED = 1
const FILE_DEFAULT = 'dcache-trace.json'
const STDOUT = '-'
const SECONDS_MAX = 1e6
/** How long the monitor may be silent. It makes a trace of a large recorder in some seconds. */
const SILENCE_MS = 30_000
/** Limit of an answer; a string of JavaScript can hardly be longer. */
const ANSWER_BYTES_MAX = 400 * 2 ** 20
/** So much is shown of what a server says. */
const SAID_MAX = 500

interface TraceOptions {
  readonly seconds?: number
  readonly output: string
  readonly force: boolean
}

export function traceCommand(): Command {
  return new Command('trace')
    .description(
      'Fetch what the threads of a cache did last from the monitor of a program that runs, as a file for ' +
        'https://ui.perfetto.dev or chrome://tracing.\n\nThe program opens its cache with traceEntries, and calls monitor() ' +
        "of 'dcache/monitor'.",
    )
    .argument(
      '<monitor>',
      'where it listens: http://HOST:PORT, HOST:PORT, a port of this machine, or the path of a Unix socket',
      addressOf,
    )
    .option(
      '--seconds <seconds>',
      'only the last so many seconds before the newest record (default: all that the recorder has)',
      number(0, SECONDS_MAX, false),
    )
    .option('--output <file>', 'the file; - is stdout', FILE_DEFAULT)
    .option('--force', 'replace the file if it exists', false)
    .addHelpText(
      'after',
      '\nExit codes: 0 the file is written, 1 the monitor does not answer, or has no trace, or the file cannot be written, ' +
        '2 called wrongly, 130 interrupted.',
    )
    .action(async (address: MonitorAddress, options: TraceOptions) => {
      process.exitCode = await trace(address, options)
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
async function trace(address: MonitorAddress, { seconds, output, force }: TraceOptions): Promise<number> {
  using interrupt = catchInterrupts(() => undefined)
  try {
    if (output !== STDOUT) await assertWritable(output, force)
    const query = seconds === undefined ? '' : `?seconds=${seconds}`
    const body = await fetchTrace(address, `trace${query}`, interrupt.signal)
    const events = eventsIn(address, body)
    if (output === STDOUT) {
      await new Promise<void>((done) =>
        process.stdout.write(body, () => {
          done()
        }),
      )
      return 0
    }
    await writeWhole(output, body, force, interrupt.signal)
    process.stdout.write(
      `${printable(output)}: ${countText(events)} events, ${bytesText(Buffer.byteLength(body))}\n` +
        'Open it at https://ui.perfetto.dev (Open trace file), which keeps it in the browser, or in chrome://tracing.\n',
    )
    return 0
  } catch (error) {
    if (interrupt.signal.aborted) return EXIT_INTERRUPTED
    if (!(error instanceof MonitorError)) throw error
    process.stderr.write(`${paint(process.stderr, 'red', 'dcache:')} ${printableLines(error.message)}\n`)
    return EXIT_FAILED
  }
}

/** @throws MonitorError */
async function fetchTrace(address: MonitorAddress, path: string, signal: AbortSignal): Promise<string> {
  const limits = { timeoutMs: SILENCE_MS, isSilence: true, bytesMax: ANSWER_BYTES_MAX }
  const { status, type, body } = await getFrom(address, path, { signal, ...limits })
  if (status === 200) return body
  const said = body.trim()
  // A monitor says in plain text why it has no trace; other servers send a page.
  if (said !== '' && type === 'text/plain')
    throw new MonitorError(`${address.text} has no trace (HTTP ${status}): ${said.slice(0, SAID_MAX)}`)
  throw foreign(address, `it answers HTTP ${status} to /${path}`)
}

/**
 * The number of events in a trace without metadata.
 * @throws MonitorError unless it is a trace with events
 */
function eventsIn(address: MonitorAddress, body: string): number {
  let trace: unknown
  try {
    trace = JSON.parse(body)
  } catch {
    throw foreign(address, 'its answer to /trace is not JSON')
  }
  const events: unknown = typeof trace === 'object' && trace !== null ? Reflect.get(trace, 'traceEvents') : []
  const isEvent = (event: unknown) =>
    typeof event === 'object' && event !== null && 'ph' in event && typeof event.ph === 'string'
  if (!Array.isArray(events) || events.length === 0 || !events.every(isEvent))
    throw foreign(address, 'its answer to /trace is not a trace')
  const count = events.filter((event: { ph: string }) => event.ph !== 'M').length
  if (count === 0)
    throw new MonitorError(`${address.text} has no records: open the cache with the option traceEntries`)
  return count
}

/** Before anything is fetched. @throws MonitorError */
async function assertWritable(path: string, force: boolean): Promise<void> {
  const stats = await lstat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw cannotWrite(path, error)
  })
  if (stats === undefined) {
    await lstat(dirname(resolve(path))).catch((error: unknown) => {
      throw cannotWrite(path, error)
    })
    return
  }
  if (!stats.isFile())
    throw new MonitorError(`${path} is there and is no file: name another one with --output`)
  if (!force) throw exists(path)
}

/**
 * Writes a file that appears under its name when it is whole: it is written in a folder next to that, and linked to its name, which
 * fails if there is one by now; with `force` it replaces that.
 * @throws MonitorError, or the reason of the signal; nothing stays behind
 */
async function writeWhole(path: string, text: string, force: boolean, signal: AbortSignal): Promise<void> {
  let folder: string | undefined
  try {
    folder = await mkdtemp(join(dirname(resolve(path)), '.dcache-trace-'))
    const file = join(folder, 'trace.json')
    const handle = await open(file, 'wx')
    try {
      await handle.writeFile(text, { signal })
    } finally {
      await handle.close()
    }
    signal.throwIfAborted()
    if (force) await rename(file, path)
    else await link(file, path).catch((error: unknown) => renameNew(file, path, error))
  } catch (error) {
    if (signal.aborted || error instanceof MonitorError) throw error
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw exists(path)
    throw cannotWrite(path, error)
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  }
}

/** For a file system that has no links. */
async function renameNew(file: string, path: string, error: unknown): Promise<void> {
  const { code = '' } = error as NodeJS.ErrnoException
  if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error
  await assertWritable(path, false)
  await rename(file, path)
}

const exists = (path: string): MonitorError =>
  new MonitorError(`${path} is there already: name another file with --output, or replace it with --force`)

const cannotWrite = (path: string, error: unknown): MonitorError =>
  new MonitorError(`${path} cannot be written: ${(error as Error).message}`)
