/**
 * Bytes that a peer has sent and that are not parsed yet. A reader asks for a number of contiguous bytes. As long as
 * fewer have arrived, the answer is false, and the reader must repeat the same request when more arrive.
 *
 * Bytes that lie in one chunk are not copied. Bytes that span chunks are copied, as the chunks arrive, into a buffer of
 * exactly the requested size. So a peer that sends single bytes does not make the queue keep a chunk for each byte.
 */
const NOTHING: Buffer = Buffer.alloc(0)

export class ByteQueue {
  /** After `read` has returned true, the requested bytes are in here from `start` on. Valid until the next call. */
  bytes: Buffer = NOTHING
  start = 0
  readonly #later: Buffer[] = []
  #head: Buffer = NOTHING
  #at = 0
  /** Bytes that have arrived and are neither taken nor gathered. */
  #length = 0
  #gathered: Buffer | undefined
  #filled = 0

  /** The queue holds no bytes, and no request is partly gathered. */
  get isEmpty(): boolean {
    return this.#length === 0 && this.#gathered === undefined
  }

  /** Appends a chunk, which the queue owns from now on. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#length += chunk.length
    if (this.#at === this.#head.length) {
      this.#head = chunk
      this.#at = 0
    } else {
      this.#later.push(chunk)
    }
  }

  /** Takes `count` contiguous bytes, which then begin at `bytes[start]`. Returns false if fewer have arrived. */
  read(count: number): boolean {
    if (this.#gathered === undefined && this.#head.length - this.#at >= count) {
      this.bytes = this.#head
      this.start = this.#at
      this.#advance(count)
      return true
    }
    return this.#gather(count)
  }

  /** Drops up to `count` bytes. Returns how many it dropped. */
  skip(count: number): number {
    let left = Math.min(count, this.#length)
    const skipped = left
    while (left > 0) {
      const size = Math.min(left, this.#head.length - this.#at)
      this.#advance(size)
      left -= size
    }
    return skipped
  }

  #gather(count: number): boolean {
    if (this.#length === 0) return false
    // Not from Node's pool: the system commits no memory for pages that are never written.
    this.#gathered ??= Buffer.allocUnsafeSlow(count)
    while (this.#filled < count && this.#length > 0) {
      const size = Math.min(count - this.#filled, this.#head.length - this.#at)
      this.#head.copy(this.#gathered, this.#filled, this.#at, this.#at + size)
      this.#filled += size
      this.#advance(size)
    }
    if (this.#filled < count) return false
    this.bytes = this.#gathered
    this.start = 0
    this.#gathered = undefined
    this.#filled = 0
    return true
  }

  #advance(count: number): void {
    this.#at += count
    this.#length -= count
    if (this.#at === this.#head.length && this.#later.length > 0) {
      this.#head = this.#later.shift()!
      this.#at = 0
    }
  }
}
