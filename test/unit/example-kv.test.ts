// @deadline 400
// The tree of examples/kv: against a Map, and under several threads with the checker of the example at the end.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BlockCache } from 'dcache'
import { projectRoot } from '../support/project.js'
import { sized } from '../support/size.js'
import { tempFolder } from '../support/temp.js'
import { inThreads } from '../support/threads.js'
import type { Args } from './workers/example-kv.js'

const THREADS = import.meta.resolve('./workers/example-kv.js')
const { openStore } = (await import(pathToFileURL(join(projectRoot, 'examples/kv/store.mjs')).href)) as {
  openStore: (folder: string) => Promise<BlockCache>
}

async function run<T>(
  cache: BlockCache,
  name: string,
  threads: number,
  seed: number,
  steps: number,
): Promise<T[]> {
  const args: Args = { handle: cache.handle, seed, steps }
  return inThreads<T>(THREADS, name, { threads, buffer: new SharedArrayBuffer(4), args, deadlineMs: 300_000 })
}

test('the tree has what a Map has, in order, while it grows and until it is empty', async () => {
  using folder = tempFolder()
  const cache = await openStore(folder.path)
  const seed = Math.floor(Math.random() * 2 ** 31)
  console.log(`# kv: seed ${seed}`)
  const [pages] = await run<number>(cache, 'againstMap', 1, seed, sized(1000, 3000))
  console.log(`# kv: up to ${pages!} pages`)
  assert.equal(cache.check(), [])
  await cache.close()
})

test('several threads share pairs of keys: no pair is half, and the tree is whole, also when it is opened again', async () => {
  using folder = tempFolder()
  let cache = await openStore(folder.path)
  const seed = Math.floor(Math.random() * 2 ** 31)
  console.log(`# kv: seed ${seed}`)
  await run(cache, 'sharePairs', 3, seed, sized(300, 1500))
  const [keys] = await run<number>(cache, 'checkPairs', 1, 0, 0)
  assert.equal(cache.check(), [])
  await cache.close()
  cache = await openStore(folder.path)
  assert.equal(await run<number>(cache, 'checkPairs', 1, 0, 0), [keys])
  await cache.close()
})

test.run()
