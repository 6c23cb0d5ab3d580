// The least client of the NBD protocol: one request at a time, on a Unix socket. Numbers on the wire are big-endian.

import net from 'node:net'
import { once } from 'node:events'

const CLIENT_FLAGS = 3 // fixed newstyle, no zeroes
const OPTION_MAGIC = 0x49484156454f5054n
const EXPORT_NAME = 1
const REQUEST_MAGIC = 0x25609513
const [READ, WRITE, DISCONNECT, FLUSH] = [0, 1, 2, 3]

/** Connects to an export of a server. */
export async function connect(path, name) {
  const socket = net.connect(path)
  await once(socket, 'connect')
  const ended = once(socket, 'end')
  ended.catch(() => {}) // an error of the socket reaches the call that waits

  /** The next bytes of the server. */
  async function receive(length) {
    for (;;) {
      const bytes = length === 0 ? Buffer.alloc(0) : socket.read(length)
      if (bytes?.length === length) return bytes
      if (bytes !== null || socket.readableEnded) throw new Error('the server closed the connection')
      await Promise.race([once(socket, 'readable'), ended])
    }
  }

  async function request(type, offset = 0, length = 0, payload = Buffer.alloc(0)) {
    const head = Buffer.alloc(28)
    head.writeUInt32BE(REQUEST_MAGIC, 0)
    head.writeUInt16BE(type, 6)
    head.writeBigUInt64BE(BigInt(offset), 16)
    head.writeUInt32BE(length, 24)
    socket.write(Buffer.concat([head, payload]))
    if (type === DISCONNECT) return undefined
    const error = (await receive(16)).readUInt32BE(4)
    if (error !== 0) throw new Error(`the server answered with error ${error}`)
    return receive(type === READ ? length : 0)
  }

  await receive(18) // the greeting
  const option = Buffer.alloc(20)
  option.writeUInt32BE(CLIENT_FLAGS, 0)
  option.writeBigUInt64BE(OPTION_MAGIC, 4)
  option.writeUInt32BE(EXPORT_NAME, 12)
  option.writeUInt32BE(Buffer.byteLength(name), 16)
  socket.write(Buffer.concat([option, Buffer.from(name)]))
  const answer = await receive(10)

  return {
    size: Number(answer.readBigUInt64BE(0)),
    read: (length, offset) => request(READ, offset, length),
    write: (bytes, offset) => request(WRITE, offset, bytes.length, bytes),
    flush: () => request(FLUSH),
    /** Resolves when the server has closed the connection too. */
    async close() {
      await request(DISCONNECT)
      socket.end()
      socket.resume()
      await ended
    },
  }
}
