/**
 * One connection without its socket: bytes in, bytes out, first the handshake, then the transmission. A stream that
 * can't be followed ends it; nobody else notices.
 */
import { ByteQueue } from './byte-queue.js'
import type { Export } from './export.js'
import { type Agreement, Handshake, type TlsState } from './handshake.js'
import { greeting } from './option-replies.js'
import { Outbox, type Send } from './outbox.js'
import { ProtocolError } from './protocol-error.js'
import { type Services, type Traffic, Transmission } from './transmission.js'

export interface SessionEvents {
  /** Whether there is a place for one more client that has chosen an export; takes it. */
  admit(): boolean
  /** An export was chosen. */
  opened(agreement: Agreement): void
  /** The reply is on its way; what comes next is TLS, for a session of its own. */
  startTls(): void
  /** The cache failed a request. */
  failed(error: unknown): void
  /** Nothing more will be said once the outbox is empty. `reason` is undefined if the client wanted it. */
  over(reason: string | undefined): void
  /** There is room again: `isHeld` is false. */
  room(): void
}

/** A client that asks for lists and does not read them is not listened to. */
const HANDSHAKE_UNSENT_BYTES = 2 ** 20

export class Session {
  readonly #queue = new ByteQueue()
  readonly #outbox: Outbox
  readonly #services: Services
  readonly #events: SessionEvents
  #handshake: Handshake | undefined
  #transmission: Transmission | undefined
  #isOver = false
  #isStopping = false
  /** The peer will send nothing more. */
  #hasEnded = false
  #isScheduled = false
  /** What has come waits for room, or for the next turn. */
  #isHeld = false

  constructor(
    exports: readonly Export[],
    services: Services,
    tls: TlsState,
    send: Send,
    events: SessionEvents,
  ) {
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

  /** No more bytes should come for now: there is no room, or others have their turn. */
  get isHeld(): boolean {
    return this.#isHeld || this.isFull
  }

  /** There is no room for what more requests would take. */
  get isFull(): boolean {
    return this.#transmission?.isFull ?? this.#outbox.unsent >= HANDSHAKE_UNSENT_BYTES
  }

  /** The handshake is not over. */
  get isNegotiating(): boolean {
    return this.#transmission === undefined
  }

  /** The peer owes the rest of a message. */
  get isPeerDue(): boolean {
    return this.#transmission?.isWaiting === true && !this.isHeld && !this.#hasEnded
  }

  /** No further request is wanted: what is under way is finished, and its replies are taken. */
  get isLeaving(): boolean {
    return this.#hasEnded || this.#isStopping || this.#transmission?.isOver === true
  }

  /** The peer has said so, or closed its side. */
  get hasLeft(): boolean {
    return this.#hasEnded || this.#transmission?.isOver === true
  }

  /** Bytes of replies that the peer has not taken. */
  get unsent(): number {
    return this.#outbox.unsent
  }

  /** Nothing is being served. */
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

  /** The peer has closed its side: what it has asked is answered, and then the session is over. */
  finish(): void {
    this.#hasEnded = true
    this.#proceed()
  }

  /** The peer is leaving: requests that would take long are refused. */
  hurry(): void {
    this.#transmission?.hurry()
  }

  /** The peer is gone. */
  abandon(): void {
    this.#isOver = true
    this.#transmission?.abandon()
  }

  /** Finishes what is being served, refuses the rest, and is over then. */
  stop(): void {
    this.#isStopping = true
    if (this.#transmission !== undefined) this.#transmission.isStopping = true
    this.#proceed()
  }

  #proceed(): void {
    if (this.#isOver) return
    try {
      this.#negotiate()
      const isHeld = this.#transmission?.proceed()
      this.#outbox.flush()
      this.#isHeld = isHeld === true || this.isFull
      // Where it is full, what makes room schedules it.
      if (this.#isHeld && !this.isFull) this.#schedule()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#outbox.flush()
      this.#end(error.message)
      return
    }
    if (this.isLeaving) this.#leave()
  }

  /** Ends the session when all is answered, and the peer has taken the answers. */
  #leave(): void {
    const transmission = this.#transmission
    if (transmission === undefined) {
      this.#end(this.#hasEnded ? 'the peer left in the handshake' : 'the server is leaving')
      return
    }
    if (!transmission.isIdle || this.#outbox.unsent > 0) return
    if (transmission.isOver) this.#end(undefined)
    else if (this.#isStopping) this.#end('the server is leaving')
    else if (!this.#isHeld)
      this.#end(transmission.isWaiting ? 'the peer left in the middle of a message' : undefined)
  }

  #negotiate(): void {
    while (this.#handshake !== undefined && !this.isFull) {
      const step = this.#handshake.next()
      if (step === undefined) return
      if (typeof step.then === 'object' && !this.#events.admit()) {
        this.#outbox.append(step.refusal ?? Buffer.alloc(0))
        throw new ProtocolError('it chose an export, and as many clients as may be have one')
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
    this.#transmission.isStopping = this.#isStopping
  }

  /** Once in this turn of the event loop, when all else of it is done. */
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
