/**
 * The truth about every block, outside the cache: a table in shared memory that says what each block must hold. A block's
 * entry is protected by the block's own guard: a thread that changes the block changes the entry before the release, and a
 * thread that reads the block compares under its read guard. So a stale, torn or misplaced block is seen by the next reader.
 *
 * A byte-range write gives its caller no guard. The writer first acquires the block to modify, notes in the entry what the
 * block will hold and that no other thread may change it (`announce`); releases; writes; and makes the note the truth
 * (`settle`). In between a reader may find either.
 */
import { load, store, type Words } from '#atomics'
import { crc32 } from 'node:zlib'
import { newestStamp, type Stamp } from './stamp.js'

/** A partition as seen without the cache: its file. */
export interface LoadFile {
  readonly name: string
  readonly path: string
  readonly blockSize: number
  readonly blocks: number
}

/** An entry: the words of one block. */
const CRC = 0
const VERSION = 1
const THREAD = 2
/** Milliseconds since the table was made. */
const TIME = 3
/** 0, or 1 + the thread that has announced a byte-range write. */
const ANNOUNCED = 4
const NEXT_CRC = 5
const ENTRY_WORDS = 6

/** For messages and for threads: clones share the memory. */
export interface TruthMemory {
  readonly buffer: SharedArrayBuffer
  readonly startMs: number
  readonly files: readonly LoadFile[]
}

/** A block that does not hold what it must. */
export interface Mismatch {
  /** Who found it: a kind of access and a thread, or the last look at the file. */
  readonly foundBy: string
  readonly partition: string
  readonly block: number
  readonly expected: { readonly crc: number; readonly version: number; readonly thread: number; readonly atMs: number } // prettier-ignore
  readonly found: { readonly crc: number; readonly stamp: (Stamp & { readonly ofPartition: string }) | undefined } // prettier-ignore
}

export class Truth {
  readonly memory: TruthMemory
  readonly #words: Words
  /** The first row of each partition. */
  readonly #firsts: readonly number[]

  constructor(memory: TruthMemory) {
    this.memory = memory
    this.#words = new Int32Array(memory.buffer)
    let row = 0
    this.#firsts = memory.files.map(({ blocks }) => (row += blocks) - blocks)
  }

  /** A table with no truth in it yet. */
  static create(files: readonly LoadFile[]): Truth {
    const rows = files.reduce((sum, { blocks }) => sum + blocks, 0)
    const buffer = new SharedArrayBuffer(rows * ENTRY_WORDS * 4)
    return new Truth({ buffer, startMs: Date.now(), files })
  }

  /** Before the load: what the file holds. */
  setOriginal(partition: number, block: number, bytes: Uint8Array): void {
    this.#words[this.#at(partition, block) + CRC] = crc32(bytes) | 0
  }

  /** 0 until the first change. */
  version(partition: number, block: number): number {
    return load(this.#words, this.#at(partition, block) + VERSION)
  }

  /** Whether a byte-range write is under way. */
  isAnnounced(partition: number, block: number): boolean {
    return load(this.#words, this.#at(partition, block) + ANNOUNCED) !== 0
  }

  /** Whether `bytes` are what the block must hold. @requires a guard of the block, or that no thread writes it */
  holds(partition: number, block: number, bytes: Uint8Array): boolean {
    const at = this.#at(partition, block)
    // Before the checksums: a note that is settled later has become the truth, and was in NEXT_CRC before.
    const isAnnounced = load(this.#words, at + ANNOUNCED) !== 0
    const crc = crc32(bytes) | 0
    return crc === this.#words[at + CRC] || (isAnnounced && crc === this.#words[at + NEXT_CRC])
  }

  /**
   * Whether bytes that were read without a guard are right: true, false, or undefined when the block was changed
   * meanwhile. `version` is from before the read.
   */
  heldAt(partition: number, block: number, version: number, bytes: Uint8Array): boolean | undefined {
    const at = this.#at(partition, block)
    const isRight = (crc32(bytes) | 0) === this.#words[at + CRC]
    // After the checksum: whoever changes the entry begins with the version and ends with the announcement.
    if (this.isAnnounced(partition, block) || this.version(partition, block) !== version) return undefined
    return isRight
  }

  /** Makes `bytes` the truth. @requires the block's guard to change it, and no announcement */
  set(partition: number, block: number, bytes: Uint8Array, stamp: Stamp): void {
    const at = this.#at(partition, block)
    this.#sign(at, stamp)
    this.#words[at + CRC] = crc32(bytes) | 0
  }

  /** Notes what the block will hold after a byte-range write. @requires as `set` */
  announce(partition: number, block: number, bytes: Uint8Array, thread: number): void {
    const at = this.#at(partition, block)
    this.#words[at + NEXT_CRC] = crc32(bytes) | 0
    store(this.#words, at + ANNOUNCED, 1 + thread)
  }

  /** What was announced is written. @requires the announcement */
  settle(partition: number, block: number, stamp: Stamp): void {
    const at = this.#at(partition, block)
    this.#sign(at, stamp)
    this.#words[at + CRC] = this.#words[at + NEXT_CRC]!
    store(this.#words, at + ANNOUNCED, 0)
  }

  /** The expected against the found, for a report. */
  mismatch(partition: number, block: number, bytes: Uint8Array, foundBy: string): Mismatch {
    const at = this.#at(partition, block)
    const { files, startMs } = this.memory
    const words = this.#words
    const stamp = newestStamp(bytes)
    return {
      foundBy,
      partition: files[partition]!.name,
      block,
      expected: {
        crc: words[at + CRC]! >>> 0,
        version: words[at + VERSION]!,
        thread: words[at + THREAD]!,
        atMs: startMs + words[at + TIME]!,
      },
      found: {
        crc: crc32(bytes),
        stamp:
          stamp === undefined
            ? undefined
            : { ...stamp, ofPartition: files[stamp.partition]?.name ?? 'an unknown partition' },
      },
    }
  }

  #sign(at: number, { version, thread, atMs }: Stamp): void {
    store(this.#words, at + VERSION, version)
    this.#words[at + THREAD] = thread
    this.#words[at + TIME] = atMs - this.memory.startMs
  }

  #at(partition: number, block: number): number {
    return (this.#firsts[partition]! + block) * ENTRY_WORDS
  }
}
