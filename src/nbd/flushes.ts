/**
 * FLUSH and FUA. The answer usually comes from `flush`, while the thread serves other requests. But its wakeups and turns of the
 * event loop cost more than a small write to a fast disk. So a thread that has nothing else to do writes and fsyncs itself, by
 * `flushSync`. Whether it would have something to do shows when it awaits: after a few flushes during which nothing came and
 * nothing else was under way it blocks in the next ones, and then awaits once, to see whether that still holds. A thread with
 * one connection need not look: who waits for this answer sends nothing. On a slow disk the wakeups matter little, and a new
 * client would wait long: after two slow flushes in a row the thread awaits for a while. One says little, since the thread may
 * have lost its processor.
 *
 * Clients with several connections often use one at a time (nbdfuse has four).
 */
import { performance } from 'node:perf_hooks'
import type { CacheClient, FlushScope, Partition } from '../index.js'
import { NBD_CMD_FLAG_FUA } from './constants.js'
import type { Request } from './request-reader.js'

/** After at most so many bytes a flush is small. The thread then blocks for little more than one write and one fsync. */
const SMALL_BYTES = 2 ** 16
/** A flush of at most so many milliseconds is fast. */
const FAST_MS = 4
/** For how many times its duration the thread awaits after the second slow one in a row. */
const REST = 20
/** With several connections a thread blocks after so many flushes in a row that it awaited undisturbed. */
const UNDISTURBED = 4
/** How often it then blocks before it awaits again. */
const BLOCKED_MAX = 63

export class Flushes {
  readonly #client: CacheClient
  readonly #isOneGroup: boolean
  readonly #connections: (() => number) | undefined
  /** Bytes written since the last flush, by partition; of all under '', if all are in one group. */
  readonly #unflushed = new Map<string, number>()
  #activity = 0
  #running = 0
  #undisturbed = 0
  #blocked = 0
  #restsUntilMs = -Infinity
  #wasSlow = false

  /**
   * @param connections how many connections the thread has; undefined if it must not block
   * @param isOneGroup whether all exports are in a group with a journal, so that every flush writes the changes of all
   */
  constructor(client: CacheClient, connections?: () => number, isOneGroup = false) {
    this.#client = client
    this.#isOneGroup = isOneGroup
    this.#connections = connections
  }

  /** Notes that a request of any of the thread's connections came. */
  noteRequest(): void {
    this.#activity++
  }

  /** Notes that a request, this flush included, is served concurrently with others from now on. */
  noteBegin(): void {
    this.#running++
  }

  /** Notes that such a request is done. */
  noteEnd(): void {
    this.#running--
    this.#activity++
  }

  /** Notes that a connection of the thread has written so many bytes to a partition. */
  noteBytes(partition: string, bytes: number): void {
    this.#unflushed.set(this.#isOneGroup ? '' : partition, this.#bytesOf(partition) + bytes)
  }

  #bytesOf(partition: string): number {
    return this.#unflushed.get(this.#isOneGroup ? '' : partition) ?? 0
  }

  /** A flush of some blocks leaves the others unflushed, except in a journal, where a record has all. */
  #noteFlush({ partition, block }: FlushScope & { block?: number }): void {
    if (this.#isOneGroup) this.#unflushed.clear()
    else if (block === undefined && partition !== undefined) this.#unflushed.delete(partition)
  }

  /**
   * Flushes at once if that is likely to be fast, and no other request has to wait for it; returns whether it did.
   * @throws CacheError
   */
  tryNow(scope: FlushScope): boolean {
    if (this.#bytesOf(scope.partition ?? '') > SMALL_BYTES || !this.#isIdle()) return false
    const startMs = performance.now()
    if (startMs < this.#restsUntilMs) return false
    this.#blocked++
    this.#noteFlush(scope)
    this.#client.flushSync(scope)
    const endMs = performance.now()
    const isSlow = endMs - startMs > FAST_MS
    if (isSlow && this.#wasSlow) this.#restsUntilMs = endMs + REST * (endMs - startMs)
    this.#wasSlow = isSlow
    return true
  }

  #isIdle(): boolean {
    if (this.#connections === undefined) return false
    if (this.#connections() === 1) return true
    return this.#running === 0 && this.#undisturbed >= UNDISTURBED && this.#blocked < BLOCKED_MAX
  }

  /** @throws CacheError */
  async later(scope: FlushScope): Promise<void> {
    this.#noteFlush(scope)
    const before = this.#activity
    const isOnly = this.#running <= 1
    await this.#client.flush(scope)
    this.#undisturbed = isOnly && this.#activity === before ? this.#undisturbed + 1 : 0
    this.#blocked = 0
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
