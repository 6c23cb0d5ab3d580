/**
 * The engine process of a server: owns the cache, starts the connection workers, brings failed exports back, and leaves
 * in order when its launcher says so or is gone. Its settings are the launcher's first message.
 */
import { type BlockCache, openCache } from '../index.js'
import { holdersText } from '../workers/holders-text.js'
import { LogLimit } from './log-limit.js'
import { entry, type Log, openLog } from './log.js'
import type { EngineSettings, FromEngine, ToEngine } from './messages.js'
import { placeWords } from './places.js'
import { Recovery } from './recovery.js'
import type { Sink } from './sink.js'
import { ConnectionWorkers } from './workers.js'

/** For requests that are being served when the server is told to leave. */
const FINISH_MS = 10_000
/** After all is done: whatever keeps the process alive then does not do so for longer. */
const LINGER_MS = 2000

const tell = (message: FromEngine) => process.send?.(message, () => undefined)
/** Why the end was asked for, before or after the start. */
let asked: string | undefined
let stop = (why: string): void => {
  asked ??= why
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
  else void run(message)
})

/** From the settings to the end of the process. */
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

/** Resolves when the server has stopped, to the exit code. @throws if it could not begin */
async function serve(settings: EngineSettings, log: Log): Promise<number> {
  const { threads } = settings
  const cache = await openCache({
    memory: settings.memory,
    policy: settings.policy,
    threads,
    flushDelayMs: settings.flushDelayMs,
    partitions: Object.fromEntries(
      settings.exports.map(({ name, path, blockSize, readOnly }) => [
        name,
        { path, blockSize, readOnly, group: name },
      ]),
    ),
  })
  const recovery = new Recovery(cache, log)
  const limit = new LogLimit(log)
  let ask!: (why: string) => void
  const isAsked = new Promise<string>((resolve) => (ask = resolve))
  const common = {
    handle: cache.handle,
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
  if (asked === undefined) tell({ kind: 'ready' })
  else ask(asked)
  const why = await isAsked
  log(entry('info', 'stopping', `stopping (${why}): finishing requests, then flushing`))
  await workers.stop(FINISH_MS)
  limit.report()
  await recovery.stop()
  return (await isFlushed(cache, log)) && !workers.areGone ? 0 : 1
}

/** Closes the cache, which flushes; what can't be written is counted and told. */
async function isFlushed(cache: BlockCache, log: Log): Promise<boolean> {
  try {
    await cache.close()
    log(entry('info', 'stopped', 'everything is on the disks'))
    return true
  } catch (error) {
    const lost = await cache.abandon()
    log(
      entry('error', 'stopped', `${lost.length} changed block(s) could not be written: ${messageOf(error)}`, {
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

function messageOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  return code === undefined ? message : `${message} (${code})`
}
