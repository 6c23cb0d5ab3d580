/**
 * The log of a run: the actions of clients and devices, in one order for all threads. It is in shared memory, and records
 * are numbered by one atomic counter, so that "before" in the log is "before" in time.
 */

export const KIND = {
  /** A client is about to release a change: from here on the change may exist. */
  RELEASE: 1,
  /** The release returned: the change exists. */
  RELEASED: 2,
  FLUSH: 3,
  /** The flush that began at `value` succeeded. */
  ACK: 4,
  /** The flush was rejected. */
  REJECTED: 5,
  /** A device was asked to write: the bytes may be on disk from here on. */
  WRITE: 6,
  /** The same for a write that failed or was short. */
  WRITE_FAILED: 7,
  /** The bytes changed while they were being written. */
  UNSTABLE: 8,
  SYNC_BEGIN: 9,
  /** The sync that began at `value` succeeded. */
  SYNC_OK: 10,
  SYNC_FAILED: 11,
  FENCED: 12,
  RESTORED: 13,
} as const

export type Kind = (typeof KIND)[keyof typeof KIND]

const NAMES = new Map<number, string>(Object.entries(KIND).map(([name, kind]) => [kind, name]))
export const kindName = (kind: Kind): string => (NAMES.get(kind) ?? '?').toLowerCase().replace('_', ' ')

export interface LogRecord {
  readonly seq: number
  readonly kind: Kind
  readonly thread: number
  /** With FLUSH, ACK and REJECTED, -1 means all. */
  readonly partition: number
  readonly block: number
  /** RELEASE, RELEASED: the block's version. ACK, SYNC_OK, SYNC_FAILED: the number of its first record. */
  readonly value: number
  /** RELEASE, FLUSH, ACK: 1 + the index of the (last) class in the write order; 0 is all. Failures: the errno. */
  readonly extra: number
  /** RELEASE: the changed sectors, a bit each. */
  readonly mask: number
  /** WRITE: the version of each sector. */
  readonly sectors: readonly number[]
}

const RECORD_WORDS = 16
const SECTORS_AT = 8
export const SECTORS_MAX = RECORD_WORDS - SECTORS_AT

export type RecordFields = Partial<Omit<LogRecord, 'seq' | 'kind'>>

export class CrashLog {
  readonly buffer: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #capacity: number
  readonly #thread: number

  /** `thread` is the thread that writes through this view. */
  constructor(buffer: SharedArrayBuffer, thread: number) {
    this.buffer = buffer
    this.#words = new Int32Array(buffer)
    this.#capacity = Math.floor((this.#words.length - RECORD_WORDS) / RECORD_WORDS)
    this.#thread = thread
  }

  static create(records: number): SharedArrayBuffer {
    return new SharedArrayBuffer((records + 1) * RECORD_WORDS * 4)
  }

  /** Whether this many more records fit: clients stop early enough to leave space for the last steps of all threads. */
  get left(): number {
    return this.#capacity - Atomics.load(this.#words, 0)
  }

  get length(): number {
    return Math.min(Atomics.load(this.#words, 0), this.#capacity)
  }

  append(kind: Kind, fields: RecordFields = {}): number {
    const seq = Atomics.add(this.#words, 0, 1)
    if (seq >= this.#capacity) throw new Error('the log is full')
    const { partition = -1, block = -1, value = 0, extra = 0, mask = 0, sectors = [] } = fields
    const at = (seq + 1) * RECORD_WORDS
    this.#words.set([0, this.#thread, partition, block, value, extra, mask, sectors.length, ...sectors], at)
    Atomics.store(this.#words, at, kind)
    return seq
  }

  /** All records; to be called when no thread writes. */
  records(): LogRecord[] {
    return Array.from({ length: this.length }, (_, seq) => this.#get(seq))
  }

  #get(seq: number): LogRecord {
    const at = (seq + 1) * RECORD_WORDS
    const [kind, thread, partition, block, value, extra, mask, count] = this.#words.subarray(
      at,
      at + SECTORS_AT,
    )
    const sectors = [...this.#words.subarray(at + SECTORS_AT, at + SECTORS_AT + count!)]
    return {
      seq,
      kind: kind! as Kind,
      thread: thread!,
      partition: partition!,
      block: block!,
      value: value!,
      extra: extra!,
      mask: mask!,
      sectors,
    }
  }
}
