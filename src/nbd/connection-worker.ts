/**
 * A thread that serves connections: attaches to the cache, accepts from listening sockets of its own, and stops when it
 * is told to. Threads accept from the same queue; one that has more connections than another lets it go first.
 */
import { performance } from 'node:perf_hooks'
import { load, notify, store, wait } from '#atomics'
import { createServer, type Server, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { attachCache } from '../index.js'
import { Connection, type ConnectionContext } from './connection.js'
import { exportOf } from './export.js'
import { Gate } from './gate.js'
import type { FromWorker, LogEntry, ToWorker, WorkerStart } from './messages.js'

/** Below the guards that a thread may hold (README, limits), with some for the quick way. */
const BLOCKS_AT_ONCE = 192
const INSPECT_MS = 250
/** How long a thread waits, for each connection that it has more than another, for that one to accept; and at most. */
const COURTESY_MS = 1
const COURTESY_MS_MAX = 8

const start = workerData as WorkerStart
const port = parentPort!
const say = (message: FromWorker) => port.postMessage(message)
const log = (entry: LogEntry) => say({ kind: 'log', entry })

const client = attachCache(start.handle)
const context: ConnectionContext = {
  exports: start.exports.map((name) => exportOf(client.partition(name))),
  client,
  gate: new Gate(BLOCKS_AT_ONCE),
  tls: start.tls,
  handshakeMs: start.handshakeMs,
  stallMs: start.stallMs,
  log,
}
const open = new Set<Connection>()
let accepted = 0
let isStopping = false

function accept(socket: Socket): void {
  const { connections, connectionsMax, thread } = start
  const name = `${thread}.${++accepted}`
  const others = Array.from(connections, (_, i) => load(connections, i))
  if (others.reduce((sum, count) => sum + count, 0) >= connectionsMax) {
    log({
      level: 'warn',
      event: 'refused',
      message: `connection ${name} was refused: ${connectionsMax} are open, as many as may be`,
      fields: { connection: name, connectionsMax },
    })
    socket.destroy()
    return
  }
  const connection = new Connection(socket, name, context, () => {
    open.delete(connection)
    count()
    if (isStopping && open.size === 0) leave()
  })
  open.add(connection)
  count()
  const least = others.indexOf(Math.min(...others))
  const surplus = open.size - others[least]!
  if (surplus > 0 && least !== thread)
    wait(connections, least, others[least]!, Math.min(surplus * COURTESY_MS, COURTESY_MS_MAX))
}

/** Tells the other threads how many connections this one has. */
function count(): void {
  store(start.connections, start.thread, open.size)
  notify(start.connections, start.thread)
}

function stop(): void {
  if (isStopping) return
  isStopping = true
  for (const server of servers) server.close()
  for (const connection of open) connection.stop()
  if (open.size === 0) leave()
}

function leave(): void {
  clearInterval(timer)
  client.detach()
  say({ kind: 'stopped' })
  port.close()
}

const timer = setInterval(() => {
  const nowMs = performance.now()
  for (const connection of open) connection.inspect(nowMs)
}, INSPECT_MS)

const servers: Server[] = start.descriptors.map((fd) =>
  createServer({ noDelay: true, keepAlive: true }, accept).listen({ fd }),
)
await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.once('listening', resolve))))
port.on('message', (_: ToWorker) => {
  stop()
})
say({ kind: 'ready' })
