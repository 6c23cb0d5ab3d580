/**
 * One listening socket: its interface, and how one is bound whose descriptor another process gets.
 */
import { createServer, type ListenOptions, type Server } from 'node:net'

export interface Listener {
  readonly descriptor: number
  /** For log lines. */
  readonly name: string
  /** Makes the name visible, once the server is ready. @throws with a message for the user if the name is taken */
  publish(): void
  /** Closes the descriptor, once the engine has its copies. May be called again. */
  release(): void
  /** Removes the name, once the server has ended or failed to start. */
  remove(): Promise<void>
}

/**
 * Binds and listens. This process closes the connections that arrive before the descriptor is passed on, so the caller
 * must pass it on soon.
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

/** The descriptor of a server; Node has no public interface for it. */
export function descriptorOf(server: Server): number {
  const { _handle } = server as Server & { _handle?: { fd?: number } }
  const fd = _handle?.fd
  if (fd === undefined || fd < 0) throw new Error('a listening socket has no descriptor')
  return fd
}
