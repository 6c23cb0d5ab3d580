/**
 * A cache for a benchmark, opened on this thread over a file that was filled before.
 */
import type * as Dcache from 'dcache'
import type { BlockCache, CacheOptions } from 'dcache'

/** Memory with which a cache holds `blocks` blocks: one frame in 64 is a spare (docs/tuning.md, "Memory"). */
export const memoryFor = (blocks: number, blockSize: number): number =>
  (Math.ceil((blocks * 64) / 63) + 4) * blockSize

export interface BenchCacheOptions {
  readonly path: string
  readonly blocks: number
  readonly blockSize: number
  readonly policy: CacheOptions['policy'] | undefined
  /** What to import: 'dcache', or the URL of a changed copy. */
  readonly engine?: string
  readonly more?: Partial<CacheOptions>
}

/** Opens a cache and reads every block once, so that all later accesses are hits. */
export async function openFull({
  path,
  blocks,
  blockSize,
  policy,
  engine = 'dcache',
  more = {},
}: BenchCacheOptions): Promise<BlockCache> {
  const { openCache } = (await import(engine)) as typeof Dcache
  const cache = await openCache({
    memory: memoryFor(blocks, blockSize),
    partitions: { main: { path, blockSize } },
    ...(policy === undefined ? {} : { policy }),
    ...more,
  })
  const partition = cache.partition('main')
  for (let block = 0; block < blocks; block++) (await partition.acquire(block, 'read')).release()
  return cache
}

/** Checks the invariants and closes the cache. @throws if an invariant is broken */
export async function closeSound(cache: BlockCache): Promise<void> {
  const broken = cache.check()
  await cache.close()
  if (broken.length > 0) throw new Error(`the cache is broken: ${broken.join('; ')}`)
}
