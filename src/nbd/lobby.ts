/**
 * Where a thread's connections are until they have chosen an export. Few are spoken with at a time, and these take no place
 * of the clients that are admitted. Others wait unheard. While some wait, a connection that takes longer than clients take
 * makes way, the oldest first: peers that open connections and leave them open keep no client out.
 *
 *   arrival --room--> inside --export chosen--> admitted
 *      |                |  ^
 *      |                |  +--room-- waiting
 *      |                +--over, closed, makes way--> gone
 *      +--no room--> waiting --no room--> refused
 */
import type { Socket } from 'node:net'

/** A handshake of a client takes milliseconds. */
const HASTE_MS = 1000

export interface Guest {
  readonly startMs: number
  drop(reason: string): void
}

export class Lobby {
  readonly #insideMax: number
  readonly #waitingMax: number
  readonly #begin: (socket: Socket) => Guest
  /** In the order of their coming. */
  readonly #inside = new Set<Guest>()
  readonly #waiting = new Map<Socket, { sinceMs: number; leave: () => void }>()

  /** `begin` starts to speak with a connection. */
  constructor(insideMax: number, waitingMax: number, begin: (socket: Socket) => Guest) {
    this.#insideMax = insideMax
    this.#waitingMax = waitingMax
    this.#begin = begin
  }

  /** False if the socket has to be refused. */
  enter(socket: Socket, nowMs: number): boolean {
    this.#makeWay(nowMs)
    if (this.#inside.size < this.#insideMax && this.#waiting.size === 0) {
      this.#inside.add(this.#begin(socket))
      return true
    }
    if (this.#waiting.size >= this.#waitingMax) return false
    const leave = () => this.#waiting.delete(socket)
    socket.pause()
    socket.on('error', leave).once('close', leave)
    this.#waiting.set(socket, { sinceMs: nowMs, leave })
    return true
  }

  /** The connection has an export, or is closed. */
  left(guest: Guest): void {
    if (this.#inside.delete(guest)) this.#fill()
  }

  /** Called now and then. Those that wait for too long are closed. */
  inspect(nowMs: number, handshakeMs: number): void {
    for (const [socket, { sinceMs }] of this.#waiting) if (nowMs - sinceMs > handshakeMs) socket.destroy()
    if (this.#waiting.size > 0) this.#makeWay(nowMs)
  }

  /** No more are spoken with. */
  close(): void {
    for (const socket of [...this.#waiting.keys()]) socket.destroy()
    this.#waiting.clear()
  }

  #makeWay(nowMs: number): void {
    if (this.#inside.size < this.#insideMax) return
    for (const guest of [...this.#inside].slice(0, Math.max(1, this.#waiting.size))) {
      if (nowMs - guest.startMs < HASTE_MS) return
      guest.drop(`it had chosen no export after ${HASTE_MS} ms, and others waited`)
    }
  }

  #fill(): void {
    while (this.#inside.size < this.#insideMax) {
      const next = this.#waiting.entries().next()
      if (next.done === true) return
      const [socket, { leave }] = next.value
      this.#waiting.delete(socket)
      socket.off('error', leave).off('close', leave)
      if (socket.destroyed) continue
      this.#inside.add(this.#begin(socket))
      socket.resume()
    }
  }
}
