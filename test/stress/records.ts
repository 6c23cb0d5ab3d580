// The contents of the blocks of the stress test, and the shared table of the expected versions. Every half of a block is a
// record: partition, record number, version and a checksum, then bytes computed from these. So a record itself shows
// whether it is torn or misplaced, and the table shows whether it has the right version.
//
// A block's number says how it is used:
//   guarded   changed and read under guards: its version is exactly that of the table
//   ranged    written by one thread, as a range of bytes, without a guard: between the table's `low` and `high`
//   forgotten dropped now and then: any version up to the table's

export const PARTITIONS = [
  { name: 'a', blockSize: 512, blocks: 96 },
  { name: 'b', blockSize: 4096, blocks: 48 },
] as const

export type Use = 'guarded' | 'ranged' | 'forgotten'

export function useOf(block: number): Use {
  return block % 8 === 5 ? 'ranged' : block % 8 === 6 ? 'forgotten' : 'guarded'
}

const HEADER_BYTES = 16

function hash(bytes: Uint8Array): number {
  let h = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193)
  return h >>> 0
}

/** Fills `target` with a record. `salt` makes the bytes of two writers of one version differ. */
export function writeRecord(
  target: Uint8Array,
  partition: number,
  record: number,
  version: number,
  salt: number,
): void {
  const view = new DataView(target.buffer, target.byteOffset, target.length)
  let x = Math.imul(version + 1, 0x9e3779b1) ^ salt
  for (let i = HEADER_BYTES; i < target.length; i++) {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) + 1
    target[i] = x >>> 24
  }
  view.setUint32(0, partition)
  view.setUint32(4, record)
  view.setUint32(8, version)
  view.setUint32(12, hash(target.subarray(HEADER_BYTES)) ^ version)
}

/** The version of a complete record at its position; -1 for other bytes. */
export function versionOf(bytes: Uint8Array, partition: number, record: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const version = view.getUint32(8)
  const isWhole =
    view.getUint32(0) === partition &&
    view.getUint32(4) === record &&
    view.getUint32(12) === (hash(bytes.subarray(HEADER_BYTES)) ^ version) >>> 0
  return isWhole ? version : -1
}

/** The words of a record in the table. */
const LOW = 0
const HIGH = 1
const BY = 2
const WORDS = 3
/** The words of a life in the table: a thread from its start to its end. */
const ORDER = 0
const THREAD = 1
const LIFE_WORDS = 2

/** How a thread is to end. It may continue for a while after it was told. */
export const Order = { NONE: 0, TERMINATED: 1, EXIT: 2, MEMORY: 3 } as const

/**
 * The versions of all records, for all threads. It survives a thread's death at any moment: a change is announced, with
 * the thread that makes it, before it can be seen, and confirmed after its release. Between the two the record is old or
 * new; and old only if the announcing thread was to die.
 */
export class Truth {
  readonly buffer: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #livesAt: number

  constructor(shared: SharedArrayBuffer | { lives: number }) {
    const records = PARTITIONS.reduce((sum, { blocks }) => sum + 2 * blocks, 0)
    this.#livesAt = records * WORDS
    this.buffer =
      'lives' in shared ? new SharedArrayBuffer(4 * (this.#livesAt + shared.lives * LIFE_WORDS + 2)) : shared
    this.#words = new Int32Array(this.buffer)
  }

  /** The record has at least this version. */
  low(partition: number, record: number): number {
    return Atomics.load(this.#words, this.#at(partition, record) + LOW)
  }

  /** The record has at most this version. */
  high(partition: number, record: number): number {
    return Atomics.load(this.#words, this.#at(partition, record) + HIGH)
  }

  /** Whether it is known which version the record has. */
  isSettled(partition: number, record: number): boolean {
    return this.low(partition, record) === this.high(partition, record)
  }

  /** Announces a write that becomes visible at some moment after this. No version is announced twice. */
  announce(partition: number, record: number, version: number, life: number): void {
    const at = this.#at(partition, record)
    Atomics.store(this.#words, at + BY, life)
    Atomics.store(this.#words, at + HIGH, version)
  }

  /** Confirms a write that all threads may see: after its release, or when a reader has seen it. */
  confirm(partition: number, record: number, version: number): void {
    const at = this.#at(partition, record) + LOW
    for (let low = Atomics.load(this.#words, at); low < version;)
      low = Atomics.compareExchange(this.#words, at, low, version)
  }

  /** Whether a record that no thread is changing may have this version. */
  isRight(partition: number, record: number, version: number): boolean {
    if (version === this.high(partition, record)) return true
    return version === this.low(partition, record) && this.#mayBeUndone(partition, record)
  }

  /** The versions that isRight allows, for messages. */
  rightText(partition: number, record: number): string {
    const high = this.high(partition, record)
    const low = this.low(partition, record)
    return low !== high && this.#mayBeUndone(partition, record) ? `${low} or ${high}` : `${high}`
  }

  #mayBeUndone(partition: number, record: number): boolean {
    return this.orderOf(Atomics.load(this.#words, this.#at(partition, record) + BY)) !== Order.NONE
  }

  orderOf(life: number): number {
    return Atomics.load(this.#words, this.#lifeAt(life) + ORDER)
  }

  /** Tells a life how to end; it may end at any moment after this. */
  doom(life: number, order: number): void {
    Atomics.store(this.#words, this.#lifeAt(life) + ORDER, order)
  }

  /** The thread of this life; 0 before it has begun. */
  threadOf(life: number): number {
    return Atomics.load(this.#words, this.#lifeAt(life) + THREAD)
  }

  begin(life: number, thread: number): void {
    Atomics.store(this.#words, this.#lifeAt(life) + THREAD, thread)
  }

  /** The steps of all threads, including those that have ended. */
  get steps(): number {
    return Atomics.load(this.#words, this.#words.length - 2)
  }

  countStep(): void {
    Atomics.add(this.#words, this.#words.length - 2, 1)
  }

  get isOver(): boolean {
    return Atomics.load(this.#words, this.#words.length - 1) !== 0
  }

  /** Tells all threads to stop. */
  end(): void {
    Atomics.store(this.#words, this.#words.length - 1, 1)
  }

  #at(partition: number, record: number): number {
    return WORDS * (record + (partition === 0 ? 0 : 2 * PARTITIONS[0].blocks))
  }

  #lifeAt(life: number): number {
    return this.#livesAt + LIFE_WORDS * life
  }
}

/** The bytes of a partition whose records have version 0. */
export function firstContents(partition: number): Uint8Array {
  const { blockSize, blocks } = PARTITIONS[partition]!
  const bytes = new Uint8Array(blockSize * blocks)
  for (let record = 0; record < 2 * blocks; record++) {
    const start = (record * blockSize) / 2
    writeRecord(bytes.subarray(start, start + blockSize / 2), partition, record, 0, record)
  }
  return bytes
}

/** Verifies every record of a file when all threads have finished and all is flushed. @throws on the first wrong record */
export function verifyFile(bytes: Uint8Array, partition: number, truth: Truth): number {
  const { name, blockSize, blocks } = PARTITIONS[partition]!
  for (let record = 0; record < 2 * blocks; record++) {
    const start = (record * blockSize) / 2
    const version = versionOf(bytes.subarray(start, start + blockSize / 2), partition, record)
    const isForgotten = useOf(record >> 1) === 'forgotten'
    const isRight = isForgotten
      ? version >= 0 && version <= truth.high(partition, record)
      : truth.isRight(partition, record, version)
    if (!isRight)
      throw new Error(
        `record ${record & 1} of block ${record >> 1} of '${name}' has version ${version} in the file; right is ${truth.rightText(partition, record)}`,
      )
  }
  return 2 * blocks
}
