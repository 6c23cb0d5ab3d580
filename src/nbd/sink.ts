/**
 * Writes lines to stderr without ever failing or blocking the process. If a disk is full, a pipe is closed or a reader
 * stalls, lines are lost. They are counted, and a line with the count precedes the next line that can be written.
 *
 * The sink writes to the descriptor in non-blocking mode. It does not use the stream `process.stderr`, which blocks on
 * a terminal or a file, throws if a file can't be written, and is closed for good after its first error.
 */
import { writeSync } from 'node:fs'
import { performance } from 'node:perf_hooks'

const STDERR = 2
/** Up to this many bytes wait for a slow reader. Lines beyond them are lost. */
const KEPT_BYTES = 2 ** 18
/** Time between two attempts to write to a stalled reader. */
const RETRY_MS = 50
/** At the end of the process, a slow reader has this long to take the waiting lines. */
const FAREWELL_MS = 1000

interface Chunk {
  readonly bytes: Buffer
  /** Number of lines: 1, or the number of lost lines that the chunk reports. */
  readonly lines: number
}

/** A Node stream with a libuv handle. stderr is such a stream unless it is a file. */
interface Handled {
  readonly _handle?: { setBlocking?(isBlocking: boolean): unknown }
}

export class Sink {
  readonly #report: (lost: number) => string
  readonly #handle = (process.stderr as unknown as Handled)._handle
  readonly #write: (bytes: Buffer, at: number) => number
  readonly #waiting: Chunk[] = []
  #waitingBytes = 0
  /** Number of bytes of the first chunk that have been written. */
  #at = 0
  #lost = 0
  /** The last line was written partly, and its rest is lost. */
  #isCut = false
  #timer: NodeJS.Timeout | undefined

  /** `report` returns the line that tells how many lines were lost. `write` replaces stderr in tests. */
  constructor(
    report: (lost: number) => string,
    write = (bytes: Buffer, at: number): number => {
      // Set each time: another process that shares the pipe may have reset it.
      this.#handle?.setBlocking?.(false)
      return writeSync(STDERR, bytes, at)
    },
  ) {
    this.#report = report
    this.#write = write
    // Warnings of Node and its threads still use the stream. Its errors must not end the process.
    process.stderr.on('error', () => undefined)
  }

  /** Writes one line, given without its line feed. Never blocks, never throws. */
  line(text: string): void {
    if (this.#waiting.length === 0) this.#pushReport()
    if (!this.#push(text, 1)) this.#lost++
    if (this.#timer === undefined) this.#drain()
  }

  /** Resolves when all lines are written, or after a second. */
  async end(): Promise<void> {
    for (
      const endMs = performance.now() + FAREWELL_MS;
      this.#waiting.length > 0 && performance.now() < endMs;
    )
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }

  /** Queues a chunk. Returns false if there is no room. */
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

  /** Writes the first chunk. @throws the system's error */
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

  /** Counts the waiting lines as lost. */
  #drop(): void {
    this.#isCut ||= this.#at > 0
    this.#at = 0
    for (const { lines } of this.#waiting.splice(0)) this.#lost += lines
    this.#waitingBytes = 0
  }
}
