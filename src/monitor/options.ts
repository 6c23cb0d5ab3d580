/** The options of `monitor()`, and checks of them. What is refused is ERR_DCACHE_BAD_OPTION, and nothing listens by then. */
import { basename } from 'node:path'
import { refuse, show } from '../shared/values.js'

export interface MonitorOptions {
  /** A TCP port, 0 for any free one. Give this or `socket`. */
  readonly port?: number
  /** The path of a Unix socket. A stale one is replaced; one that a server listens on is refused. */
  readonly socket?: string
  /**
   * The address to listen on, with `port`. Default: 127.0.0.1, which only this machine reaches. There are no passwords:
   * whatever reaches the address sees all statistics.
   */
  readonly host?: string
  /** What viewers show as the title, 1 to 200 characters. Default: the name of the program's file. */
  readonly name?: string
}

/** Where a monitor listens. */
export type Where =
  { readonly port: number; readonly host: string } | { readonly port: undefined; readonly socket: string }

const NAME_MAX = 200
const HOST = '127.0.0.1'

/** @throws ERR_DCACHE_BAD_OPTION */
export function parseOptions(options: MonitorOptions): { readonly where: Where; readonly name: string } {
  if (typeof options !== 'object' || (options as unknown) === null)
    refuse(`the options are ${show(options)}; they must be an object with port or socket`)
  const { name = basename(process.argv[1] ?? 'node') } = options
  if (typeof name !== 'string' || name.length === 0 || name.length > NAME_MAX)
    refuse(`name is ${show(name)}; it must be a string of 1 to ${NAME_MAX} characters`)
  return { where: whereOf(options), name }
}

function whereOf({ port, socket, host }: MonitorOptions): Where {
  if ((port === undefined) === (socket === undefined))
    refuse(`port is ${show(port)} and socket is ${show(socket)}; give one of them`)
  if (port !== undefined) {
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      refuse(`port is ${show(port)}; it must be a whole number from 0 to 65535`)
    if (host !== undefined && (typeof host !== 'string' || host === ''))
      refuse(`host is ${show(host)}; it must be an address of this machine, such as '${HOST}'`)
    return { port, host: host ?? HOST }
  }
  if (typeof socket !== 'string' || socket === '' || socket.includes('\0'))
    refuse(`socket is ${show(socket)}; it must be the path of a Unix socket`)
  if (host !== undefined) refuse(`host is ${show(host)}, but a socket has none; leave it out, or give a port`)
  return { port: undefined, socket }
}
