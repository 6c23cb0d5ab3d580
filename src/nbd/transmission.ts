/**
 * The transmission phase of one connection: it serves requests and puts the replies into the outbox. Requests for cached
 * blocks are answered in the same turn of the event loop, the others when they complete, in any order.
 */
import type { FlushScope } from '../index.js'
import { isBulk, readBulk, trim, writeBulk, writeZeroes } from './bulk.js'
import type { ByteQueue } from './byte-queue.js'
import * as nbd from './constants.js'
import { errorNumber, Refusal } from './failures.js'
import { type Flushes, fuaScope } from './flushes.js'
import type { Gate } from './gate.js'
import { type Agreement, ALLOCATION_ID } from './handshake.js'
import { readHits, writeHits } from './hits.js'
import type { Outbox } from './outbox.js'
import * as replies from './replies.js'
import { type Request, RequestReader } from './request-reader.js'
import { assertServable } from './servable.js'
import type { Lane, Turns } from './turns.js'

/** No further request is taken from the stream while pending payloads and replies exceed this many bytes. */
const IN_FLIGHT_BYTES = 2 ** 25
/** Bytes that a request counts in addition to its payload or reply. */
const REQUEST_BYTES = 1024
/** Limit of concurrent requests that are served in slices or wait for the disk; further ones wait in the stream. */
const LONG_MAX = 64
/** Bytes served for a connection in one turn of the event loop, before other connections have theirs. */
const TURN_BYTES = 2 ** 20

export interface Services {
  readonly flushes: Flushes
  readonly gate: Gate
  readonly turns: Turns
}

export interface TransmissionEvents {
  /** Replies came outside `proceed`, or there is room for requests again. */
  changed(): void
  /** The cache failed a request. */
  failed(error: unknown): void
}

export interface Traffic {
  reads: number
  bytesRead: number
  writes: number
  bytesWritten: number
  flushes: number
  others: number
  errors: number
}

export class Transmission {
  readonly traffic: Traffic = {
    reads: 0,
    bytesRead: 0,
    writes: 0,
    bytesWritten: 0,
    flushes: 0,
    others: 0,
    errors: 0,
  }
  /** Why all further requests get ESHUTDOWN. */
  refusal: string | undefined
  readonly #lane: Lane
  readonly #agreement: Agreement
  readonly #reader: RequestReader
  readonly #outbox: Outbox
  readonly #services: Services
  readonly #events: TransmissionEvents
  /** Requests that are being served, and the bytes that they count. */
  #running = 0
  #runningBytes = 0
  /** Of these, the ones that are served in slices or wait for the disk. */
  #long = 0
  #isOver = false
  #isAbandoned = false

  constructor(
    agreement: Agreement,
    queue: ByteQueue,
    outbox: Outbox,
    services: Services,
    events: TransmissionEvents,
  ) {
    this.#agreement = agreement
    this.#reader = new RequestReader(queue)
    this.#outbox = outbox
    this.#services = services
    this.#events = events
    this.#lane = services.turns.lane()
  }

  get isFull(): boolean {
    return this.#long >= LONG_MAX || this.#runningBytes + this.#outbox.unsent >= IN_FLIGHT_BYTES
  }

  /** No request is being served. */
  get isIdle(): boolean {
    return this.#running === 0
  }

  /** The client has sent DISC. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** The peer has sent only part of a request. */
  get isWaiting(): boolean {
    return !this.#reader.isBetween
  }

  /** Refuses the rest of the requests that are served in slices. */
  hurry(): void {
    this.#lane.close(
      new Refusal(nbd.NBD_ESHUTDOWN, 'the client has left, and the request would take too long'),
    )
  }

  /** The client is gone: replies are dropped from now on. */
  abandon(): void {
    this.#isAbandoned = true
    this.hurry()
  }

  /**
   * Serves the requests that have arrived. Returns true if it left some: `isFull`, or other connections have their
   * turn.
   * @throws ProtocolError
   */
  proceed(): boolean {
    for (let served = 0; !this.#isOver; served += REQUEST_BYTES) {
      if (this.isFull || served >= TURN_BYTES) return true
      const request = this.#reader.next()
      if (request === undefined) return false
      if (request.type === nbd.NBD_CMD_DISC) this.#isOver = true
      else this.#serve(request)
      if (!isBulk(request)) served += request.length
    }
    return false
  }

  #serve(request: Request): void {
    this.#services.flushes.noteRequest()
    try {
      if (this.refusal !== undefined) throw new Refusal(nbd.NBD_ESHUTDOWN, this.refusal)
      assertServable(request, this.#agreement)
      this.#start(request)
    } catch (error) {
      this.#fail(request, error)
    }
  }

  #start(request: Request): void {
    const { partition } = this.#agreement.exported
    const { offset, length } = request
    switch (request.type) {
      case nbd.NBD_CMD_READ:
        this.#read(request)
        return
      case nbd.NBD_CMD_WRITE:
        this.#write(request)
        return
      case nbd.NBD_CMD_FLUSH:
        this.traffic.flushes++
        this.#flush(request, { partition: partition.name })
        return
      case nbd.NBD_CMD_TRIM:
        this.traffic.others++
        this.#goOn(request, 0, () => trim(partition, offset, length, this.#lane))
        return
      case nbd.NBD_CMD_WRITE_ZEROES:
        this.traffic.others++
        this.#goOn(request, 0, async () => {
          this.#services.flushes.noteBytes(partition.name, length)
          await writeZeroes(partition, offset, length, this.#lane)
          await this.#persist(request)
        })
        return
      case nbd.NBD_CMD_CACHE:
        this.traffic.others++
        if (length > 0) {
          const first = Math.floor(offset / partition.blockSize)
          partition.prefetch(first, Math.ceil((offset + length) / partition.blockSize) - first)
        }
        this.#succeed(request)
        return
      case nbd.NBD_CMD_BLOCK_STATUS:
        this.traffic.others++
        this.#status(request)
    }
  }

  #read(request: Request): void {
    const { partition } = this.#agreement.exported
    const { offset, length } = request
    const outbox = this.#outbox
    const head = this.#headBytes
    this.traffic.reads++
    this.traffic.bytesRead += length
    if (length === 0) {
      this.#succeed(request)
      return
    }
    if (isBulk(request)) {
      const reply = Buffer.allocUnsafeSlow(head + length)
      this.#answerLater(request, reply, () => readBulk(partition, reply.subarray(head), offset, this.#lane))
      return
    }
    const at = outbox.reserve(head + length)
    let done: number
    try {
      done = readHits(partition, outbox.bytes, at + head, offset, length)
    } catch (error) {
      outbox.giveBack(head + length)
      throw error
    }
    if (done === length) {
      this.#putHead(outbox.bytes, at, request)
      return
    }
    const reply = Buffer.allocUnsafeSlow(head + length)
    outbox.bytes.copy(reply, head, at + head, at + head + done)
    outbox.giveBack(head + length)
    const rest = () => partition.read(reply.subarray(head + done), offset + done)
    this.#answerLater(request, reply, () => this.#services.gate.run(rest))
  }

  /** Serves a read concurrently. `reply` has room for the header before the data. */
  #answerLater(request: Request, reply: Buffer, work: () => Promise<void>): void {
    this.#goOn(request, request.length, work, () => {
      this.#putHead(reply, 0, request)
      this.#outbox.append(reply)
    })
  }

  #write(request: Request): void {
    const { partition } = this.#agreement.exported
    const { offset, length, payload } = request
    this.traffic.writes++
    this.traffic.bytesWritten += length
    this.#services.flushes.noteBytes(partition.name, length)
    if (isBulk(request)) {
      this.#goOn(request, length, async () => {
        await writeBulk(partition, payload, offset, this.#lane)
        await this.#persist(request)
      })
      return
    }
    const done = writeHits(partition, payload, offset)
    if (done === length) {
      const scope = fuaScope(request, partition)
      if (scope === undefined) this.#succeed(request)
      else this.#flush(request, scope)
      return
    }
    this.#goOn(request, length, async () => {
      if (done < length)
        await this.#services.gate.run(() => partition.write(payload.subarray(done), offset + done))
      await this.#persist(request)
    })
  }

  /** Answers when the scope is durable; at once, if the client waits for nothing else. */
  #flush(request: Request, scope: FlushScope): void {
    const isLast = this.#running === 0 && this.#reader.isBetween
    if (isLast && this.#services.flushes.tryNow(scope)) this.#succeed(request)
    else this.#goOn(request, 0, () => this.#services.flushes.later(scope))
  }

  /** FUA: writes the request's changes to the disk before it is answered. */
  async #persist(request: Request): Promise<void> {
    const scope = fuaScope(request, this.#agreement.exported.partition)
    if (scope !== undefined) await this.#services.flushes.later(scope)
  }

  /** The cache does not know holes, so the whole range is reported as data. */
  #status(request: Request): void {
    const at = this.#outbox.reserve(replies.STATUS_BYTES)
    replies.putStatus(this.#outbox.bytes, at, request, ALLOCATION_ID, request.length, 0)
  }

  /** Serves the rest of a request concurrently with others. `answer` puts the reply into the outbox. */
  #goOn(
    request: Request,
    bytes: number,
    work: () => Promise<void>,
    answer = () => {
      this.#succeed(request)
    },
  ): void {
    const count = bytes + REQUEST_BYTES
    const long = isLong(request) ? 1 : 0
    this.#services.flushes.noteBegin()
    this.#running++
    this.#runningBytes += count
    this.#long += long
    work()
      .then(() => {
        if (!this.#isAbandoned) answer()
      })
      .catch((error: unknown) => {
        if (!this.#isAbandoned) this.#fail(request, error)
      })
      .finally(() => {
        this.#services.flushes.noteEnd()
        this.#running--
        this.#runningBytes -= count
        this.#long -= long
        this.#events.changed()
      })
  }

  /** Bytes of a READ reply before its data. */
  get #headBytes(): number {
    return this.#agreement.isStructured ? replies.DATA_BYTES : replies.SIMPLE_BYTES
  }

  #putHead(bytes: Buffer, at: number, request: Request): void {
    if (this.#agreement.isStructured) replies.putData(bytes, at, request)
    else replies.putSimple(bytes, at, request, 0)
  }

  #succeed(request: Request): void {
    if (this.#agreement.isStructured) {
      const at = this.#outbox.reserve(replies.CHUNK_BYTES)
      replies.putNone(this.#outbox.bytes, at, request)
    } else {
      const at = this.#outbox.reserve(replies.SIMPLE_BYTES)
      replies.putSimple(this.#outbox.bytes, at, request, 0)
    }
  }

  #fail(request: Request, error: unknown): void {
    this.traffic.errors++
    const number = errorNumber(error, request.type)
    if (this.#agreement.isStructured) {
      this.#outbox.append(replies.errorChunk(request, number, (error as Error).message))
    } else {
      const at = this.#outbox.reserve(replies.SIMPLE_BYTES)
      replies.putSimple(this.#outbox.bytes, at, request, number)
    }
    if (!(error instanceof Refusal)) this.#events.failed(error)
  }
}

/** Whether a request is served in slices or waits for the disk. */
const isLong = (request: Request): boolean =>
  isBulk(request) || request.type === nbd.NBD_CMD_FLUSH || (request.flags & nbd.NBD_CMD_FLAG_FUA) !== 0
