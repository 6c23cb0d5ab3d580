/**
 * A client of the monitor of a cache (`dcache/monitor`): where it listens, as users write it, and one answer. Every failure is a
 * `MonitorError` in words for the user.
 */
import { get, type RequestOptions } from 'node:http'

/** How long the monitor may be silent. It makes a trace of a large recorder in some seconds. */
const SILENCE_MS = 30_000
/** Limit of an answer; a string of JavaScript can hardly be longer. */
const ANSWER_BYTES_MAX = 400 * 2 ** 20

/** Where a monitor listens. */
export interface MonitorAddress {
  /** For messages. */
  readonly text: string
  readonly isSocket: boolean
  readonly request: RequestOptions
  /** Put before the path that is asked for; ends in a slash. */
  readonly prefix: string
}

export interface MonitorAnswer {
  readonly status: number
  /** The media type, without parameters. */
  readonly type: string
  readonly body: string
}

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

/**
 * What the monitor answers to a path, without a slash at its beginning. Rejects with a MonitorError, or with the reason of the
 * signal.
 */
export function getFrom(
  address: MonitorAddress,
  path: string,
  signal: AbortSignal,
  silenceMs = SILENCE_MS,
): Promise<MonitorAnswer> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      clearTimeout(timer)
      if (signal.aborted) reject(signal.reason as Error)
      else reject(error instanceof MonitorError ? error : inWords(address, error))
    }
    const headers = { accept: 'application/json', host: 'localhost' }
    const options: RequestOptions = {
      ...address.request,
      path: address.prefix + path,
      agent: false,
      signal,
      // A server may refuse a host that it does not know; a socket has none.
      headers: address.isSocket ? headers : { accept: headers.accept },
    }
    const request = get(options, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        timer.refresh()
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes > ANSWER_BYTES_MAX)
          request.destroy(
            new MonitorError(`the answer of ${address.text} has more than ${ANSWER_BYTES_MAX} bytes`),
          )
      })
      response.once('error', fail)
      response.once('end', () => {
        clearTimeout(timer)
        const { statusCode: status = 0, headers } = response
        const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
        resolve({ status, type, body: Buffer.concat(chunks).toString() })
      })
    })
    const timer = setTimeout(() => {
      request.destroy(new MonitorError(`${address.text} has not answered for ${silenceMs / 1000} s`))
    }, silenceMs)
    request.once('error', fail)
  })
}

/** The error for an answer that no monitor gives. */
export const foreign = (address: MonitorAddress, why: string): MonitorError =>
  new MonitorError(`what listens at ${address.text} is not the monitor of a dcache: ${why}`)

function inWords(address: MonitorAddress, error: NodeJS.ErrnoException): MonitorError {
  const { text, isSocket } = address
  const { code = '', message } = error
  const isThere = 'is the program running, and does it call monitor()?'
  const said = (words: string) => new MonitorError(words, { cause: error })
  if (code === 'ENOENT' && isSocket)
    return said(`there is no socket ${text}: ${isThere} A host needs its port: HOST:PORT`)
  if (code === 'ECONNREFUSED' && isSocket) return said(`nothing listens at the socket ${text}: ${isThere}`)
  if (code === 'ECONNREFUSED') return said(`nothing listens at ${text}: ${isThere}`)
  if (code === 'EACCES' || code === 'EPERM') return said(`no permission to connect to ${text}`)
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return said(`there is no host of the name in ${text} (${code})`)
  if (code === 'ECONNRESET' || code === 'EPIPE') return said(`${text} has closed the connection`)
  if (code.startsWith('HPE_')) return foreign(address, 'it does not speak HTTP')
  return said(`${text} cannot be reached: ${message}`)
}
