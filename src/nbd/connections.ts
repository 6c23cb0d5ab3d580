/**
 * The connections of one thread. A new one is a guest in the lobby until it has chosen an export and taken a place. A
 * connection that is closed is kept until the last of its requests has been served, because the thread must not detach from
 * the cache before.
 *
 *   accept --> open (guest, then client) --closed, idle--> forgotten
 *                      +--closed, still being served--> unfinished --idle--> forgotten
 */
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { Connection, type ConnectionContext } from './connection.js'
import { Lobby } from './lobby.js'
import { entry } from './log.js'

/**
 * Connections that have not chosen an export: at least this many, and at least the client limit, so that all clients may
 * connect at once.
 */
const LOBBY_MIN = 64
const INSPECT_MS = 250
const STOPS = 'the server is stopping'
const REMOVED = 'the export was removed'

export class Connections {
  readonly #context: ConnectionContext
  readonly #thread: number
  readonly #counted: (open: number) => void
  readonly #lobby: Lobby
  readonly #open = new Set<Connection>()
  readonly #unfinished = new Set<Connection>()
  /** Called with each connection that is closed. */
  readonly #watchers = new Set<(closed: Connection) => void>()
  readonly #timer: NodeJS.Timeout
  #accepted = 0
  #whenGone: (() => void) | undefined

  /** `counted` is called whenever the number of open connections has changed. */
  constructor(context: ConnectionContext, thread: number, counted: (open: number) => void = () => undefined) {
    this.#context = context
    this.#thread = thread
    this.#counted = counted
    this.#lobby = new Lobby(Math.max(LOBBY_MIN, context.places.most))
    this.#timer = setInterval(() => {
      this.#inspect()
    }, INSPECT_MS).unref()
  }

  get open(): number {
    return this.#open.size
  }

  /** Serves a connection, unless all places are taken. The socket must not have been read from. */
  accept(socket: Socket): void {
    const name = `${this.#thread}.${++this.#accepted}`
    if (this.#whenGone !== undefined || this.#context.places.areTaken) this.#refuse(socket, name)
    else this.#lobby.enter(this.#speakWith(socket, name))
  }

  /** Lets every connection finish the requests that are being served. Resolves when none is left. */
  stop(): Promise<void> {
    // Requests of closed connections may be all that is left, and they keep no event loop alive.
    this.#timer.ref()
    return new Promise((resolve) => {
      this.#whenGone = () => {
        clearInterval(this.#timer)
        resolve()
      }
      for (const connection of this.#open) connection.stop(STOPS)
      this.#leaveIfDone()
    })
  }

  /**
   * Lets the connections with an export finish the requests that are being served, and drops those that are not done at the
   * deadline. Resolves when none is left. @requires that no client can open the export
   */
  async end(exportName: string, deadlineMs: number): Promise<void> {
    const left = new Set([...this.#open].filter((connection) => connection.exportName === exportName))
    if (left.size === 0) return
    const timer = setTimeout(() => {
      for (const connection of left) connection.drop(`${REMOVED}, and the peer did not leave in time`)
    }, deadlineMs)
    await new Promise<void>((resolve) => {
      const watch = (closed: Connection) => {
        left.delete(closed)
        if (left.size > 0) return
        this.#watchers.delete(watch)
        resolve()
      }
      this.#watchers.add(watch)
      for (const connection of left) connection.stop(REMOVED)
    })
    clearTimeout(timer)
  }

  #refuse(socket: Socket, name: string): void {
    const { most } = this.#context.places
    const reason =
      this.#whenGone === undefined
        ? `${most} clients are connected, the limit of connections`
        : 'the server stops'
    this.#context.log(
      entry('warn', 'refused', `connection ${name} was refused: ${reason}`, {
        connection: name,
        connectionsMax: most,
      }),
    )
    socket.on('error', () => undefined)
    socket.destroy()
  }

  #speakWith(socket: Socket, name: string): Connection {
    const connection: Connection = new Connection(
      socket,
      name,
      this.#context,
      () => {
        this.#lobby.left(connection)
      },
      () => {
        this.#open.delete(connection)
        if (connection.isServing) this.#unfinished.add(connection)
        this.#counted(this.open)
        this.#lobby.left(connection)
        for (const watch of this.#watchers) watch(connection)
        this.#leaveIfDone()
      },
    )
    this.#open.add(connection)
    this.#counted(this.open)
    return connection
  }

  #inspect(): void {
    const nowMs = performance.now()
    for (const connection of this.#open) connection.inspect(nowMs)
    for (const connection of this.#unfinished) if (!connection.isServing) this.#unfinished.delete(connection)
    this.#leaveIfDone()
  }

  #leaveIfDone(): void {
    if (this.#open.size > 0 || this.#unfinished.size > 0) return
    this.#whenGone?.()
  }
}
