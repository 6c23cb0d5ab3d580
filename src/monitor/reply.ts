/**
 * An answer to a request, and how it is sent: whole, with its length, and with headers that keep it out of caches and of
 * the hands of other sites.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

export interface Reply {
  readonly status: number
  readonly type: string
  readonly body: string | Buffer
  readonly headers?: Readonly<Record<string, string>>
}

export const textReply = (status: number, text: string, headers: Reply['headers'] = {}): Reply => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${text}\n`,
  headers,
})

export const jsonReply = (value: unknown): Reply => ({
  status: 200,
  type: 'application/json',
  body: JSON.stringify(value),
})

/** Headers of every answer, also of a stream of events. */
export function protect(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('cache-control', 'no-store')
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('referrer-policy', 'no-referrer')
  response.setHeader('cross-origin-resource-policy', 'same-origin')
  // A body is never read: the connection ends with the answer.
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
  if (length !== '0' || encoding !== undefined) response.setHeader('connection', 'close')
}

/** Of a HEAD request Node sends the headers alone. */
export function send(response: ServerResponse, { status, type, body, headers = {} }: Reply): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    ...headers,
  })
  response.end(body)
}
