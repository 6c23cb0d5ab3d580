/**
 * One client's socket: hands bytes to a session and takes its replies, changes to TLS when the two have agreed on it,
 * and closes when the peer keeps the other side waiting. Whatever goes wrong here ends this connection only.
 */
import { performance } from 'node:perf_hooks'
import type { Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Export } from './export.js'
import type { TlsState } from './handshake.js'
import type { LogEntry, TlsContents } from './messages.js'
import { Session } from './session.js'
import type { Services, Traffic } from './transmission.js'

export interface ConnectionContext extends Services {
  readonly exports: readonly Export[]
  readonly tls: TlsContents | undefined
  readonly handshakeMs: number
  readonly stallMs: number
  readonly log: (entry: LogEntry) => void
}

/** How long a peer may take to close its side. */
const FAREWELL_MS = 2000
/** Failures of the cache are told once in so long for each connection. */
const FAILURES_MS = 1000

export class Connection {
  readonly #context: ConnectionContext
  readonly #name: string
  readonly #peer: string
  readonly #startMs = performance.now()
  #socket: Socket
  #session: Session
  /** When bytes last went either way. */
  #movedMs = this.#startMs
  #exportName: string | undefined
  #traffic: Traffic | undefined
  #reason: string | undefined
  #isEnding = false
  #failureToldMs = -Infinity
  #failuresUntold = 0

  /** `closed` is called once, when the socket is gone. */
  constructor(socket: Socket, name: string, context: ConnectionContext, closed: () => void) {
    this.#context = context
    this.#name = name
    this.#socket = socket
    this.#peer =
      socket.remoteAddress === undefined
        ? 'a Unix socket'
        : `${socket.remoteAddress}:${socket.remotePort ?? '?'}`
    socket.once('close', () => {
      this.#logEnd()
      closed()
    })
    this.#session = this.#use(socket, context.tls === undefined ? 'none' : 'required')
  }

  /** Finishes what is being served, and closes. */
  stop(): void {
    this.#session.stop()
  }

  /** Called now and then: drops a peer that keeps us waiting. */
  inspect(nowMs: number): void {
    const { handshakeMs, stallMs } = this.#context
    const silentMs = nowMs - this.#movedMs
    if (this.#isEnding) {
      if (silentMs > FAREWELL_MS) this.#socket.destroy()
    } else if (this.#session.isNegotiating) {
      if (nowMs - this.#startMs > handshakeMs) this.#drop(`no export was chosen in ${handshakeMs} ms`)
    } else if (this.#session.isPeerDue && silentMs > stallMs) {
      this.#drop(`the peer stood still in the middle of a message for ${stallMs} ms`)
    }
  }

  #use(socket: Socket, tls: TlsState): Session {
    const { exports } = this.#context
    const send = (bytes: Buffer, done: () => void) => {
      if (socket.destroyed) return
      socket.write(bytes, (error) => {
        if (error) return
        this.#movedMs = performance.now()
        done()
      })
    }
    const session = new Session(exports, this.#context, tls, send, {
      opened: ({ exported }) => {
        this.#exportName = exported.name
        this.#log('info', 'opened', `opened '${exported.name}'`, {
          export: exported.name,
          tls: tls === 'active',
        })
      },
      startTls: () => {
        this.#startTls()
      },
      failed: (error) => {
        this.#tellFailure(error as Error)
      },
      over: (reason) => {
        this.#end(reason)
      },
      room: () => {
        if (socket.isPaused() && !session.isFull) socket.resume()
      },
    })
    socket.on('data', (bytes: Buffer) => {
      this.#movedMs = performance.now()
      session.receive(bytes)
      if (session.isFull) socket.pause()
    })
    socket.on('error', (error) => {
      this.#reason ??= error.message
    })
    return session
  }

  /** node:tls takes the socket over; the client's certificate is checked before anything is served. */
  #startTls(): void {
    const { cert, key, ca } = this.#context.tls!
    const plain = this.#socket
    plain.removeAllListeners('data')
    const server = createTlsServer({
      cert,
      key,
      ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true }),
      minVersion: 'TLSv1.2',
      handshakeTimeout: this.#context.handshakeMs,
    })
    server.once('secureConnection', (safe) => {
      this.#socket = safe
      // The TLS socket ends when the plain one does, and the other way round.
      this.#session = this.#use(safe, 'active')
    })
    server.once('tlsClientError', (error) => {
      this.#drop(`TLS: ${error.message}`)
      plain.destroy()
    })
    server.emit('connection', plain)
  }

  #end(reason: string | undefined): void {
    this.#reason ??= reason
    this.#isEnding = true
    this.#movedMs = performance.now()
    this.#socket.end()
  }

  #drop(reason: string): void {
    this.#reason = reason
    this.#socket.destroy()
  }

  #tellFailure(error: NodeJS.ErrnoException): void {
    const nowMs = performance.now()
    if (nowMs - this.#failureToldMs < FAILURES_MS) {
      this.#failuresUntold++
      return
    }
    const more = this.#failuresUntold === 0 ? '' : ` (and ${this.#failuresUntold} more)`
    this.#failureToldMs = nowMs
    this.#failuresUntold = 0
    this.#log('error', 'failed', `a request failed: ${error.message}${more}`, {
      export: this.#exportName ?? null,
      code: error.code ?? null,
    })
  }

  #logEnd(): void {
    this.#traffic = this.#session.traffic
    const seconds = (performance.now() - this.#startMs) / 1000
    const {
      reads = 0,
      bytesRead = 0,
      writes = 0,
      bytesWritten = 0,
      flushes = 0,
      others = 0,
      errors = 0,
    } = this.#traffic ?? {}
    const done =
      this.#exportName === undefined
        ? ''
        : `: ${reads} reads (${bytesRead} bytes), ${writes} writes (${bytesWritten} bytes), ${flushes} flushes, ` +
          `${others} others, ${errors} errors`
    const why = this.#reason === undefined ? '' : `; ${this.#reason}`
    this.#log(
      this.#reason === undefined ? 'info' : 'warn',
      'closed',
      `closed after ${seconds.toFixed(1)} s${done}${why}`,
      {
        export: this.#exportName ?? null,
        seconds,
        reads,
        bytesRead,
        writes,
        bytesWritten,
        flushes,
        others,
        errors,
        reason: this.#reason ?? null,
      },
    )
  }

  #log(level: LogEntry['level'], event: string, message: string, fields: LogEntry['fields']): void {
    this.#context.log({
      level,
      event,
      message: `connection ${this.#name} from ${this.#peer} ${message}`,
      fields: { connection: this.#name, peer: this.#peer, ...fields },
    })
  }
}
