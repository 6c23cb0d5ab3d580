/**
 * Replies on their way to one peer, in batches: all that become ready in one turn of the event loop leave in one write.
 * They are put together in large buffers that all connections of a thread share and use again.
 */

/** Hands bytes to the peer; `done` when they need not be kept any longer. */
export type Send = (bytes: Buffer, done: () => void) => void

const BATCH_BYTES = 2 ** 18
/** So many free ones are kept. */
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

  /** `sent` is called when the system has taken so many bytes. */
  constructor(send: Send, sent: (bytes: number) => void) {
    this.#send = send
    this.#sent = sent
  }

  get unsent(): number {
    return this.#unsent
  }

  /** Room for so many bytes in `bytes`, from where it says. */
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

  /** Gives the newest room back. */
  giveBack(count: number): void {
    this.#at -= count
    this.#unsent -= count
  }

  /** A reply that has a buffer of its own. */
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

  /** Hands over what is there. */
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
