/**
 * Encodes the replies of the transmission phase into a buffer at an offset. The constants are their sizes in bytes.
 */
import {
  NBD_REPLY_FLAG_DONE,
  NBD_REPLY_TYPE_BLOCK_STATUS,
  NBD_REPLY_TYPE_ERROR,
  NBD_REPLY_TYPE_NONE,
  NBD_REPLY_TYPE_OFFSET_DATA,
  NBD_SIMPLE_REPLY_MAGIC,
  NBD_STRUCTURED_REPLY_MAGIC,
} from './constants.js'
import type { Request } from './request-reader.js'

type Cookie = Pick<Request, 'cookieHigh' | 'cookieLow'>

export const SIMPLE_BYTES = 16
export const CHUNK_BYTES = 20
/** A chunk of data: its header and the offset. */
export const DATA_BYTES = CHUNK_BYTES + 8
/** Block status of one context with one extent. */
export const STATUS_BYTES = CHUNK_BYTES + 12

/** A simple reply. The data of a READ follows it. */
export function putSimple(bytes: Buffer, at: number, { cookieHigh, cookieLow }: Cookie, error: number): void {
  bytes.writeUInt32BE(NBD_SIMPLE_REPLY_MAGIC, at)
  bytes.writeUInt32BE(error, at + 4)
  bytes.writeUInt32BE(cookieHigh, at + 8)
  bytes.writeUInt32BE(cookieLow, at + 12)
}

/** The header of a structured reply's only chunk. */
function putChunk(bytes: Buffer, at: number, cookie: Cookie, type: number, length: number): void {
  bytes.writeUInt32BE(NBD_STRUCTURED_REPLY_MAGIC, at)
  bytes.writeUInt16BE(NBD_REPLY_FLAG_DONE, at + 4)
  bytes.writeUInt16BE(type, at + 6)
  bytes.writeUInt32BE(cookie.cookieHigh, at + 8)
  bytes.writeUInt32BE(cookie.cookieLow, at + 12)
  bytes.writeUInt32BE(length, at + 16)
}

/** The header of a chunk with all data of a READ; the data follows it. The length must not be 0. */
export function putData(bytes: Buffer, at: number, request: Request): void {
  putChunk(bytes, at, request, NBD_REPLY_TYPE_OFFSET_DATA, 8 + request.length)
  bytes.writeUInt32BE(Math.floor(request.offset / 2 ** 32), at + CHUNK_BYTES)
  bytes.writeUInt32BE(request.offset % 2 ** 32, at + CHUNK_BYTES + 4)
}

/** A structured reply without data; CHUNK_BYTES. */
export function putNone(bytes: Buffer, at: number, cookie: Cookie): void {
  putChunk(bytes, at, cookie, NBD_REPLY_TYPE_NONE, 0)
}

export function putStatus(
  bytes: Buffer,
  at: number,
  cookie: Cookie,
  context: number,
  length: number,
  state: number,
): void {
  putChunk(bytes, at, cookie, NBD_REPLY_TYPE_BLOCK_STATUS, 12)
  bytes.writeUInt32BE(context, at + CHUNK_BYTES)
  bytes.writeUInt32BE(length, at + CHUNK_BYTES + 4)
  bytes.writeUInt32BE(state, at + CHUNK_BYTES + 8)
}

/** A structured error reply with a message. */
export function errorChunk(cookie: Cookie, error: number, message: string): Buffer {
  const text = Buffer.from(message).subarray(0, 1024)
  const bytes = Buffer.allocUnsafe(CHUNK_BYTES + 6 + text.length)
  putChunk(bytes, 0, cookie, NBD_REPLY_TYPE_ERROR, 6 + text.length)
  bytes.writeUInt32BE(error, CHUNK_BYTES)
  bytes.writeUInt16BE(text.length, CHUNK_BYTES + 4)
  text.copy(bytes, CHUNK_BYTES + 6)
  return bytes
}
