/**
 * Parses the stream of the transmission phase into requests, however the stream is split into chunks. It holds the
 * payload of at most one request, and does not depend on sockets or disks.
 */
import type { ByteQueue } from './byte-queue.js'
import { MAX_PAYLOAD, NBD_CMD_WRITE, NBD_REQUEST_MAGIC } from './constants.js'
import { ProtocolError } from './protocol-error.js'

export interface Request {
  readonly flags: number
  readonly type: number
  /** The client's identifier of the request, repeated in the reply: two 32-bit words. */
  readonly cookieHigh: number
  readonly cookieLow: number
  /** In bytes. Not exact above 2^53, which is beyond the end of every export. */
  readonly offset: number
  readonly length: number
  /** The `length` bytes of a WRITE. Valid until the next request is read. */
  readonly payload: Buffer
}

const HEADER_BYTES = 28
const NO_PAYLOAD = Buffer.alloc(0)

export class RequestReader {
  readonly #queue: ByteQueue
  /** The WRITE whose payload is still to come. */
  #waiting: Request | undefined

  constructor(queue: ByteQueue) {
    this.#queue = queue
  }

  /**
   * The next request, or undefined if part of it is missing.
   * @throws ProtocolError if the stream is malformed; the connection must end then
   */
  next(): Request | undefined {
    const request = this.#waiting ?? this.#header()
    if (request?.type !== NBD_CMD_WRITE || request.length === 0) return request
    const queue = this.#queue
    if (!queue.read(request.length)) {
      this.#waiting = request
      return undefined
    }
    this.#waiting = undefined
    return { ...request, payload: queue.bytes.subarray(queue.start, queue.start + request.length) }
  }

  /** Whether the stream stands between two requests. */
  get isBetween(): boolean {
    return this.#waiting === undefined && this.#queue.isEmpty
  }

  #header(): Request | undefined {
    const queue = this.#queue
    if (!queue.read(HEADER_BYTES)) return undefined
    const { bytes, start } = queue
    const magic = bytes.readUInt32BE(start)
    if (magic !== NBD_REQUEST_MAGIC)
      throw new ProtocolError(`a request begins with 0x${magic.toString(16)}, not with NBD_REQUEST_MAGIC`)
    const type = bytes.readUInt16BE(start + 6)
    const length = bytes.readUInt32BE(start + 24)
    if (type === NBD_CMD_WRITE && length > MAX_PAYLOAD)
      throw new ProtocolError(`a write of ${length} bytes; the limit is ${MAX_PAYLOAD} bytes`)
    return {
      flags: bytes.readUInt16BE(start + 4),
      type,
      cookieHigh: bytes.readUInt32BE(start + 8),
      cookieLow: bytes.readUInt32BE(start + 12),
      offset: bytes.readUInt32BE(start + 16) * 2 ** 32 + bytes.readUInt32BE(start + 20),
      length,
      payload: NO_PAYLOAD,
    }
  }
}
