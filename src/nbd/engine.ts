/**
 * The engine process of a server. It owns the cache, starts the connection workers, changes the exports, retries failed
 * ones, and shuts down in order when the launcher asks for it or is gone. The launcher's first message contains the settings.
 */
import type { BlockCache } from '../index.js'
import { holdersText } from '../core/inspect/holders-text.js'
import { monitor, type MonitorOptions } from '../monitor/index.js'
import { LiveExports } from './live-exports.js'
import { tellRecovered } from './journal.js'
import { LogLimit } from './log-limit.js'
import { entry, type Log, messageOf, openLog } from './log.js'
import type { EngineSettings, FromEngine, ToEngine } from './messages.js'
import { openExports } from './open-exports.js'
import { placeWords } from './places.js'
import { Recovery } from './recovery.js'
import { Reload } from './reload.js'
import type { Sink } from './sink.js'
import { ConnectionWorkers } from './workers.js'

/** Deadline for the requests that are being served when the server is asked to stop. */
const FINISH_MS = 10_000
/** The process exits this long after its work is done, even if a handle is still open. */
const LINGER_MS = 2000

const tell = (message: FromEngine) => process.send?.(message, () => undefined)
/** Why a stop was requested before the server was ready. */
let asked: string | undefined
let stop = (why: string): void => {
  asked ??= why
}
/** A reload was requested before the server was ready. */
let isReloadDue = false
let reload = (): void => {
  isReloadDue = true
}
let tellHolders = (): void => undefined
let endsAtHangup = false

// The launcher forwards signals. Those that reach both, such as systemd's, must not count twice.
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stop(name))
process.on('SIGHUP', () => {
  if (endsAtHangup) stop('SIGHUP')
})
process.on('disconnect', () => stop('the launcher is gone'))
process.on('message', (message: ToEngine) => {
  if (message === 'stop') stop('asked to')
  else if (message === 'holders') tellHolders()
  else if (message === 'reload') reload()
  else void run(message)
})

/** Runs the server with these settings and then ends the process. */
async function run(settings: EngineSettings): Promise<void> {
  endsAtHangup = settings.endsAtHangup
  const { log, sink } = openLog(settings.json)
  try {
    process.exitCode = await serve(settings, log)
  } catch (error) {
    tell({ kind: 'refused', message: messageOf(error) })
    process.exitCode = 2
  }
  await end(sink)
}

/** Resolves to the exit code when the server has stopped. @throws if it could not start */
async function serve(settings: EngineSettings, log: Log): Promise<number> {
  const { threads } = settings
  const open = await openExports(settings)
  const { cache } = open
  tellRecovered(cache, log)
  const recovery = new Recovery(cache, log)
  const limit = new LogLimit(log)
  let ask!: (why: string) => void
  const isAsked = new Promise<string>((resolve) => (ask = resolve))
  const common = {
    handle: cache.handle,
    isOneGroup: settings.journal !== undefined,
    exports: settings.exports.map(({ name }) => name),
    connections: new Int32Array(new SharedArrayBuffer(4 * threads)),
    places: placeWords(threads),
    connectionsMax: settings.connectionsMax,
    handshakeMs: settings.handshakeMs,
    stallMs: settings.stallMs,
    tls: settings.tls,
  }
  const workers = new ConnectionWorkers(common, settings.descriptors, log, limit, () => {
    ask('no connection worker is left')
  })
  try {
    if (settings.monitor !== undefined) await showMonitor(cache, settings.monitor, log)
    await workers.start(threads)
  } catch (error) {
    await workers.stop(0)
    await cache.abandon()
    throw error
  }
  tellHolders = () => {
    for (const line of holdersText(cache.holders())) log(entry('info', 'holders', line))
  }
  stop = ask
  const reloads = new Reload(settings, new LiveExports(open, workers, recovery, log), log)
  reload = () => {
    reloads.request()
  }
  if (asked === undefined) tell({ kind: 'ready' })
  else ask(asked)
  if (isReloadDue && asked === undefined) reload()
  const why = await isAsked
  log(entry('info', 'stopping', `stopping (${why}): finishing requests, then flushing`))
  reload = () => undefined
  const reloaded = reloads.stop()
  await workers.stop(FINISH_MS)
  await reloaded
  limit.report()
  await recovery.stop()
  return (await isFlushed(cache, settings.journal, log)) && !workers.areGone ? 0 : 1
}

/** The monitor ends with the cache. @throws ERR_DCACHE_BAD_OPTION, ERR_DCACHE_LISTEN */
async function showMonitor(cache: BlockCache, options: MonitorOptions, log: Log): Promise<void> {
  const { url } = await monitor(cache, { name: 'dcache serve', ...options })
  log(entry('info', 'monitor', `the monitor is at ${url}`, { url }))
}

/** Closes the cache, which flushes. Returns false, and logs the number of lost blocks, if a block can't be written. */
async function isFlushed(cache: BlockCache, journal: EngineSettings['journal'], log: Log): Promise<boolean> {
  try {
    await cache.close()
    log(entry('info', 'stopped', 'everything is on the disks'))
    return true
  } catch (error) {
    const lost = await cache.abandon()
    const what =
      lost.length === 0 ? 'the journal is not empty' : `${lost.length} changed block(s) could not be written`
    const { path } = journal ?? {}
    const advice =
      path === undefined
        ? ''
        : `; do not change the files before the next start with --journal ${path}, which writes what was flushed`
    log(
      entry('error', 'stopped', `${what}: ${messageOf(error)}${advice}`, {
        lost: lost.length,
      }),
    )
    return false
  }
}

async function end(sink: Sink): Promise<void> {
  await sink.end()
  if (process.connected) process.disconnect()
  setTimeout(() => process.exit(), LINGER_MS).unref()
}
