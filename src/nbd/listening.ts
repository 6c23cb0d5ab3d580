/**
 * One listening socket of the launcher: what its users may do with it, and how it is bound.
 */
import { createServer, type ListenOptions, type Server } from 'node:net'

export interface Listener {
  readonly descriptor: number
  /** For people. */
  readonly name: string
  /** The server is ready: the name may be found. @throws with a message for the user if it is not free any more */
  publish(): void
  /** The server has its own copies. May be called again. */
  release(): void
  /** The server is gone, or could not begin: so is the name. */
  remove(): Promise<void>
}

/**
 * Bound and listening. A connection that is accepted before the descriptor is passed on is closed, so the time until then
 * has to be short.
 */
export function listening(options: ListenOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ pauseOnConnect: true }, (socket) => socket.destroy())
    server.once('error', reject)
    server.listen(options, () => {
      resolve(server)
    })
  })
}

/** Node has no public name for it. */
export function descriptorOf(server: Server): number {
  const { _handle } = server as Server & { _handle?: { fd?: number } }
  const fd = _handle?.fd
  if (fd === undefined || fd < 0) throw new Error('the system gave no descriptor for a listening socket')
  return fd
}
