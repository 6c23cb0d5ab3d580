/**
 * The package's second entry, `dcache/nbd`: a block server inside a program, on a cache that the program has opened. The program
 * listens, and hands over each socket; the server speaks the protocol (NBD) in the calling thread. `dcache serve` is the same
 * with processes and threads of its own.
 */
import type { Socket } from 'node:net'
import { show } from '../shared/values.js'
import { CacheError } from '../shared/errors.js'
import type { CacheClient } from '../shared/interface.js'
import { Connections } from './connections.js'
import { Exports } from './export.js'
import { Flushes } from './flushes.js'
import { BLOCKS_AT_ONCE, Gate } from './gate.js'
import { LogLimit } from './log-limit.js'
import type { LogEntry, TlsContents } from './messages.js'
import { Places, placeWords } from './places.js'
import { checkTls } from './tls-files.js'
import { Turns } from './turns.js'

export type { LogEntry } from './messages.js'

export interface BlockServerOptions {
  /** Names of the partitions that clients may open; at least one. The first is the default export. */
  readonly exports: readonly string[]
  /** The maximum number of clients with an export at a time, 1 to 10,000. More are refused. Default: 64. */
  readonly connectionsMax?: number
  /** A client that has chosen no export by then is disconnected. Milliseconds, above 0. Default: 10,000. */
  readonly handshakeTimeoutMs?: number
  /** A client that neither sends nor takes a byte of a message for this long is disconnected. Milliseconds, above 0. Default: 60,000. */
  readonly stallTimeoutMs?: number
  /** TLS is then required. By default connections are not encrypted. */
  readonly tls?: BlockServerTls
  /** Called for connections that begin, end or are refused, and for failed requests. Their number is limited. Default: nothing. */
  readonly log?: (entry: LogEntry) => void
}

/** Certificates and key as text in PEM. */
export interface BlockServerTls {
  readonly cert: string
  readonly key: string
  /** If given, clients must present a certificate that this authority signed. */
  readonly ca?: string
}

/** A server of one thread. Only that thread may call it. */
export interface BlockServer {
  /** Number of open connections. */
  readonly connections: number
  /**
   * Serves a client on a connected socket that nothing has been read from, and closes it at the end. Does not block. Refuses the
   * client, by closing the socket, if all places are taken or the server is being closed.
   */
  accept(socket: Socket): void
  /**
   * Refuses new connections and requests, and finishes the requests that are being served. Resolves when all connections are
   * closed; then the cache may be closed, which makes what clients wrote durable. Waits without a deadline
   * while a request waits for a block that some thread holds. A second call returns the same promise.
   */
  close(): Promise<void>
}

const CONNECTIONS_MAX = 10_000

/**
 * Makes a server for partitions of a cache, in the calling thread, which must be attached. The server does not listen: pass it
 * the sockets of a `net.Server`. It never blocks the thread. If a write of a partition fails, its clients get the disk's error until
 * the owner's `retry` succeeds; what is cached is still served.
 * @throws ERR_DCACHE_BAD_OPTION, ERR_DCACHE_UNKNOWN_PARTITION
 */
export function createBlockServer(client: CacheClient, options: BlockServerOptions): BlockServer {
  if (typeof options !== 'object' || (options as unknown) === null)
    refuse(`the options are ${show(options)}; they must be an object`)
  const {
    exports: names,
    connectionsMax = 64,
    handshakeTimeoutMs = 10_000,
    stallTimeoutMs = 60_000,
    tls,
    log = () => undefined,
  } = options
  if (!Array.isArray(names) || names.length === 0 || new Set(names).size !== names.length)
    refuse(`exports is ${show(names)}; it must be a list of names of partitions, each once`)
  if (!Number.isInteger(connectionsMax) || connectionsMax < 1 || connectionsMax > CONNECTIONS_MAX)
    refuse(`connectionsMax is ${show(connectionsMax)}; it must be 1 to ${CONNECTIONS_MAX}`)
  assertTimeout('handshakeTimeoutMs', handshakeTimeoutMs)
  assertTimeout('stallTimeoutMs', stallTimeoutMs)
  if (typeof log !== 'function') refuse(`log is ${show(log)}; it must be a function`)
  for (const name of options.exports) client.partition(name)
  const limit = new LogLimit(log)
  const connections = new Connections(
    {
      exports: new Exports(client, [...options.exports]),
      // The thread is the program's, so no flush blocks it.
      flushes: new Flushes(client),
      gate: new Gate(BLOCKS_AT_ONCE),
      turns: new Turns(),
      places: new Places(placeWords(1), 0, connectionsMax),
      tls: tls === undefined ? undefined : contentsOf(tls, log),
      handshakeMs: handshakeTimeoutMs,
      stallMs: stallTimeoutMs,
      log: (entry) => {
        limit.pass(entry)
      },
    },
    0,
  )
  let closed: Promise<void> | undefined
  return {
    get connections() {
      return connections.open
    },
    accept(socket) {
      // What a peer that has closed its side still has to get is sent.
      socket.allowHalfOpen = true
      socket.setNoDelay(true).setKeepAlive(true)
      connections.accept(socket)
    },
    close() {
      closed ??= connections.stop().then(() => {
        limit.report()
      })
      return closed
    },
  }
}

function contentsOf({ cert, key, ca }: BlockServerTls, log: (entry: LogEntry) => void): TlsContents {
  const contents = { cert, key, ca }
  for (const [name, text] of Object.entries({ cert, key, ca: ca ?? '' })) {
    if (typeof (text as unknown) !== 'string') refuse(`tls.${name} is ${show(text)}; it must be text in PEM`)
  }
  try {
    checkTls(contents, { cert: 'tls.cert', key: 'tls.key', ca: 'tls.ca' }, log)
  } catch (cause) {
    throw new CacheError('ERR_DCACHE_BAD_OPTION', (cause as Error).message, { cause })
  }
  return contents
}

function assertTimeout(name: string, valueMs: unknown): void {
  if (typeof valueMs === 'number' && valueMs > 0) return
  refuse(`${name} is ${show(valueMs)}; it must be a number of milliseconds above 0`)
}

function refuse(message: string): never {
  throw new CacheError('ERR_DCACHE_BAD_OPTION', message)
}
