/** One answer of the monitor of a cache (`dcache/monitor`). Every failure is a `MonitorError` in words for the user. */
import { type Agent, type ClientRequest, get, type RequestOptions } from 'node:http'
import { type MonitorAddress, MonitorError } from './monitor-address.js'

export interface MonitorAnswer {
  readonly status: number
  /** The media type, without parameters. */
  readonly type: string
  readonly body: string
}

export interface GetOptions {
  readonly signal?: AbortSignal | undefined
  /** Milliseconds that the whole answer may take; with `isSilence`, that pass without a part of it. */
  readonly timeoutMs: number
  readonly isSilence?: boolean
  /** Limit of the answer in bytes. */
  readonly bytesMax: number
  /** Keeps the connection for the next request. */
  readonly agent?: Agent
}

/** What the monitor answers to a path without a slash at its beginning. Rejects with a MonitorError, or the reason of the signal. */
export function getFrom(
  address: MonitorAddress,
  path: string,
  options: GetOptions,
  isRetry = false,
): Promise<MonitorAnswer> {
  const { signal, timeoutMs, isSilence = false, bytesMax, agent } = options
  return new Promise((resolve, reject) => {
    const request: ClientRequest = get(requestOf(address, path, options), (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        if (isSilence) timer.refresh()
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes > bytesMax) request.destroy(foreign(address, `its answer has more than ${bytesMax} bytes`))
      })
      response.once('error', fail)
      response.once('end', () => {
        clearTimeout(timer)
        const { statusCode: status = 0, headers } = response
        const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
        resolve({ status, type, body: Buffer.concat(chunks).toString() })
      })
    })
    // A timer and not the timeout of the socket, which an answer in drops would put off for ever.
    const timer = setTimeout(() => {
      const how = isSilence ? 'for' : 'within'
      request.destroy(new MonitorError(`${address.text} has not answered ${how} ${timeoutMs / 1000} s`))
    }, timeoutMs)
    const fail = (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      // The monitor may close an idle connection at the moment when it is used again.
      if (error.code === 'ECONNRESET' && agent !== undefined && request.reusedSocket && !isRetry)
        resolve(getFrom(address, path, options, true))
      else if (signal?.aborted === true) reject(signal.reason as Error)
      else reject(error instanceof MonitorError ? error : inWords(address, error))
    }
    request.once('error', fail)
  })
}

function requestOf(address: MonitorAddress, path: string, { signal, agent }: GetOptions): RequestOptions {
  return {
    ...address.request,
    path: address.prefix + path,
    agent: agent ?? false,
    // A monitor refuses a host that it does not know; a socket has none.
    headers: { accept: 'application/json', ...(address.isSocket && { host: 'localhost' }) },
    ...(signal && { signal }),
  }
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
