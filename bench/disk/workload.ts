/**
 * The writes of the variants of `disk`: which blocks are written each time, and the number in each block that proves at
 * the end that the file has the last write.
 */
import { Random } from '#dist/workload/random.js'
import { closeSync, constants, fsyncSync, openSync, readSync, writeSync } from 'node:fs'

export const BLOCK_SIZE = 8192
const MIB = 2 ** 20

export interface FlushWork {
  /** The files, and the number of blocks of each. */
  readonly paths: readonly string[]
  readonly blocks: number
  /** Number of blocks of each file that are written at a time. */
  readonly count: number
  readonly order: 'neighbours' | 'random'
  readonly direct: boolean
  /** For each file, the number that each block must have at the end; 0: never written. */
  readonly wanted: readonly Int32Array<SharedArrayBuffer>[]
}

/** The partition names of a cache over these files. */
export const partitionName = (file: number): string => `file${file}`

/** The blocks of the n-th write, distinct and not sorted. */
export function blocksOf({ blocks, count, order }: FlushWork): (time: number) => Uint32Array {
  const all = Uint32Array.from({ length: blocks }, (_, i) => i)
  if (order === 'random') {
    const random = new Random(1, 0)
    for (let i = blocks - 1; i > 0; i--) {
      const other = random.below(i + 1)
      const block = all[i]!
      all[i] = all[other]!
      all[other] = block
    }
  }
  const times = Math.floor(blocks / count)
  return (time) => all.slice((time % times) * count, (time % times) * count + count)
}

/** Creates a file with all blocks allocated, so that the benchmark does not measure the allocation of extents. */
export function makeFile(path: string, blocks: number): void {
  const fd = openSync(path, 'w')
  try {
    const bytes = new Uint8Array(Math.min(MIB, blocks * BLOCK_SIZE))
    for (let at = 0; at < blocks * BLOCK_SIZE;)
      at += writeSync(fd, bytes, 0, Math.min(bytes.length, blocks * BLOCK_SIZE - at), at)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

export const openToWrite = (path: string, direct: boolean): number =>
  openSync(path, constants.O_RDWR | (direct ? constants.O_DIRECT : 0))

/** Checks the files. @throws if a block does not have the number of its last write */
export function verify({ paths, wanted }: Pick<FlushWork, 'paths' | 'wanted'>): void {
  const word = new Int32Array(1)
  paths.forEach((path, file) => {
    const fd = openSync(path, 'r')
    try {
      wanted[file]!.forEach((number, block) => {
        readSync(fd, word, 0, 4, block * BLOCK_SIZE)
        if (word[0] !== number)
          throw new Error(`${path}, block ${block}: found ${word[0]}, expected ${number}`)
      })
    } finally {
      closeSync(fd)
    }
  })
}
