/**
 * A thread that serves connections. It attaches to the cache, accepts from its own descriptors of the listening
 * sockets, and stops on request. All threads accept from the same queues. After it accepts, a thread with more
 * connections than another pauses for a moment, so that the other one accepts next.
 */
import { performance } from 'node:perf_hooks'
import { load, notify, store, wait } from '#atomics'
import { createServer, type Server, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { attachCache } from '../index.js'
import { Connection, type ConnectionContext } from './connection.js'
import { exportOf } from './export.js'
import { Gate } from './gate.js'
import { Lobby } from './lobby.js'
import type { FromWorker, LogEntry, ToWorker, WorkerStart } from './messages.js'
import { Places } from './places.js'
import { Turns } from './turns.js'

/** Below the limit of guards a thread (docs/platforms.md), with some left for the fast path. */
const BLOCKS_AT_ONCE = 192
const INSPECT_MS = 250
/**
 * Connections of a thread that have not chosen an export: at least this many, and at least the client limit, so that
 * all clients may connect at once.
 */
const LOBBY_MIN = 64
/** How long a thread pauses for each connection that it has more than the least busy thread, and the upper bound. */
const COURTESY_MS = 1
const COURTESY_MS_MAX = 8

const start = workerData as WorkerStart
const port = parentPort!
const say = (message: FromWorker) => port.postMessage(message)
const log = (entry: LogEntry) => say({ kind: 'log', entry })

const client = attachCache(start.handle)
const places = new Places(start.places, start.thread, start.connectionsMax)
const context: ConnectionContext = {
  exports: start.exports.map((name) => exportOf(client.partition(name))),
  client,
  gate: new Gate(BLOCKS_AT_ONCE),
  turns: new Turns(),
  places,
  tls: start.tls,
  handshakeMs: start.handshakeMs,
  stallMs: start.stallMs,
  log,
}
const lobby = new Lobby(Math.max(LOBBY_MIN, start.connectionsMax))
const open = new Set<Connection>()
/** Closed connections whose requests are still being served. */
const unfinished = new Set<Connection>()
let accepted = 0
let isStopping = false

function accept(socket: Socket): void {
  if (places.areTaken) {
    refuse(socket)
    return
  }
  lobby.enter(speakWith(socket))
  const { connections, thread } = start
  const others = Array.from(connections, (_, i) => load(connections, i))
  const least = others.indexOf(Math.min(...others))
  const surplus = open.size - others[least]!
  if (surplus > 0 && least !== thread)
    wait(connections, least, others[least]!, Math.min(surplus * COURTESY_MS, COURTESY_MS_MAX))
}

function refuse(socket: Socket): void {
  const { connectionsMax, thread } = start
  const name = `${thread}.${++accepted}`
  log({
    level: 'warn',
    event: 'refused',
    message: `connection ${name} was refused: ${connectionsMax} clients are connected, the limit of --connections`,
    fields: { connection: name, connectionsMax },
  })
  socket.on('error', () => undefined)
  socket.destroy()
}

function speakWith(socket: Socket): Connection {
  const connection: Connection = new Connection(
    socket,
    `${start.thread}.${++accepted}`,
    context,
    () => {
      lobby.left(connection)
    },
    () => {
      open.delete(connection)
      if (connection.isServing) unfinished.add(connection)
      count()
      lobby.left(connection)
      leaveIfDone()
    },
  )
  open.add(connection)
  count()
  return connection
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
  leaveIfDone()
}

/** Detaching revokes the guards that requests use, so the requests end first. */
function leaveIfDone(): void {
  if (isStopping && open.size === 0 && unfinished.size === 0) leave()
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
  for (const connection of unfinished) if (!connection.isServing) unfinished.delete(connection)
  leaveIfDone()
}, INSPECT_MS)

const servers: Server[] = start.descriptors.map((fd) =>
  createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true }, accept).listen({ fd }),
)
await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.once('listening', resolve))))
port.on('message', (_: ToWorker) => {
  stop()
})
say({ kind: 'ready' })
