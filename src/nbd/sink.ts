/**
 * Lines for stderr, written by a process that must neither fail nor wait because of them. A disk that is full, a closed
 * pipe and a reader that stands still cost lines, which are counted; the next line that can be written is preceded by
 * one that tells the count.
 *
 * The descriptor is written to directly, in non-blocking mode, and not through the stream `process.stderr`: that one waits
 * for a terminal or a file, throws where a file can't be written, and is over for good after its first error.
 */
import { writeSync } from 'node:fs'
import { performance } from 'node:perf_hooks'

const STDERR = 2
/** Bytes that wait for a slow reader; lines beyond them are lost. */
const KEPT_BYTES = 2 ** 18
/** A reader that stood still is tried again after this time. */
const RETRY_MS = 50
/** At the end of the process a slow reader has this long to take what waits. */
const FAREWELL_MS = 1000

interface Chunk {
  readonly bytes: Buffer
  /** Lines in it, and lines that it reports as lost. */
  readonly lines: number
}

/** A stream of Node's over a handle of libuv, as stderr is unless it is a file. */
interface Handled {
  readonly _handle?: { setBlocking?(isBlocking: boolean): unknown }
}

export class Sink {
  readonly #report: (lost: number) => string
  readonly #handle = (process.stderr as unknown as Handled)._handle
  readonly #write: (bytes: Buffer, at: number) => number
  readonly #waiting: Chunk[] = []
  #waitingBytes = 0
  /** Bytes of the first chunk that are written. */
  #at = 0
  #lost = 0
  /** Part of a line was written, and the rest of it is lost. */
  #isCut = false
  #timer: NodeJS.Timeout | undefined

  /** `report` makes the line that tells how many were lost. `write` takes the place of stderr, for tests. */
  constructor(
    report: (lost: number) => string,
    write = (bytes: Buffer, at: number): number => {
      // Set each time: a process that shares the pipe may have changed it back.
      this.#handle?.setBlocking?.(false)
      return writeSync(STDERR, bytes, at)
    },
  ) {
    this.#report = report
    this.#write = write
    // Warnings of Node and of its threads go through the stream: its errors must not end the process.
    process.stderr.on('error', () => undefined)
  }

  /** Takes one line, without its line feed. */
  line(text: string): void {
    if (this.#waiting.length === 0) this.#pushReport()
    if (!this.#push(text, 1)) this.#lost++
    if (this.#timer === undefined) this.#drain()
  }

  /** Resolves when nothing waits any more, or after a second. */
  async end(): Promise<void> {
    for (
      const endMs = performance.now() + FAREWELL_MS;
      this.#waiting.length > 0 && performance.now() < endMs;
    )
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }

  /** False if there is no room. */
  #push(text: string, lines: number): boolean {
    const bytes = Buffer.from(`${text}\n`)
    if (this.#waitingBytes + bytes.length > KEPT_BYTES) return false
    this.#waiting.push({ bytes, lines })
    this.#waitingBytes += bytes.length
    return true
  }

  #pushReport(): void {
    if (this.#lost > 0 && this.#push(this.#report(this.#lost), this.#lost)) this.#lost = 0
  }

  #drain(): void {
    this.#timer = undefined
    try {
      do {
        for (let chunk; (chunk = this.#waiting[0]) !== undefined;) this.#put(chunk)
        this.#pushReport()
      } while (this.#waiting.length > 0)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') this.#drainLater()
      else this.#drop()
    }
  }

  /** @throws what the system says */
  #put(chunk: Chunk): void {
    if (this.#isCut) {
      this.#write(Buffer.from('\n'), 0)
      this.#isCut = false
    }
    while (this.#at < chunk.bytes.length) this.#at += this.#write(chunk.bytes, this.#at)
    this.#waiting.shift()
    this.#waitingBytes -= chunk.bytes.length
    this.#at = 0
  }

  #drainLater(): void {
    this.#timer = setTimeout(() => {
      this.#drain()
    }, RETRY_MS)
    this.#timer.unref()
  }

  /** What waits can't be written. */
  #drop(): void {
    this.#isCut ||= this.#at > 0
    this.#at = 0
    for (const { lines } of this.#waiting.splice(0)) this.#lost += lines
    this.#waitingBytes = 0
  }
}
