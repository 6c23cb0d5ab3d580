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
  /** An export was chosen. */
  opened(agreement: Agreement): void
  /** The reply is on its way; what comes next is TLS, for a session of its own. */
  startTls(): void
  /** The cache failed a request. */
  failed(error: unknown): void
  /** Nothing more will be said once the outbox is empty. `reason` is undefined if the client wanted it. */
  over(reason: string | undefined): void
  /** There is room again: `isFull` is false. */
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
  #isScheduled = false
  /** What has come waits for room. */
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
      if (this.#isHeld) this.#schedule()
    })
    this.#handshake = new Handshake(this.#queue, exports, tls)
    if (tls === 'active') return
    this.#outbox.append(greeting())
    this.#outbox.flush()
  }

  /** No more bytes should come for now. */
  get isFull(): boolean {
    return this.#transmission?.isFull ?? this.#outbox.unsent >= HANDSHAKE_UNSENT_BYTES
  }

  /** The handshake is not over. */
  get isNegotiating(): boolean {
    return this.#transmission === undefined
  }

  /** It is the peer's turn, in the middle of a message: to send the rest of it, or to take replies. */
  get isPeerDue(): boolean {
    return this.#outbox.unsent > 0 || (this.#transmission?.isWaiting === true && !this.isFull)
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
    this.#proceed()
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
      let isHeld: boolean
      do {
        this.#negotiate()
        isHeld = this.#transmission?.proceed() ?? this.isFull
        this.#outbox.flush()
        // Where the system took the replies at once there is room already.
      } while (isHeld && !this.isFull)
      this.#isHeld = this.isFull
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#outbox.flush()
      this.#end(error.message)
      return
    }
    const transmission = this.#transmission
    if (transmission === undefined ? this.#isStopping : transmission.isIdle) {
      if (transmission?.isOver === true) this.#end(undefined)
      else if (this.#isStopping) this.#end('the server is leaving')
    }
  }

  #negotiate(): void {
    while (this.#handshake !== undefined && !this.isFull) {
      const step = this.#handshake.next()
      if (step === undefined) return
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
      if (wasHeld && !this.#isHeld) this.#events.room()
    })
  }

  #end(reason: string | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#events.over(reason)
  }
}
