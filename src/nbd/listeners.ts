/**
 * Listening sockets. The launcher binds them and passes on their descriptors; it does not serve connections itself.
 */
import { fstatSync } from 'node:fs'
import { descriptorOf, type Listener, listening } from '../net/listening.js'
import { listenUnix } from '../net/unix-listener.js'

export interface Listening {
  readonly unix: string | undefined
  readonly port: number | undefined
  readonly host: string
}

const LISTEN_FDS_START = 3

/** Opens the requested sockets, or takes those of systemd. @throws with a message for the user, and leaves none open */
export async function openListeners({ unix, port, host }: Listening): Promise<Listener[]> {
  const listeners = systemdListeners()
  if (listeners.length > 0) {
    if (unix === undefined && port === undefined) return listeners
    throw new Error('systemd passes the sockets (LISTEN_FDS): remove --unix and --port')
  }
  if (unix === undefined && port === undefined)
    throw new Error('no socket to listen on: give --unix SOCKET or --port NUMBER')
  try {
    if (unix !== undefined) listeners.push(await listenUnix(unix))
    // Last: clients may know the port, and this process closes their connections until the engine has the descriptors.
    if (port !== undefined) listeners.push(await listenTcp(port, host))
  } catch (error) {
    await closeListeners(listeners)
    throw error
  }
  return listeners
}

/** Closes the sockets and removes their names from the file system. */
export async function closeListeners(listeners: readonly Listener[]): Promise<void> {
  for (const listener of listeners) {
    listener.release()
    await listener.remove()
  }
}

/** The sockets of systemd's socket activation; see sd_listen_fds(3). */
function systemdListeners(): Listener[] {
  const { LISTEN_PID, LISTEN_FDS } = process.env
  if (Number(LISTEN_PID) !== process.pid) return []
  return Array.from({ length: Number(LISTEN_FDS) }, (_, i) => {
    const descriptor = LISTEN_FDS_START + i
    if (!isSocket(descriptor)) throw new Error(`descriptor ${descriptor} of LISTEN_FDS is no socket`)
    return {
      descriptor,
      name: `systemd's socket ${i}`,
      publish: () => undefined,
      release: () => undefined,
      remove: () => Promise.resolve(),
    }
  })
}

function isSocket(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isSocket()
  } catch {
    return false
  }
}

async function listenTcp(port: number, host: string): Promise<Listener> {
  const server = await listening({ port, host, exclusive: true })
  const address = server.address() as { address: string; port: number }
  return {
    descriptor: descriptorOf(server),
    name: `${address.address}, port ${address.port}`,
    publish: () => undefined,
    release: () => server.close(),
    remove: () => Promise.resolve(),
  }
}
