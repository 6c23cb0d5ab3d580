/** Where the monitor of a cache (`dcache/monitor`) listens, as users write it. */
import type { RequestOptions } from 'node:http'

/** Where a monitor listens. */
export interface MonitorAddress {
  /** For messages. */
  readonly text: string
  readonly isSocket: boolean
  readonly request: RequestOptions
  /** Put before the path that is asked for; ends in a slash. */
  readonly prefix: string
}

/** A failure in words for the user. */
export class MonitorError extends Error {
  override readonly name = 'MonitorError'
}

const HOST_PORT = /^(\[[\da-f:.]+\]|[^/:[\]\s]+):(\d+)$/i
/** What a user may have copied from a browser with the address. */
const KNOWN_PATHS = /\/(stats|events|metrics|pool|trace)$/

/**
 * Parses `http://host:port`, `host:port`, a port of this machine, or the path of a Unix socket.
 * @throws a MonitorError that says what it may be
 */
export function parseAddress(text: string): MonitorAddress {
  if (/^\d+$/.test(text)) return ofHost('127.0.0.1', text, text)
  const [, host, port] = HOST_PORT.exec(text) ?? []
  if (host !== undefined) return ofHost(host, port!, text)
  if (/^unix:/i.test(text)) return ofSocket(text.slice('unix:'.length), text)
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(text)) return ofUrl(text)
  return ofSocket(text, text)
}

function ofUrl(text: string): MonitorAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http+unix:') return ofSocket(decoded(url.hostname + url.pathname), text)
  if (url?.protocol !== 'http:') refuse(text, 'is no http:// URL')
  const path = url.pathname.replace(KNOWN_PATHS, '/')
  return { ...ofHost(url.hostname, url.port || '80', text), prefix: path.endsWith('/') ? path : `${path}/` }
}

/** The path of a socket that is percent-encoded in a URL. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path.replace(/\/$/, ''))
  } catch {
    return ''
  }
}

function ofHost(host: string, port: string, text: string): MonitorAddress {
  if (!(Number(port) >= 1 && Number(port) <= 65_535)) refuse(text, 'has no port from 1 to 65535')
  // An address of IPv6 has brackets in a URL only.
  const request = { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
  return { text: `${host}:${port}`, isSocket: false, request, prefix: '/' }
}

function ofSocket(path: string, text: string): MonitorAddress {
  if (path === '' || path.includes('\0')) refuse(text, 'names no monitor')
  return { text: path, isSocket: true, request: { socketPath: path }, prefix: '/' }
}

function refuse(text: string, why: string): never {
  throw new MonitorError(
    `'${text}' ${why}: give http://HOST:PORT, HOST:PORT, a port of this machine, or the path of a Unix socket`,
  )
}
