/**
 * A warm restart in the middle of a trace: how many of the next accesses are hits, with the list of what was cached and without.
 */
import { type BlockCache, openCache } from 'dcache'
import { rmSync, truncateSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryFor } from '../harness/cache.js'
import { makeFolder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'

export const RESTARTS: readonly Column[] = [
  { key: 'cold', title: 'cold', unit: '%' },
  { key: 'warm', title: 'warm', unit: '%' },
]

const BLOCK = 512
/** Of the trace's distinct blocks. */
const SHARE = 1 / 8
/** A cache that has read back nothing for so long has all. */
const QUIET_MS = 300

/** Replays up to `most` accesses: half of them, then a restart, then a tenth of the other half, of which the hits are counted. */
export async function restartRow(name: string, whole: Uint32Array, most: number): Promise<Row> {
  using folder = makeFolder()
  const trace = whole.subarray(0, most)
  const middle = trace.length >> 1
  const end = middle + Math.floor((trace.length - middle) / 10)
  const blocks = Math.max(64, Math.round(new Set(trace).size * SHARE))
  const path = folder.path('blocks')
  writeFileSync(path, '')
  truncateSync(path, (trace.reduce((a, b) => Math.max(a, b), 0) + 1) * BLOCK)
  const open = (warm?: string): Promise<BlockCache> =>
    openCache({
      memory: memoryFor(blocks, BLOCK),
      partitions: { main: { path, blockSize: BLOCK } },
      readAheadBytes: 0,
      ...(warm !== undefined && { warm, warmBytesPerSecond: '1GiB' }),
    })
  const list = folder.path('list')
  const first = await open()
  await hitsIn(first, trace.subarray(0, middle))
  await first.close({ warm: list })
  const percent = async (warm?: string): Promise<number> => {
    const cache = await open(warm)
    if (warm !== undefined) await untilQuiet(cache)
    const hits = await hitsIn(cache, trace.subarray(middle, end))
    await cache.close({ warm: folder.path('unused') })
    return (100 * hits) / (end - middle)
  }
  const figures = { cold: await percent(), warm: await percent(list) }
  rmSync(path)
  return { parameters: { trace: name, accesses: trace.length, blocks }, figures }
}

async function hitsIn(cache: BlockCache, trace: Uint32Array): Promise<number> {
  const partition = cache.partition('main')
  let hits = 0
  for (const block of trace) {
    const guard = partition.tryAcquire(block, 'read')
    if (guard !== undefined) hits++
    ;(guard ?? (await partition.acquire(block, 'read'))).release()
  }
  return hits
}

async function untilQuiet(cache: BlockCache): Promise<void> {
  for (let before = -1, loaded = 0; loaded !== before;) {
    before = loaded
    await sleep(QUIET_MS)
    loaded = cache.stats().prefetch.loaded
  }
}
