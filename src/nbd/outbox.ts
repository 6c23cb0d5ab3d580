/**
 * Batches the replies to one peer: all replies that become ready in one turn of the event loop leave in one write. The
 * batch buffers are large, and the connections of a thread reuse them from a common pool.
 */

/** Sends bytes to the peer. Calls `done` when the buffer may be reused. */
export type Send = (bytes: Buffer, done: () => void) => void

const BATCH_BYTES = 2 ** 18
/** Up to this many free buffers are kept: 4 MiB a thread. */
const FREE_MAX = 16
const NOTHING: Buffer = Buffer.alloc(0)

const free: Buffer[] = []

export class Outbox {
  /** The batch that is being filled. */
  bytes: Buffer = NOTHING
  readonly #send: Send
  readonly #sent: (bytes: number) => void
  #at = 0
  /** Bytes of replies that the system has not taken yet. */
  #unsent = 0

  /** `sent` is called with the number of bytes that the system has taken. */
  constructor(send: Send, sent: (bytes: number) => void) {
    this.#send = send
    this.#sent = sent
  }

  get unsent(): number {
    return this.#unsent
  }

  /** Reserves `count` bytes in `bytes`. Returns where they begin. */
  reserve(count: number): number {
    if (this.#at + count > this.bytes.length) {
      this.flush()
      this.bytes =
        count > BATCH_BYTES
          ? Buffer.allocUnsafeSlow(count)
          : (free.pop() ?? Buffer.allocUnsafeSlow(BATCH_BYTES))
    }
    const at = this.#at
    this.#at += count
    this.#unsent += count
    return at
  }

  /** Releases the last `count` bytes reserved. */
  giveBack(count: number): void {
    this.#at -= count
    this.#unsent -= count
  }

  /** Appends a complete reply. A large one is sent from its own buffer, without a copy. */
  append(bytes: Buffer): void {
    if (bytes.length <= BATCH_BYTES / 16) {
      const at = this.reserve(bytes.length)
      bytes.copy(this.bytes, at)
      return
    }
    this.flush()
    this.#unsent += bytes.length
    this.#send(bytes, () => {
      this.#took(bytes.length)
    })
  }

  /** Sends the current batch. */
  flush(): void {
    const { bytes } = this
    const length = this.#at
    if (length === 0) return
    this.bytes = NOTHING
    this.#at = 0
    this.#send(bytes.subarray(0, length), () => {
      if (bytes.length === BATCH_BYTES && free.length < FREE_MAX) free.push(bytes)
      this.#took(length)
    })
  }

  #took(length: number): void {
    this.#unsent -= length
    this.#sent(length)
  }
}
