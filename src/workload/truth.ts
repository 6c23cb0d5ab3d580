/**
 * The truth: a table in shared memory, outside the cache, with the expected contents of every block. The block's own
 * guard protects its entry. A thread that changes a block updates the entry before it releases the guard, and a thread
 * that reads the block compares under its read guard. So the next reader detects a stale, torn or misplaced block.
 *
 * A byte-range write does not return a guard. The writer first acquires the block to modify, and notes in the entry the
 * future contents and that no other thread may change the block (`announce`). Then it releases the guard, writes, and
 * makes the note the truth (`settle`). In between, a reader may find either contents.
 */
import { load, store, type Words } from '#atomics'
import { crc32 } from 'node:zlib'
import { newestStamp, type Stamp } from './stamp.js'

/** The file of a partition. */
export interface LoadFile {
  readonly name: string
  readonly path: string
  readonly blockSize: number
  readonly blocks: number
  /** As many as the load may make it grow to. Default: it does not grow. */
  readonly blocksMax?: number
}

/** The rows that a file has in the table. */
const rowsOf = ({ blocks, blocksMax = blocks }: LoadFile): number => blocksMax

/** The words of a block's entry. */
const CRC = 0
const VERSION = 1
const THREAD = 2
/** Milliseconds since the table was made. */
const TIME = 3
/** 0, or 1 + the thread that has announced a byte-range write. */
const ANNOUNCED = 4
const NEXT_CRC = 5
const ENTRY_WORDS = 6

/** Can be posted to threads: its clones share the memory. */
export interface TruthMemory {
  readonly buffer: SharedArrayBuffer
  readonly startMs: number
  readonly files: readonly LoadFile[]
}

/** A block with unexpected contents. */
export interface Mismatch {
  /** What found it: a kind of access and its thread, or the final comparison of the file. */
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
    this.#firsts = memory.files.map((file) => (row += rowsOf(file)) - rowsOf(file))
  }

  /** Creates a table in which only the blocks that files may grow by are described: they are zeros. 24 bytes a block. */
  static create(files: readonly LoadFile[]): Truth {
    const rows = files.reduce((sum, file) => sum + rowsOf(file), 0)
    const buffer = new SharedArrayBuffer(rows * ENTRY_WORDS * 4)
    const truth = new Truth({ buffer, startMs: Date.now(), files })
    for (const [partition, file] of files.entries()) {
      const zeros = new Uint8Array(file.blockSize)
      for (let block = file.blocks; block < rowsOf(file); block++) truth.setOriginal(partition, block, zeros)
    }
    return truth
  }

  /** Records the contents of a block before the load. */
  setOriginal(partition: number, block: number, bytes: Uint8Array): void {
    this.#words[this.#at(partition, block) + CRC] = crc32(bytes) | 0
  }

  /** 0 until the first change. */
  version(partition: number, block: number): number {
    return load(this.#words, this.#at(partition, block) + VERSION)
  }

  /** Whether a byte-range write is in progress. */
  isAnnounced(partition: number, block: number): boolean {
    return load(this.#words, this.#at(partition, block) + ANNOUNCED) !== 0
  }

  /** Whether `bytes` are the expected contents. @requires a guard of the block, or that no thread writes it */
  holds(partition: number, block: number, bytes: Uint8Array): boolean {
    const at = this.#at(partition, block)
    // Read before the checksums: if the note is settled in the meantime, its checksum is in both CRC and NEXT_CRC.
    const isAnnounced = load(this.#words, at + ANNOUNCED) !== 0
    const crc = crc32(bytes) | 0
    return crc === this.#words[at + CRC] || (isAnnounced && crc === this.#words[at + NEXT_CRC])
  }

  /**
   * Whether bytes that were read without a guard are the expected contents: true, false, or undefined if the block
   * changed during the read. `version` is the version from before the read.
   */
  heldAt(partition: number, block: number, version: number, bytes: Uint8Array): boolean | undefined {
    const at = this.#at(partition, block)
    const isRight = (crc32(bytes) | 0) === this.#words[at + CRC]
    // Checked after the checksum: a writer changes the version first and clears the announcement last.
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

  /** Makes the announced contents the truth after the write. @requires the announcement */
  settle(partition: number, block: number, stamp: Stamp): void {
    const at = this.#at(partition, block)
    this.#sign(at, stamp)
    this.#words[at + CRC] = this.#words[at + NEXT_CRC]!
    store(this.#words, at + ANNOUNCED, 0)
  }

  /** Describes the expected and the found contents for the report. */
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
