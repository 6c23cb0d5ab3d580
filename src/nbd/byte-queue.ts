/**
 * The bytes that a peer has sent and that are not parsed yet. A reader asks for a number of bytes in one piece. While fewer
 * have arrived the answer is false, and the reader must repeat the same request when more arrive.
 *
 * What lies in one chunk is given where it lies. What is spread over chunks is gathered in a buffer of just that size as
 * the chunks come, so a peer that sends single bytes does not make the queue hold a chunk for each.
 */
const NOTHING: Buffer = Buffer.alloc(0)

export class ByteQueue {
  /** After `read` has said true: the bytes asked for are here, from `start` on. Valid until the next call. */
  bytes: Buffer = NOTHING
  start = 0
  readonly #later: Buffer[] = []
  #head: Buffer = NOTHING
  #at = 0
  /** Bytes that have come and were not taken. */
  #length = 0
  #gathered: Buffer | undefined
  #filled = 0

  /** Nothing is here, nor half of what was asked for. */
  get isEmpty(): boolean {
    return this.#length === 0 && this.#gathered === undefined
  }

  /** The chunk is the queue's from here on. */
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

  /** Takes `count` bytes, in one piece at `bytes[start]`; false while there are fewer. */
  read(count: number): boolean {
    if (this.#gathered === undefined && this.#head.length - this.#at >= count) {
      this.bytes = this.#head
      this.start = this.#at
      this.#advance(count)
      return true
    }
    return this.#gather(count)
  }

  /** Takes `count` bytes and forgets them; says how many were there. */
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
    // Not from Node's pool: memory that is never filled is never really taken.
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
