/**
 * A thread that serves connections. It attaches to the cache, accepts from its own descriptors of the listening
 * sockets, and stops on request. All threads accept from the same queues. After it accepts, a thread with more
 * connections than another pauses for a moment, so that the other one accepts next.
 */
import { load, notify, store, wait } from '#atomics'
import { createServer, type Server, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { attachCache } from '../index.js'
import { Connections } from './connections.js'
import { Exports } from './export.js'
import { Flushes } from './flushes.js'
import { BLOCKS_AT_ONCE, Gate } from './gate.js'
import type { FromWorker, LogEntry, Order, ToWorker, WorkerStart } from './messages.js'
import { Places } from './places.js'
import { Turns } from './turns.js'

/** How long a thread pauses for each connection that it has more than the least busy thread, and the upper bound. */
const COURTESY_MS = 1
const COURTESY_MS_MAX = 8

const start = workerData as WorkerStart
const port = parentPort!
const say = (message: FromWorker) => port.postMessage(message)

const client = attachCache(start.handle)
const exports = new Exports(client, start.exports)
const connections: Connections = new Connections(
  {
    exports,
    flushes: new Flushes(client, () => connections.open, start.isOneGroup),
    gate: new Gate(BLOCKS_AT_ONCE),
    turns: new Turns(),
    places: new Places(start.places, start.thread, start.connectionsMax),
    tls: start.tls,
    handshakeMs: start.handshakeMs,
    stallMs: start.stallMs,
    log: (logged: LogEntry) => say({ kind: 'log', entry: logged }),
  },
  start.thread,
  (open) => {
    // The other threads compare it with theirs.
    store(start.connections, start.thread, open)
    notify(start.connections, start.thread)
  },
)

function accept(socket: Socket): void {
  connections.accept(socket)
  giveWay()
}

/** Pauses if another thread has fewer connections. */
function giveWay(): void {
  const { connections: counts, thread } = start
  const others = Array.from(counts, (_, i) => load(counts, i))
  const least = others.indexOf(Math.min(...others))
  const surplus = connections.open - others[least]!
  if (surplus > 0 && least !== thread)
    wait(counts, least, others[least]!, Math.min(surplus * COURTESY_MS, COURTESY_MS_MAX))
}

async function obey(order: Order): Promise<void> {
  if (order.kind === 'exports') exports.names = order.names
  else await connections.end(order.name, order.deadlineMs)
}

let isStopping = false

async function stop(): Promise<void> {
  if (isStopping) return
  isStopping = true
  for (const server of servers) server.close()
  await connections.stop()
  // Detaching revokes the guards that requests use, so the requests ended first.
  client.detach()
  say({ kind: 'stopped' })
  port.close()
}

const servers: Server[] = start.descriptors.map((fd) =>
  createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true }, accept).listen({ fd }),
)
await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.once('listening', resolve))))
port.on('message', (message: ToWorker) => {
  if (message === 'stop') void stop()
  else void obey(message).then(() => say({ kind: 'done', id: message.id }))
})
say({ kind: 'ready' })
