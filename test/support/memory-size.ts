// The memory option for a cache of a wanted number of blocks, given that some of the frames become spares.

import { geometryOf, parseOptions } from '#dist/shared/config.js'

interface Sized {
  readonly blockSize: number
  readonly group?: string
}

/** The bytes of memory with which the cache holds this number of blocks. */
export function memoryFor(blocks: number, partitions: readonly Sized[]): number {
  const frameSize = Math.max(...partitions.map(({ blockSize }) => blockSize))
  const named = Object.fromEntries(
    partitions.map(({ blockSize, group }, i) => [
      `p${i}`,
      { path: 'none', blockSize, ...(group === undefined ? {} : { group }) },
    ]),
  )
  for (let frames = blocks + 2; ; frames++) {
    const memory = frames * frameSize
    const groups = new Set(partitions.map(({ group }) => group)).size
    if (frames < 2 * groups + 2) continue
    if (geometryOf(parseOptions({ memory, partitions: named })).blocks >= blocks) return memory
  }
}
