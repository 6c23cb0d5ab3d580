/**
 * Listening sockets, bound by the launcher and never accepted from: it only passes their descriptors on. A Unix socket is
 * bound beside its name and renamed when the server is ready, so that whoever finds the name is served.
 */
import { lstatSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type ListenOptions, type Server } from 'node:net'

export interface Listener {
  readonly descriptor: number
  /** For people. */
  readonly name: string
  /** The server is ready: the name may be found. */
  publish(): void
  /** The server has its own copies. */
  release(): void
  /** The server is gone: so is the name. */
  remove(): void
}

export interface Listening {
  readonly unix: string | undefined
  readonly port: number | undefined
  readonly host: string
}

const LISTEN_FDS_START = 3

/** Those that were asked for, or those that systemd brings. @throws with a message for the user */
export async function openListeners({ unix, port, host }: Listening): Promise<Listener[]> {
  const listeners = systemdListeners()
  if (listeners.length > 0) {
    if (unix === undefined && port === undefined) return listeners
    throw new Error('systemd brings the sockets (LISTEN_FDS): --unix and --port have no place then')
  }
  if (unix !== undefined) listeners.push(await listenUnix(unix))
  if (port !== undefined) listeners.push(await listenTcp(port, host))
  if (listeners.length === 0) throw new Error('say where clients connect: --unix SOCKET or --port NUMBER')
  return listeners
}

/** Socket activation: sd_listen_fds(3). */
function systemdListeners(): Listener[] {
  const { LISTEN_PID, LISTEN_FDS } = process.env
  if (Number(LISTEN_PID) !== process.pid) return []
  return Array.from({ length: Number(LISTEN_FDS) }, (_, i) => ({
    descriptor: LISTEN_FDS_START + i,
    name: `systemd's socket ${i}`,
    publish: () => undefined,
    release: () => undefined,
    remove: () => undefined,
  }))
}

async function listenTcp(port: number, host: string): Promise<Listener> {
  const server = await listening({ port, host })
  const address = server.address() as { address: string; port: number }
  return {
    descriptor: descriptorOf(server),
    name: `${address.address}, port ${address.port}`,
    publish: () => undefined,
    release: () => server.close(),
    remove: () => undefined,
  }
}

async function listenUnix(path: string): Promise<Listener> {
  await assertFree(path)
  const bound = `${path}.${process.pid}.bound`
  const waiting = `${path}.${process.pid}.new`
  rmSync(bound, { force: true })
  const server = await listening({ path: bound })
  // Closing the server removes the name that it was bound to.
  renameSync(bound, waiting)
  let current = waiting
  return {
    descriptor: descriptorOf(server),
    name: path,
    publish() {
      renameSync(waiting, path)
      current = path
    },
    release: () => server.close(),
    remove() {
      rmSync(current, { force: true })
    },
  }
}

/** A socket that nobody listens to any more may be replaced; anything else may not. */
async function assertFree(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new Error(`${path} exists and is no socket`)
  const isLive = await new Promise<boolean>((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
  if (isLive) throw new Error(`a server is there already: ${path} answers`)
}

/** Bound and listening. Nothing is accepted as long as this turn of the event loop lasts: who gets it closes it in time. */
function listening(options: ListenOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ pauseOnConnect: true }, (socket) => socket.destroy())
    server.once('error', reject)
    server.listen(options, () => {
      resolve(server)
    })
  })
}

/** Node has no public name for it. */
function descriptorOf(server: Server): number {
  const { _handle } = server as Server & { _handle?: { fd?: number } }
  const fd = _handle?.fd
  if (fd === undefined || fd < 0) throw new Error('the system gave no descriptor for a listening socket')
  return fd
}
