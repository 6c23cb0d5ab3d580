// The cache of the killed commits: the sets of ../stress/commit-sets.ts and a counter, in one group with a small journal.

import { join } from 'node:path'
import { type BlockCache, openCache } from 'dcache'
import { PARTITIONS } from '../stress/commit-sets.js'

const COUNTER_BYTES = 512

export function openCommits(folder: string): Promise<BlockCache> {
  const files = Object.entries({ ...PARTITIONS, counter: { blockSize: COUNTER_BYTES, blocks: 1 } })
  return openCache({
    memory: 80 * 4096,
    flushDelayMs: 5,
    groups: { '': { journal: { path: join(folder, 'journal'), size: 28 * 4096 } } },
    partitions: Object.fromEntries(
      files.map(([name, { blockSize, blocks }]) => [
        name,
        { path: join(folder, name), blockSize, size: blockSize * blocks },
      ]),
    ),
  })
}

/** The counter, in its first word. */
export const counterIn = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0)
