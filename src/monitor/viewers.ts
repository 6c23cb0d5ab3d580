/**
 * The viewers of `/events`: server-sent events, a sample each second and the cache's events. One sampler serves all, and
 * runs only while there are viewers; all get the same bytes.
 *
 *   (no viewer) --add--> sampling each intervalMs --the last one leaves--> (no viewer)
 *
 * A viewer that does not read costs little: while QUEUED_MAX bytes or more are queued in its connection, it is behind and
 * gets nothing, and after stallMs its connection is closed. So there are QUEUED_MAX bytes and a sample at most, and the
 * sample is the same memory for all. Events that it missed follow when it reads again, as far as they are kept.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { NumberedEvent } from './cache-events.js'
import type { MonitorSample } from './protocol.js'

export interface ViewersOptions {
  readonly sample: () => Promise<MonitorSample>
  readonly eventsAfter: (number: number) => readonly NumberedEvent[]
  readonly viewersMax: number
  readonly intervalMs: number
  readonly stallMs: number
}

interface Viewer {
  readonly response: ServerResponse
  /** The number of the last event that it was sent. */
  eventsTo: number
  /** Since when it is behind; undefined if it is not. */
  behindSinceMs: number | undefined
}

/** Bytes that the system has not taken yet, from which on a viewer is behind. */
const QUEUED_MAX = 16_384
/** Milliseconds after which a browser that lost the connection connects again. */
const RETRY_MS = 2000
/** How old the first sample of a viewer may be. */
const FRESH_MS = 250

export class Viewers {
  readonly #options: ViewersOptions
  /** In front of the numbers of events, so that those of an earlier process mean nothing here. */
  readonly #epoch = Math.random().toString(36).slice(2)
  readonly #viewers = new Set<Viewer>()
  #timer: NodeJS.Timeout | undefined
  #last: Buffer | undefined
  #lastAtMs = 0
  #isLooking = false
  /** The look that new viewers wait for. */
  #first: Promise<Buffer> | undefined

  constructor(options: ViewersOptions) {
    this.#options = options
  }

  get isFull(): boolean {
    return this.#viewers.size >= this.#options.viewersMax
  }

  get count(): number {
    return this.#viewers.size
  }

  /** The headers are sent here; the first sample follows at once. */
  add(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', connection: 'close' })
    response.write(`retry: ${RETRY_MS}\n\n`)
    const viewer = { response, eventsTo: this.#lastSeen(request), behindSinceMs: undefined }
    this.#viewers.add(viewer)
    response.once('close', () => {
      this.#viewers.delete(viewer)
      if (this.#viewers.size === 0) this.#rest()
    })
    this.#sendEvents(viewer)
    this.#greet(response).catch(ignore)
    this.#timer ??= setInterval(() => void this.#tick().catch(ignore), this.#options.intervalMs).unref()
  }

  /** An event is there. */
  tell(): void {
    for (const viewer of this.#viewers) if (!isBehind(viewer)) this.#sendEvents(viewer)
  }

  /** Sends the last events and a last sample, and ends all connections. */
  async end(): Promise<void> {
    this.#rest()
    if (this.#viewers.size === 0) return
    const last = await this.#look().catch(ignore)
    for (const viewer of this.#viewers) {
      const { response } = viewer
      if (!isBehind(viewer)) {
        this.#sendEvents(viewer)
        if (last !== undefined) response.write(last)
      }
      response.end()
    }
  }

  #rest(): void {
    clearInterval(this.#timer)
    this.#last = undefined
    this.#timer = undefined
  }

  readonly #tick = async (): Promise<void> => {
    if (this.#isLooking) return // a look at a large pool takes longer than the interval
    const sample = await this.#look()
    const nowMs = Date.now()
    for (const viewer of this.#viewers) {
      if (isBehind(viewer)) {
        viewer.behindSinceMs ??= nowMs
        if (nowMs - viewer.behindSinceMs >= this.#options.stallMs) viewer.response.destroy()
        continue
      }
      viewer.behindSinceMs = undefined
      this.#sendEvents(viewer)
      viewer.response.write(sample)
    }
  }

  #sendEvents(viewer: Viewer): void {
    for (const { number, ...event } of this.#options.eventsAfter(viewer.eventsTo)) {
      viewer.eventsTo = number
      const data = JSON.stringify(event)
      viewer.response.write(`id: ${this.#epoch}.${number}\nevent: cache\ndata: ${data}\n\n`)
    }
  }

  /** A new sample. One buffer for all: a connection that has not taken it yet keeps a reference to it. */
  async #look(): Promise<Buffer> {
    this.#isLooking = true
    try {
      const sample = await this.#options.sample()
      this.#last = Buffer.from(`event: sample\ndata: ${JSON.stringify(sample)}\n\n`)
      this.#lastAtMs = Date.now()
      return this.#last
    } finally {
      this.#isLooking = false
    }
  }

  /** Sends the last sample, or a new one. Many viewers that come at once, such as after a restart, cost one look. */
  async #greet(response: ServerResponse): Promise<void> {
    const isFresh = Math.abs(Date.now() - this.#lastAtMs) < FRESH_MS
    const sample = isFresh && this.#last !== undefined ? this.#last : await (this.#first ??= this.#look())
    this.#first = undefined
    if (!response.writableEnded) response.write(sample)
  }

  /** The last event that a viewer has seen, which its browser tells when it connects again. */
  #lastSeen({ headers }: IncomingMessage): number {
    const [epoch, number] = String(headers['last-event-id'] ?? '').split('.')
    return epoch === this.#epoch && /^\d{1,15}$/.test(number ?? '') ? Number(number) : 0
  }
}

/** The cache ended during a look: `end` follows. A program must not fail because it is watched. */
const ignore = (): undefined => undefined

const isBehind = ({ response }: Viewer): boolean => response.writableLength >= QUEUED_MAX
