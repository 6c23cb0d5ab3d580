/**
 * The monitor's server: its paths, and its life.
 *
 *   listening --close()--> ended
 *       '--the cache is closed, its owner's thread has ended, or this thread detaches--> a last sample and event, ended
 *
 * Nothing of it keeps the process alive: a program that has closed its cache can end while viewers are connected.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { CacheError } from '../shared/errors.js'
import type { CacheClient } from '../shared/interface.js'
import { CacheEventLog } from './cache-events.js'
import { type Document, readDocument } from './document.js'
import { refusalOf } from './guard.js'
import { listen, type Place } from './listen.js'
import { MetricsRoute } from './metrics-route.js'
import type { Where } from './options.js'
import type { MonitorSample } from './protocol.js'
import { jsonReply, protect, type Reply, send, textReply } from './reply.js'
import { sampleOf } from './sample.js'
import { stateOf } from './state.js'
import { traceReply } from './trace-route.js'
import { Viewers } from './viewers.js'

/** What tests make smaller. */
export interface Limits {
  readonly viewersMax: number
  /** Between two samples. */
  readonly intervalMs: number
  /** A connection that takes nothing of what it was sent for this long is closed. */
  readonly stallMs: number
}

export const LIMITS: Limits = { viewersMax: 256, intervalMs: 1000, stallMs: 30_000 }
/** Connections that are not viewers, beyond the limit of those. More are closed. */
const OTHERS_MAX = 256
/** How long connections have to take the last bytes. */
const GOODBYE_MS = 500
/** How often to look whether the cache has ended, where no channel tells. */
const LOOK_MS = 1000

const PATHS = ['/', '/stats', '/events', '/metrics', '/pool?cells=N', '/trace?seconds=N']

export class MonitorServer {
  readonly #cache: CacheClient
  readonly #name: string
  readonly #document: Document
  readonly #server: Server
  readonly #events: CacheEventLog
  readonly #viewers: Viewers
  readonly #metrics: MetricsRoute
  #place: Place | undefined
  #watch: NodeJS.Timeout | undefined
  #ended: Promise<void> | undefined

  /** @throws ERR_DCACHE_UNSUPPORTED */
  constructor(cache: CacheClient, name: string, limits: Limits = LIMITS) {
    this.#cache = cache
    this.#name = name
    this.#document = readDocument()
    this.#metrics = new MetricsRoute(cache)
    this.#viewers = new Viewers({
      ...limits,
      sample: () => this.#sample(),
      eventsAfter: (number) => this.#events.after(number),
    })
    this.#events = new CacheEventLog(cache, ({ name }) => {
      this.#viewers.tell()
      if (name === 'closed') void this.end()
    })
    this.#server = createServer((request, response) => void this.#answer(request, response))
    this.#server.maxConnections = limits.viewersMax + OTHERS_MAX
    this.#server.timeout = limits.stallMs
    this.#server.on('connection', (socket) => socket.unref())
  }

  /** @throws ERR_DCACHE_LISTEN */
  async listen(where: Where): Promise<string> {
    try {
      this.#place = await listen(this.#server, where)
    } catch (error) {
      this.#events.end()
      throw error
    }
    this.#watch = setInterval(this.#look, LOOK_MS).unref()
    this.#look()
    return this.#place.url
  }

  /** How many viewers of `/events` there are. */
  get viewers(): number {
    return this.#viewers.count
  }

  /** Resolves when nothing listens any more and all connections are closed. A second call returns the same promise. */
  end(): Promise<void> {
    this.#ended ??= this.#end()
    return this.#ended
  }

  async #end(): Promise<void> {
    clearInterval(this.#watch)
    await this.#viewers.end()
    this.#events.end()
    this.#metrics.end()
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => {
      this.#server.closeAllConnections()
    }, GOODBYE_MS)
    await this.#place?.remove().catch(() => undefined)
    await closed
    clearTimeout(timer)
  }

  readonly #look = (): void => {
    const state = stateOf(this.#cache)
    if (state !== 'closed' && state !== 'orphaned' && state !== 'detached') return
    this.#events.add(state)
    void this.end()
  }

  async #sample(): Promise<MonitorSample> {
    const sample = await sampleOf(this.#cache, this.#name)
    this.#events.look(sample)
    return sample
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined) // the connection is gone
    protect(request, response)
    try {
      const reply = await this.#reply(request, response)
      if (reply !== undefined) send(response, reply)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (response.headersSent) response.destroy()
      else if (code === 'ERR_DCACHE_BAD_OPTION') send(response, textReply(400, message))
      else send(response, textReply(500, `the monitor failed: ${message}`))
    }
  }

  /** Undefined if the response is a stream by now. */
  async #reply(request: IncomingMessage, response: ServerResponse): Promise<Reply | undefined> {
    const { method, url = '/' } = request
    const refusal = refusalOf(request, this.#place?.address)
    if (refusal !== undefined) return textReply(403, refusal)
    if (method !== 'GET' && method !== 'HEAD')
      return textReply(405, 'the monitor only answers GET and HEAD', { allow: 'GET, HEAD' })
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
    switch (path) {
      case '/':
        return this.#page()
      case '/stats':
        return jsonReply(await this.#sample())
      case '/events':
        return this.#stream(request, response)
      case '/metrics':
        return await this.#metrics.reply(request.headers.accept)
      case '/pool':
        return jsonReply(this.#cache.poolMap(cellsOf(query)))
      case '/trace':
        return traceReply(this.#cache, query)
      default:
        return textReply(404, `there is nothing at this path; there are ${PATHS.join(', ')}`)
    }
  }

  #page(): Reply {
    const { body, policy } = this.#document
    const headers = { 'content-security-policy': policy }
    return { status: 200, type: 'text/html; charset=utf-8', body, headers }
  }

  #stream(request: IncomingMessage, response: ServerResponse): Reply | undefined {
    if (this.#ended !== undefined) throw new CacheError('ERR_DCACHE_CLOSED', 'the monitor is closed')
    if (request.method === 'HEAD') return { status: 200, type: 'text/event-stream; charset=utf-8', body: '' }
    if (this.#viewers.isFull)
      return textReply(503, `there are ${this.#viewers.count} viewers already, which is the limit`, {
        'retry-after': '5',
      })
    this.#viewers.add(request, response)
    return undefined
  }
}

/** @throws ERR_DCACHE_BAD_OPTION; the rest is checked by the cache */
function cellsOf(query: URLSearchParams): { cells?: number } {
  const text = query.get('cells')
  if (text === null) return {}
  return { cells: /^\d{1,9}$/.test(text) ? Number(text) : NaN }
}
