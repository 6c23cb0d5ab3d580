/**
 * The workload that all variants of `hit` share: the file's contents, the order in which a lane accesses the blocks,
 * and the byte that it reads of each. The sums expose a variant that returns a wrong byte.
 */
import { Random } from '#dist/workload/random.js'
import { blockSource, type Pattern } from '#dist/workload/pattern.js'
import { closeSync, openSync, writeSync } from 'node:fs'

export const BLOCK_SIZE = 8192
export const PATTERNS = ['uniform', 'zipf', 'hot'] as const
export type PatternName = (typeof PATTERNS)[number]

export interface Workload {
  readonly path: string
  readonly blocks: number
  /** The sequence of each lane. Its length is a power of two. */
  readonly sequences: readonly Uint32Array<SharedArrayBuffer>[]
}

/** The byte of a block that is read. It is spread, so that the blocks do not compete for the same cache sets. */
export const keyHighOf = (block: number): number => Math.imul(block, 0x9e3779b1) >>> 19

/** The contents of a block, as words. */
const wordOf = (block: number, word: number): number =>
  Math.imul(block + 1, 0x85ebca6b) ^ Math.imul(word + 1, 0xc2b2ae35)

export function byteOf(block: number, place: number): number {
  return (wordOf(block, place >>> 2) >>> ((place & 3) * 8)) & 255
}

/** Fills a file with this many blocks. */
export function writeBlocks(path: string, blocks: number): void {
  const fd = openSync(path, 'w')
  try {
    const chunk = new Int32Array((BLOCK_SIZE / 4) * Math.min(blocks, 128))
    const bytes = new DataView(chunk.buffer)
    const perChunk = chunk.byteLength / BLOCK_SIZE
    for (let first = 0; first < blocks; first += perChunk) {
      const count = Math.min(perChunk, blocks - first)
      for (let block = 0; block < count; block++)
        for (let word = 0; word < BLOCK_SIZE / 4; word++)
          bytes.setInt32(block * BLOCK_SIZE + word * 4, wordOf(first + block, word), true)
      writeSync(fd, chunk, 0, count * BLOCK_SIZE, first * BLOCK_SIZE)
    }
  } finally {
    closeSync(fd)
  }
}

/** The blocks that lane `lane` accesses, repeatedly. */
export function sequenceOf(name: PatternName, blocks: number, lane: number): Uint32Array<SharedArrayBuffer> {
  const length = Math.min(2 ** 19, Math.max(2 ** 14, 4 * 2 ** Math.ceil(Math.log2(blocks))))
  const sequence = new Uint32Array(new SharedArrayBuffer(length * 4))
  if (name === 'hot') return sequence.fill(blocks >>> 1)
  const pattern: Pattern = name === 'zipf' ? { kind: 'zipf', exponent: 0.99 } : { kind: 'uniform' }
  const next = blockSource(pattern, blocks, new Random(1, lane), lane, 1)
  for (let i = 0; i < length; i++) sequence[i] = next()
  return sequence
}

/** For `Task.expected`: the sums of the bytes of a sequence that is repeated. */
export function expectation(sequence: Uint32Array): (from: number, count: number) => number {
  const before = new Int32Array(sequence.length + 1)
  for (let i = 0; i < sequence.length; i++)
    before[i + 1] = before[i]! + byteOf(sequence[i]!, keyHighOf(sequence[i]!))
  const upTo = (count: number): number =>
    Math.imul(Math.floor(count / sequence.length), before[sequence.length]!) +
    before[count % sequence.length]!
  return (from, count) => (upTo(from + count) - upTo(from)) | 0
}
