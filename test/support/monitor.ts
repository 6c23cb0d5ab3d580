// Clients of the monitor: single requests, and a reader of its stream of events.

import { type IncomingHttpHeaders, request } from 'node:http'
import type { MonitorEvent, MonitorSample } from 'dcache/monitor'
import { until } from './open.js'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** What leads to a monitor: its URL, also of a socket. */
const placeOf = (url: string) => {
  const socket = /^http\+unix:\/\/(.*)\/$/.exec(url)
  if (socket !== null) return { socketPath: decodeURIComponent(socket[1]!), host: 'localhost' }
  const { hostname, port } = new URL(url)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) }
}

/** One request on a connection of its own. */
export function ask(
  url: string,
  path: string,
  { method = 'GET', headers = {}, body }: AskOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...placeOf(url), path, method, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.once('error', reject)
      response.once('end', () => {
        resolve({ status: response.statusCode!, headers: response.headers, body: text })
      })
    })
    asked.once('error', reject)
    asked.end(body)
  })
}

export const askJson = async <T>(url: string, path: string): Promise<T> =>
  JSON.parse((await ask(url, path)).body) as T

/** A viewer that reads. */
export class Stream implements Disposable {
  readonly samples: MonitorSample[] = []
  readonly events: MonitorEvent[] = []
  /** The id of the last event. */
  id = ''
  status = 0
  isEnded = false
  readonly #asked

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    let text = ''
    this.#asked = request({ ...placeOf(url), path: '/events', agent: false, headers }, (response) => {
      this.status = response.statusCode!
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          this.#take(text.slice(0, end))
          text = text.slice(end + 2)
        }
      })
      response.once('error', () => (this.isEnded = true))
      response.once('close', () => (this.isEnded = true))
    })
    this.#asked.once('error', () => (this.isEnded = true))
    this.#asked.end()
  }

  #take(message: string): void {
    const fields = new Map(message.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]))
    const id = fields.get('id')
    if (id !== undefined) this.id = id
    const data = fields.get('data')
    if (data === undefined) return
    if (fields.get('event') === 'sample') this.samples.push(JSON.parse(data) as MonitorSample)
    else this.events.push(JSON.parse(data) as MonitorEvent)
  }

  async has(samples: number): Promise<void> {
    await until(`sample ${samples}`, () => this.samples.length >= samples)
  }

  /** Resolves when an event of that name is there. */
  async hears(name: string): Promise<MonitorEvent> {
    await until(`the event ${name}`, () => this.events.some((event) => event.name === name))
    return this.events.find((event) => event.name === name)!
  }

  async ends(): Promise<void> {
    await until('the end of the stream', () => this.isEnded)
  }

  [Symbol.dispose](): void {
    this.#asked.destroy()
  }
}
