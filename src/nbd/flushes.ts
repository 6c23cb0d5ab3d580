/**
 * FLUSH and FUA. The answer usually comes from `flush`, while the thread serves other requests. But its wakeups and turns of the
 * event loop cost more than a small write to a fast disk. So a thread with one connection, which waits for this answer and
 * nothing else, writes and fsyncs itself by `flushSync`. It does nothing else in that time, so after two slow flushes in a row,
 * and then after each one, it awaits for a while: on a slow disk it blocks for a twentieth of its time at most. One slow flush
 * says little, since the thread may have lost its processor.
 */
import { performance } from 'node:perf_hooks'
import type { CacheClient, FlushScope, Partition } from '../index.js'
import { NBD_CMD_FLAG_FUA } from './constants.js'
import type { Request } from './request-reader.js'

/** After at most so many bytes a flush is small. The thread then blocks for little more than one write and one fsync. */
const SMALL_BYTES = 2 ** 16
/** A flush of at most so many milliseconds is fast. */
const FAST_MS = 1
/** For how many times its duration the thread awaits after the second slow one in a row. */
const REST = 20

export class Flushes {
  readonly #client: CacheClient
  readonly #isAlone: () => boolean
  #restsUntilMs = -Infinity
  #wasSlow = false

  /** `isAlone`: whether the thread has one connection. Such a thread must be one that may block. */
  constructor(client: CacheClient, isAlone: () => boolean) {
    this.#client = client
    this.#isAlone = isAlone
  }

  /**
   * Flushes at once if that is likely to be fast; returns whether it did. `bytes` were written since the last flush.
   * @throws CacheError
   */
  tryNow(scope: FlushScope, bytes: number): boolean {
    if (bytes > SMALL_BYTES || !this.#isAlone()) return false
    const startMs = performance.now()
    if (startMs < this.#restsUntilMs) return false
    this.#client.flushSync(scope)
    const endMs = performance.now()
    const isSlow = endMs - startMs > FAST_MS
    if (isSlow && this.#wasSlow) this.#restsUntilMs = endMs + REST * (endMs - startMs)
    this.#wasSlow = isSlow
    return true
  }

  /** @throws CacheError */
  async later(scope: FlushScope): Promise<void> {
    await this.#client.flush(scope)
  }
}

/** With FUA the blocks of the request, which must be durable before it is answered. */
export function fuaScope(
  { flags, offset, length }: Pick<Request, 'flags' | 'offset' | 'length'>,
  { name, blockSize }: Partition,
): FlushScope | undefined {
  if ((flags & NBD_CMD_FLAG_FUA) === 0 || length === 0) return undefined
  const block = Math.floor(offset / blockSize)
  return { partition: name, block, count: Math.ceil((offset + length) / blockSize) - block }
}
