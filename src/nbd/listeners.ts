/**
 * Listening sockets, bound by the launcher and never accepted from: it only passes their descriptors on.
 */
import { fstatSync } from 'node:fs'
import { descriptorOf, type Listener, listening } from './listening.js'
import { listenUnix } from './unix-listener.js'

export interface Listening {
  readonly unix: string | undefined
  readonly port: number | undefined
  readonly host: string
}

const LISTEN_FDS_START = 3

/** Those that were asked for, or those that systemd brings. @throws with a message for the user; nothing is left then */
export async function openListeners({ unix, port, host }: Listening): Promise<Listener[]> {
  const listeners = systemdListeners()
  if (listeners.length > 0) {
    if (unix === undefined && port === undefined) return listeners
    throw new Error('systemd brings the sockets (LISTEN_FDS): --unix and --port have no place then')
  }
  if (unix === undefined && port === undefined)
    throw new Error('say where clients connect: --unix SOCKET or --port NUMBER')
  try {
    if (unix !== undefined) listeners.push(await listenUnix(unix))
    // Last: clients may know the port, and connections are closed until the descriptors are passed on.
    if (port !== undefined) listeners.push(await listenTcp(port, host))
  } catch (error) {
    await closeListeners(listeners)
    throw error
  }
  return listeners
}

/** Closes them, and removes what they have left in the file system. */
export async function closeListeners(listeners: readonly Listener[]): Promise<void> {
  for (const listener of listeners) {
    listener.release()
    await listener.remove()
  }
}

/** Socket activation: sd_listen_fds(3). */
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
