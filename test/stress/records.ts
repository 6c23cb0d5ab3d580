// What the blocks of the stress test hold, and the shared table of what they have to hold. Every half of a block is a
// record: partition, record number, version and a checksum, then bytes that follow from these. So a record shows by
// itself whether it is torn or in the wrong place; the table shows whether it is the right version.
//
// A block's number says how it is used:
//   guarded   changed and read under guards: its version is exactly the table's
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

/** Writes a record over all of `target`. `salt` makes the bytes of two writers of one version differ. */
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

/** The version of a whole record in its place; -1 for anything else. */
export function versionOf(bytes: Uint8Array, partition: number, record: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const version = view.getUint32(8)
  const isWhole =
    view.getUint32(0) === partition &&
    view.getUint32(4) === record &&
    view.getUint32(12) === (hash(bytes.subarray(HEADER_BYTES)) ^ version) >>> 0
  return isWhole ? version : -1
}

/** The versions of all records, for all threads. */
export class Truth {
  readonly buffer: SharedArrayBuffer
  readonly #words: Int32Array

  constructor(buffer?: SharedArrayBuffer) {
    const records = PARTITIONS.reduce((sum, { blocks }) => sum + 2 * blocks, 0)
    this.buffer = buffer ?? new SharedArrayBuffer(records * 8 + 4)
    this.#words = new Int32Array(this.buffer)
  }

  /** The record has at least this version. */
  low(partition: number, record: number): number {
    return Atomics.load(this.#words, this.#at(partition, record))
  }

  /** The record has at most this version. */
  high(partition: number, record: number): number {
    return Atomics.load(this.#words, this.#at(partition, record) + 1)
  }

  /** Before a write that is seen at some moment after this. */
  announce(partition: number, record: number, version: number): void {
    Atomics.store(this.#words, this.#at(partition, record) + 1, version)
  }

  /** Once the write is seen by everybody; under a guard, before its release. */
  confirm(partition: number, record: number, version: number): void {
    Atomics.store(this.#words, this.#at(partition, record), version)
  }

  get isOver(): boolean {
    return Atomics.load(this.#words, this.#words.length - 1) !== 0
  }

  /** Tells all threads to stop. */
  end(): void {
    Atomics.store(this.#words, this.#words.length - 1, 1)
  }

  #at(partition: number, record: number): number {
    return 2 * (record + (partition === 0 ? 0 : 2 * PARTITIONS[0].blocks))
  }
}
