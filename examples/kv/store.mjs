// Opening a store: by the owner once for the process, and by each thread that uses it.

import { attachCache, openCache } from 'dcache'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { PAGE } from './node.mjs'
import { MAGIC, MAP, ROOT } from './page-map.mjs'
import { LatchedPage, openPages } from './pages.mjs'
import { openTree } from './tree.mjs'

const GROUP = 'store'

/** Opens the store in a folder, or creates it. Returns the owner's cache; other threads attach with its handle. */
export async function openStore(folder) {
  mkdirSync(folder, { recursive: true })
  const cache = await openCache({
    memory: '4MiB', // less than the tree may have, so that pages are evicted and read again
    groups: { [GROUP]: { journal: { path: join(folder, 'journal'), size: '2MiB' } } },
    partitions: { tree: { path: join(folder, 'tree'), blockSize: PAGE, size: '64MiB', group: GROUP } },
  })
  try {
    await format(cache, cache.partition('tree'))
    return cache
  } catch (error) {
    await cache.abandon()
    throw error
  }
}

/** Makes an empty tree of a partition that has only zeros, before other threads attach. */
async function format(cache, partition) {
  await cache.update([[partition, MAP], [partition, ROOT]], ([map, root]) => {
    if (Buffer.from(map.data).subarray(0, MAGIC.length).equals(MAGIC)) return
    if (map.data.some((byte) => byte !== 0)) throw new Error('the file is not a store of examples/kv')
    map.data.set(MAGIC)
    new LatchedPage(map).changeMap([MAP, ROOT], true)
    new LatchedPage(root).node = { level: 0, low: Buffer.alloc(0), high: undefined, entries: [] }
  }) // prettier-ignore
}

/** The store for this thread, which must not be the owner's: the calls of the tree block. */
export function attachStore(handle, name) {
  const client = attachCache(handle, { name })
  const tree = openTree(openPages(client, client.partition('tree')))
  /** When this returns, all that any thread had written before the call is durable. */
  const flush = () => client.flushSync({ group: GROUP })
  return { ...tree, flush, detach: () => client.detach() }
}
