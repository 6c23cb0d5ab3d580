/**
 * The engine process of a server: owns the cache, starts the connection workers, brings failed exports back, and leaves
 * in order when its launcher says so or is gone. Its settings are its only argument, as JSON.
 */
import { readFileSync } from 'node:fs'
import { type BlockCache, openCache } from '../index.js'
import { holdersText } from '../workers/holders-text.js'
import { entry, openLog } from './log.js'
import type { EngineSettings, FromEngine, ToEngine } from './messages.js'
import { Recovery } from './recovery.js'
import { ConnectionWorkers } from './workers.js'

/** For requests that are being served when the server is told to leave. */
const FINISH_MS = 10_000

const settings = JSON.parse(process.argv[2]!) as EngineSettings
const log = openLog(settings.json)
const tell = (message: FromEngine) => process.send?.(message)
let stopping: Promise<void> | undefined

try {
  await serve()
} catch (error) {
  tell({ kind: 'refused', message: messageOf(error) })
  process.exitCode = 2
  if (process.connected) process.disconnect()
}

async function serve(): Promise<void> {
  const { threads } = settings
  const tls = readTls()
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
  const common = {
    handle: cache.handle,
    connections: new Int32Array(new SharedArrayBuffer(4 * threads)),
    connectionsMax: settings.connectionsMax,
    handshakeMs: settings.handshakeMs,
    stallMs: settings.stallMs,
    tls,
  }
  const stop = (why: string) => {
    stopping ??= leave(cache, workers, recovery, why)
  }
  const workers = new ConnectionWorkers(common, settings.descriptors, log, () => {
    stop('no connection worker is left')
    process.exitCode = 1
  })
  try {
    await workers.start(threads)
  } catch (error) {
    await workers.stop(0)
    await cache.abandon()
    throw error
  }
  // The launcher forwards signals. Those that reach both, such as systemd's, must not count twice.
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => stop(name))
  process.on('message', (message: ToEngine) => {
    if (message === 'holders')
      for (const line of holdersText(cache.holders())) log(entry('info', 'holders', line))
    else if (message === 'stop') stop('asked to')
    else process.exit(1)
  })
  process.on('disconnect', () => stop('the launcher is gone'))
  tell({ kind: 'ready' })
}

function readTls() {
  const { tls } = settings
  if (tls === undefined) return undefined
  return {
    cert: readFileSync(tls.certificate, 'utf8'),
    key: readFileSync(tls.key, 'utf8'),
    ca: tls.clientAuthority === undefined ? undefined : readFileSync(tls.clientAuthority, 'utf8'),
  }
}

/** Answers are finished, then all is flushed; what can't be is counted and told. */
async function leave(
  cache: BlockCache,
  workers: ConnectionWorkers,
  recovery: Recovery,
  why: string,
): Promise<void> {
  log(entry('info', 'stopping', `stopping (${why}): finishing requests, then flushing`))
  await workers.stop(FINISH_MS)
  await recovery.stop()
  try {
    await cache.close()
    log(entry('info', 'stopped', 'everything is on the disks'))
  } catch (error) {
    const lost = await cache.abandon()
    log(
      entry('error', 'stopped', `${lost.length} changed block(s) could not be written: ${messageOf(error)}`, {
        lost: lost.length,
      }),
    )
    process.exitCode = 1
  }
  if (process.connected) process.disconnect()
}

function messageOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  return code === undefined ? message : `${message} (${code})`
}
