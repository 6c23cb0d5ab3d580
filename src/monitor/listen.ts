/**
 * Makes a server listen on a port or a Unix socket. Nothing of it keeps the process alive once it listens.
 */
import type { Server } from 'node:http'
import type { AddressInfo, ListenOptions } from 'node:net'
import { resolve } from 'node:path'
import { listenUnix } from '../net/unix-listener.js'
import { CacheError } from '../shared/errors.js'
import type { Where } from './options.js'

export interface Place {
  /** `http://127.0.0.1:9000/`; of a socket `http+unix://` and its path, percent-encoded. */
  readonly url: string
  /** The address that it is bound to; undefined for a socket. */
  readonly address: string | undefined
  /** Removes the name of a socket. */
  readonly remove: () => Promise<void>
}

/** @throws ERR_DCACHE_LISTEN */
export async function listen(server: Server, where: Where): Promise<Place> {
  if (where.port === undefined) return await onSocket(server, resolve(where.socket))
  const { port, host } = where
  try {
    await listening(server, { port, host, exclusive: true })
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const advice = ADVICE[code ?? ''] ?? 'take another port or host'
    throw cannot(`host ${host}, port ${port}: ${message}; ${advice}`, cause)
  }
  const { address, family, port: bound } = server.address() as AddressInfo
  const inUrl = family === 'IPv6' ? `[${address}]` : address
  return { url: `http://${inUrl}:${bound}/`, address, remove: () => Promise.resolve() }
}

async function onSocket(server: Server, path: string): Promise<Place> {
  try {
    const listener = await listenUnix(path, 'socket', (options) => listening(server, options))
    try {
      listener.publish()
    } catch (error) {
      listener.release()
      await listener.remove()
      throw error
    }
    return {
      url: `http+unix://${encodeURIComponent(path)}/`,
      address: undefined,
      remove: () => listener.remove(),
    }
  } catch (cause) {
    throw cannot(`${(cause as Error).message}; take another path, or stop what is in the way`, cause)
  }
}

const cannot = (message: string, cause: unknown): CacheError =>
  new CacheError('ERR_DCACHE_LISTEN', `the monitor cannot listen: ${message}`, { cause })

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there: take another port, or 0 for any free one',
  EACCES: 'the system does not allow this port: take one from 1024 on, or 0',
  EADDRNOTAVAIL: 'it is no address of this machine: take another host',
  ENOTFOUND: 'the host is not known: give an address of this machine',
}

function listening(server: Server, options: ListenOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options, () => {
      server.off('error', reject)
      server.unref()
      resolve(server)
    })
  })
}
