/**
 * The protocol of one connection, without its socket: bytes in, bytes out; first the handshake, then the transmission.
 * A protocol violation ends the session. Other sessions are not affected.
 */
import { ByteQueue } from './byte-queue.js'
import type { Exports } from './export.js'
import { type Agreement, Handshake, type TlsState } from './handshake.js'
import { greeting } from './option-replies.js'
import { Outbox, type Send } from './outbox.js'
import { ProtocolError } from './protocol-error.js'
import { type Services, type Traffic, Transmission } from './transmission.js'

export interface SessionEvents {
  /** Takes a place for a client that has chosen an export. Returns false if all are taken. */
  admit(): boolean
  /** An export was chosen. */
  opened(agreement: Agreement): void
  /** The reply has been sent. The TLS handshake follows, and then a new session over it. */
  startTls(): void
  /** The cache failed a request. */
  failed(error: unknown): void
  /** The session ends once the outbox is empty. `reason` is undefined if the client asked for it. */
  over(reason: string | undefined): void
  /** The session can receive again: `isHeld` is false. */
  room(): void
}

/** The session stops reading from a client that has this many unread replies to its options. */
const HANDSHAKE_UNSENT_BYTES = 2 ** 20

export class Session {
  readonly #queue = new ByteQueue()
  readonly #outbox: Outbox
  readonly #services: Services
  readonly #events: SessionEvents
  #handshake: Handshake | undefined
  #transmission: Transmission | undefined
  #isOver = false
  /** Why the session refuses further requests. */
  #stopReason: string | undefined
  /** The peer will send nothing more. */
  #hasEnded = false
  #isScheduled = false
  /** Received bytes wait for room, or for the next turn of the event loop. */
  #isHeld = false

  constructor(exports: Exports, services: Services, tls: TlsState, send: Send, events: SessionEvents) {
    this.#services = services
    this.#events = events
    this.#outbox = new Outbox(send, () => {
      if (this.#isHeld || this.isLeaving) this.#schedule()
    })
    this.#handshake = new Handshake(this.#queue, exports, tls)
    if (tls === 'active') return
    this.#outbox.append(greeting())
    this.#outbox.flush()
  }

  /** The caller should not pass more bytes for now: there is no room, or other connections have their turn. */
  get isHeld(): boolean {
    return this.#isHeld || this.isFull
  }

  /** There is no room for further requests. */
  get isFull(): boolean {
    return this.#transmission?.isFull ?? this.#outbox.unsent >= HANDSHAKE_UNSENT_BYTES
  }

  /** The handshake is in progress. */
  get isNegotiating(): boolean {
    return this.#transmission === undefined
  }

  /** The peer has sent part of a request, and the session waits for the rest. */
  get isPeerDue(): boolean {
    return this.#transmission?.isWaiting === true && !this.isHeld && !this.#hasEnded
  }

  /**
   * The session accepts no further requests. It finishes those in progress and waits until the peer has taken the
   * replies.
   */
  get isLeaving(): boolean {
    return this.#hasEnded || this.#stopReason !== undefined || this.#transmission?.isOver === true
  }

  /** The peer has sent DISC or closed its side. */
  get hasLeft(): boolean {
    return this.#hasEnded || this.#transmission?.isOver === true
  }

  /** Bytes of replies that the peer has not taken. */
  get unsent(): number {
    return this.#outbox.unsent
  }

  /** No request is being served. */
  get isIdle(): boolean {
    return this.#transmission?.isIdle ?? true
  }

  get traffic(): Traffic | undefined {
    return this.#transmission?.traffic
  }

  receive(bytes: Buffer): void {
    if (this.#isOver) return
    this.#queue.push(bytes)
    if (!this.#isHeld) this.#proceed()
  }

  /** The peer has closed its side. The session answers its requests and then ends. */
  finish(): void {
    this.#hasEnded = true
    this.#proceed()
  }

  /** Refuses requests that would take long, because the peer has left. */
  hurry(): void {
    this.#transmission?.hurry()
  }

  /** Ends the session, because the peer is gone. */
  abandon(): void {
    this.#isOver = true
    this.#transmission?.abandon()
  }

  /** Finishes the requests in progress, refuses further ones, and ends. */
  stop(reason: string): void {
    this.#stopReason ??= reason
    if (this.#transmission !== undefined) this.#transmission.refusal = this.#stopReason
    this.#proceed()
  }

  #proceed(): void {
    if (this.#isOver) return
    try {
      this.#negotiate()
      const isHeld = this.#transmission?.proceed()
      this.#outbox.flush()
      this.#isHeld = isHeld === true || this.isFull
      // A full session is scheduled when room becomes available.
      if (this.#isHeld && !this.isFull) this.#schedule()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#outbox.flush()
      this.#end(error.message)
      return
    }
    if (this.isLeaving) this.#leave()
  }

  /** Ends the session when all requests are answered and the peer has taken the replies. */
  #leave(): void {
    const transmission = this.#transmission
    if (transmission === undefined) {
      this.#end(this.#hasEnded ? 'the peer left during the handshake' : this.#stopReason)
      return
    }
    if (!transmission.isIdle || this.#outbox.unsent > 0) return
    if (transmission.isOver) this.#end(undefined)
    else if (this.#stopReason !== undefined) this.#end(this.#stopReason)
    else if (!this.#isHeld)
      this.#end(transmission.isWaiting ? 'the peer left in the middle of a message' : undefined)
  }

  #negotiate(): void {
    while (this.#handshake !== undefined && !this.isFull) {
      const step = this.#handshake.next()
      if (step === undefined) return
      if (typeof step.then === 'object' && !this.#events.admit()) {
        this.#outbox.append(step.refusal ?? Buffer.alloc(0))
        throw new ProtocolError('the server has reached its limit of clients (--connections)')
      }
      this.#outbox.append(step.reply)
      if (step.then === 'options') continue
      this.#handshake = undefined
      this.#outbox.flush()
      if (step.then === 'close') this.#end(undefined)
      else if (step.then === 'tls') this.#events.startTls()
      else this.#begin(step.then)
    }
  }

  #begin(agreement: Agreement): void {
    this.#events.opened(agreement)
    this.#transmission = new Transmission(agreement, this.#queue, this.#outbox, this.#services, {
      changed: () => {
        this.#schedule()
      },
      failed: (error) => {
        this.#events.failed(error)
      },
    })
    this.#transmission.refusal = this.#stopReason
  }

  /** Proceeds once, at the end of this turn of the event loop. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      const wasHeld = this.#isHeld
      this.#proceed()
      if (wasHeld && !this.isHeld) this.#events.room()
    })
  }

  #end(reason: string | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#events.over(reason)
  }
}
