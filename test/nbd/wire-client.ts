// A client that sends exactly what a test wants: an NBD connection without abstraction, for what real clients never do.

import { connect, type Socket } from 'node:net'
import * as nbd from '#dist/nbd/constants.js'

export interface Reply {
  readonly error: number
  readonly data: Buffer
}

export type Where = { readonly path: string } | { readonly port: number }

/** The bytes of a header of the transmission phase. */
export function requestBytes(
  type: number,
  cookie: number,
  offset: number,
  length: number,
  flags = 0,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(28)
  head.writeUInt32BE(nbd.NBD_REQUEST_MAGIC, 0)
  head.writeUInt16BE(flags, 4)
  head.writeUInt16BE(type, 6)
  head.writeBigUInt64BE(BigInt(cookie), 8)
  head.writeBigUInt64BE(BigInt(offset), 16)
  head.writeUInt32BE(length, 24)
  return Buffer.concat([head, payload])
}

export function optionBytes(option: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(16)
  head.writeBigUInt64BE(nbd.IHAVEOPT, 0)
  head.writeUInt32BE(option, 8)
  head.writeUInt32BE(data.length, 12)
  return Buffer.concat([head, data])
}

/** The data of GO and INFO. */
export function goData(name: string): Buffer {
  const text = Buffer.from(name)
  const data = Buffer.alloc(6 + text.length)
  data.writeUInt32BE(text.length, 0)
  text.copy(data, 4)
  return data
}

/** The data of SET_META_CONTEXT and LIST_META_CONTEXT. */
export function contextData(name: string, ...queries: string[]): Buffer {
  const word = (value: number) => Buffer.from([value >>> 24, value >>> 16, value >>> 8, value])
  const text = (value: string) => [word(Buffer.byteLength(value)), Buffer.from(value)]
  return Buffer.concat([...text(name), word(queries.length), ...queries.flatMap(text)])
}

export const clientFlags = Buffer.from([0, 0, 0, nbd.NBD_FLAG_C_FIXED_NEWSTYLE | nbd.NBD_FLAG_C_NO_ZEROES])

/** The bytes of a stream up to the transmission phase. */
export const opening = (name: string, isStructured: boolean): Buffer =>
  Buffer.concat([
    clientFlags,
    ...(isStructured ? [optionBytes(nbd.NBD_OPT_STRUCTURED_REPLY)] : []),
    optionBytes(nbd.NBD_OPT_GO, goData(name)),
  ])

export class WireClient implements Disposable {
  readonly socket: Socket
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>
  #received = Buffer.alloc(0)
  #wanted: { length: number; resolve: (bytes: Buffer) => void; reject: (error: Error) => void } | undefined
  readonly #replies = new Map<bigint, { resolve: (reply: Reply) => void; length: number }>()
  #cookie = 0n
  #isClosed = false

  constructor(where: Where) {
    this.socket = connect(where)
    this.socket.on('error', () => {}) // 'close' follows
    this.socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#serve()
    })
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        this.#isClosed = true
        this.#wanted?.reject(new Error('the server has closed the connection'))
        resolve()
      })
    })
  }

  /** A connection with an export opened. */
  static async open(where: Where, name: string): Promise<WireClient> {
    const client = new WireClient(where)
    client.socket.write(opening(name, false))
    await client.take(18)
    for (;;) {
      const head = await client.take(20)
      await client.take(head.readUInt32BE(16))
      const type = head.readUInt32BE(12)
      if (type === nbd.NBD_REP_ACK) break
      if (type !== nbd.NBD_REP_INFO) throw new Error(`the server replied 0x${type.toString(16)}`)
    }
    void client.#readReplies()
    return client
  }

  /** The next bytes from the server. */
  take(length: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        reject(new Error('the server has closed the connection'))
        return
      }
      this.#wanted = { length, resolve, reject }
      this.#serve()
    })
  }

  request(type: number, offset: number, length: number, flags = 0, payload?: Uint8Array): Promise<Reply> {
    const cookie = this.#cookie++
    const reply = new Promise<Reply>((resolve, reject) => {
      this.#replies.set(cookie, { resolve, length: type === nbd.NBD_CMD_READ ? length : 0 })
      void this.closed.then(() => {
        reject(new Error('the server has closed the connection'))
      })
    })
    reply.catch(() => {}) // a test may ignore it
    this.socket.write(requestBytes(type, Number(cookie), offset, length, flags, payload))
    return reply
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const { error, data } = await this.request(nbd.NBD_CMD_READ, offset, length)
    if (error !== 0) throw new Error(`read: error ${error}`)
    return data
  }

  async write(offset: number, bytes: Uint8Array, flags = 0): Promise<void> {
    const { error } = await this.request(nbd.NBD_CMD_WRITE, offset, bytes.length, flags, bytes)
    if (error !== 0) throw new Error(`write: error ${error}`)
  }

  async flush(): Promise<void> {
    const { error } = await this.request(nbd.NBD_CMD_FLUSH, 0, 0)
    if (error !== 0) throw new Error(`flush: error ${error}`)
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }

  async #readReplies(): Promise<void> {
    try {
      for (;;) {
        const head = await this.take(16)
        const cookie = head.readBigUInt64BE(8)
        const waiting = this.#replies.get(cookie)
        if (head.readUInt32BE(0) !== nbd.NBD_SIMPLE_REPLY_MAGIC || waiting === undefined)
          throw new Error(`no reply: ${head.toString('hex')}`)
        this.#replies.delete(cookie)
        const error = head.readUInt32BE(4)
        const data = error === 0 && waiting.length > 0 ? await this.take(waiting.length) : Buffer.alloc(0)
        waiting.resolve({ error, data })
      }
    } catch {
      this.socket.destroy()
    }
  }

  #serve(): void {
    const wanted = this.#wanted
    if (wanted === undefined || this.#received.length < wanted.length) return
    this.#wanted = undefined
    const bytes = this.#received.subarray(0, wanted.length)
    this.#received = this.#received.subarray(wanted.length)
    wanted.resolve(bytes)
  }
}
