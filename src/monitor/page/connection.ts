/**
 * The stream of samples and events. The browser connects again when the connection is lost; it does not when the monitor
 * refuses, because it has too many viewers, so this tries again then.
 */
import type { MonitorEvent, MonitorSample } from '../protocol.js'

export interface Receiver {
  sample(sample: MonitorSample): void
  event(event: MonitorEvent): void
  /** The connection is lost; the next sample says that it is back. */
  lost(): void
}

const AGAIN_MS = 5000

export class Connection {
  readonly #receiver: Receiver
  #source: EventSource | undefined
  #timer: number | undefined

  constructor(receiver: Receiver) {
    this.#receiver = receiver
  }

  start(): void {
    this.stop()
    const source = new EventSource('events')
    this.#source = source
    source.addEventListener('sample', ({ data }) => {
      this.#receiver.sample(JSON.parse(data as string) as MonitorSample)
    })
    source.addEventListener('cache', ({ data }) => {
      this.#receiver.event(JSON.parse(data as string) as MonitorEvent)
    })
    source.addEventListener('error', () => {
      this.#receiver.lost()
      if (source.readyState === EventSource.CLOSED && this.#source === source)
        this.#timer = window.setTimeout(() => {
          this.start()
        }, AGAIN_MS)
    })
  }

  stop(): void {
    window.clearTimeout(this.#timer)
    this.#source?.close()
    this.#source = undefined
  }
}
