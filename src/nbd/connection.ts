/**
 * One client's socket. It passes received bytes to a session and sends the session's replies, switches to TLS when the
 * handshake asks for it, and closes when the peer exceeds a deadline. An error here ends this connection only.
 */
import { performance } from 'node:perf_hooks'
import type { Socket } from 'node:net'
import { createServer as createTlsServer, type PeerCertificate, type TLSSocket } from 'node:tls'
import type { Exports } from './export.js'
import type { TlsState } from './handshake.js'
import type { LogEntry, TlsContents } from './messages.js'
import type { Places } from './places.js'
import { Session } from './session.js'
import { TLS_MIN_VERSION } from './tls-files.js'
import type { Services, Traffic } from './transmission.js'

export interface ConnectionContext extends Services {
  readonly exports: Exports
  readonly places: Places
  readonly tls: TlsContents | undefined
  readonly handshakeMs: number
  readonly stallMs: number
  readonly log: (entry: LogEntry) => void
}

/** How long a peer may take to close its side, and how long its requests may run after it has left. */
const FAREWELL_MS = 2000
/** A peer that leaves must take its last replies at this rate, after the stall timeout. */
const FAREWELL_BYTES_PER_MS = 256
/** At least this many milliseconds lie between two log lines about a connection's failed requests. */
const FAILURES_MS = 1000

export class Connection {
  readonly #context: ConnectionContext
  readonly #admitted: () => void
  readonly #name: string
  readonly #peer: string
  readonly #startMs = performance.now()
  /** The socket, and the stream over it: the socket itself, or TLS. */
  readonly #plain: Socket
  #socket: Socket
  #session: Session
  /** Detaches the session from its socket. */
  #unuse: () => void = () => undefined
  /** When the peer last sent bytes, or when the session last became ready to receive. */
  #receivedMs = this.#startMs
  /** Batches that the system has not taken, how much of the current one is left, and when that last changed. */
  #batches = 0
  #queuedBytes = 0
  #tookMs = this.#startMs
  /** When the peer was first seen to leave, and the deadline for its last replies. */
  #leavingMs: number | undefined
  #lastReplyMs: number | undefined
  /** When the session was over. */
  #overMs: number | undefined
  #exportName: string | undefined
  #traffic: Traffic | undefined
  #reason: string | undefined
  #hasPlace = false
  #failureToldMs = -Infinity
  #failuresUntold = 0

  /** `admitted` is called when the client has chosen an export, `closed` once, when the socket is closed. */
  constructor(
    socket: Socket,
    name: string,
    context: ConnectionContext,
    admitted: () => void,
    closed: () => void,
  ) {
    this.#context = context
    this.#admitted = admitted
    this.#name = name
    this.#plain = socket
    this.#socket = socket
    this.#peer =
      socket.remoteAddress === undefined
        ? 'a Unix socket'
        : `${socket.remoteAddress}:${socket.remotePort ?? '?'}`
    socket.once('close', () => {
      this.#session.abandon()
      if (this.#hasPlace) context.places.release()
      this.#logEnd()
      closed()
    })
    this.#session = this.#use(socket, context.tls === undefined ? 'none' : 'required')
  }

  /** Finishes the requests that are being served, then closes. */
  stop(reason: string): void {
    this.#session.stop(reason)
  }

  /** Undefined until the client has chosen one. */
  get exportName(): string | undefined {
    return this.#exportName
  }

  /** Whether a request is being served, possibly for a peer that is gone. */
  get isServing(): boolean {
    return !this.#session.isIdle
  }

  /** Closes the connection at once. */
  drop(reason: string): void {
    this.#reason ??= reason
    this.#socket.destroy()
  }

  /**
   * Called periodically; drops a peer that exceeds a deadline. Traffic extends the deadline of an open connection only.
   * The deadlines of the handshake and of a connection that is over are fixed.
   */
  inspect(nowMs: number): void {
    const { handshakeMs, stallMs } = this.#context
    const session = this.#session
    this.#lookAtQueue(nowMs)
    if (this.#overMs !== undefined) {
      if (nowMs - this.#overMs > FAREWELL_MS) this.#socket.destroy()
    } else if (session.isNegotiating) {
      if (nowMs - this.#startMs > handshakeMs) this.drop(`no export was chosen in ${handshakeMs} ms`)
    } else if (this.#isStill(nowMs)) {
      this.drop(`the peer stood still in the middle of a message for ${stallMs} ms`)
    } else if (session.isLeaving) {
      this.#inspectLeaving(nowMs)
    }
  }

  #isStill(nowMs: number): boolean {
    const { stallMs } = this.#context
    if (this.#batches > 0 && nowMs - this.#tookMs > stallMs) return true
    return this.#session.isPeerDue && nowMs - this.#receivedMs > stallMs
  }

  #inspectLeaving(nowMs: number): void {
    const session = this.#session
    this.#leavingMs ??= nowMs
    if (session.hasLeft && nowMs - this.#leavingMs > FAREWELL_MS) session.hurry()
    if (!session.isIdle) return
    this.#lastReplyMs ??= nowMs + this.#context.stallMs + session.unsent / FAREWELL_BYTES_PER_MS
    if (nowMs > this.#lastReplyMs) this.drop('the peer left and did not take its last replies in time')
  }

  /** The system takes a large batch in pieces. Its remainder shrinks whenever the peer has taken some. */
  #lookAtQueue(nowMs: number): void {
    const { _handle } = this.#plain as Socket & { _handle?: { writeQueueSize?: number } | null }
    const queuedBytes = _handle?.writeQueueSize ?? 0
    if (queuedBytes === this.#queuedBytes) return
    this.#queuedBytes = queuedBytes
    this.#tookMs = nowMs
  }

  #use(socket: Socket, tls: TlsState): Session {
    const { exports } = this.#context
    const send = (bytes: Buffer, done: () => void) => {
      if (socket.destroyed) return
      if (this.#batches++ === 0) this.#tookMs = performance.now()
      socket.write(bytes, (error) => {
        if (error) return
        this.#batches--
        this.#tookMs = performance.now()
        done()
      })
    }
    const session = new Session(exports, this.#context, tls, send, {
      admit: () => (this.#hasPlace = this.#context.places.take()),
      opened: ({ exported }) => {
        this.#admitted()
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
        this.#receivedMs = performance.now()
        if (socket.isPaused()) socket.resume()
      },
    })
    const receive = (bytes: Buffer) => {
      this.#receivedMs = performance.now()
      session.receive(bytes)
      if (session.isHeld) socket.pause()
    }
    const finish = () => {
      session.finish()
    }
    socket.on('data', receive).once('end', finish)
    socket.on('error', (error) => {
      this.#reason ??= error.message
    })
    this.#unuse = () => socket.off('data', receive).off('end', finish)
    return session
  }

  /** Hands the socket to node:tls. The client's certificate is checked before any byte is read. */
  #startTls(): void {
    const { cert, key, ca } = this.#context.tls!
    const plain = this.#plain
    this.#unuse()
    const server = createTlsServer({
      cert,
      key,
      // node:tls would refuse a client without a reason, so the check is made here.
      ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: false }),
      minVersion: TLS_MIN_VERSION,
      handshakeTimeout: this.#context.handshakeMs,
    })
    server.once('secureConnection', (safe) => {
      // The TLS socket ends when the plain one does, and vice versa. Only one of them may be destroyed: Node 20 crashes
      // with a segmentation fault if a TLS callback destroys both.
      this.#socket = safe
      if (ca === undefined || safe.authorized) {
        this.#session = this.#use(safe, 'active')
        return
      }
      safe.on('error', () => undefined)
      this.drop(`TLS: ${refusalOf(safe)}`)
    })
    server.once('tlsClientError', (error: Error & { reason?: string }) => {
      // OpenSSL's own message is a line of numbers and file names.
      this.drop(`TLS: ${error.reason ?? error.message}`)
    })
    server.emit('connection', plain)
  }

  #end(reason: string | undefined): void {
    this.#reason ??= reason
    this.#overMs = performance.now()
    this.#socket.end()
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

/** The reason why a client's certificate is refused. */
function refusalOf(safe: TLSSocket): string {
  const { subject } = safe.getPeerCertificate() as Partial<PeerCertificate>
  if (subject === undefined) return 'the client showed no certificate'
  const name = String(subject.CN)
  return `the certificate of '${name}' was refused: ${String(safe.authorizationError)}`
}
