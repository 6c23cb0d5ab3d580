// @deadline 120
// An owner that ends: all calls of other threads fail with ERR_DCACHE_ORPHANED long before their deadlines. They fail at
// once if the thread that created the owner is attached; otherwise calls that wait for the flush worker notice its silence.

import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { attachCache, CacheError, type CacheHandle } from 'dcache'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tempFolder } from '../support/temp.js'
import { onlyNormal } from '../support/size.js'

const isOrphaned = (error: unknown): boolean =>
  error instanceof CacheError && error.code === 'ERR_DCACHE_ORPHANED'

async function startOwner(path: string): Promise<{ owner: Worker; handle: CacheHandle }> {
  const owner = new Worker(new URL('./orphan-owner.js', import.meta.url), { workerData: { path } })
  const [handle] = (await once(owner, 'message')) as [CacheHandle]
  return { owner, handle }
}

test('the thread that created the owner tells all threads at once', async () => {
  using folder = tempFolder()
  const { owner, handle } = await startOwner(join(folder.path, 'a'))
  const cache = attachCache(handle)
  const a = cache.partition('a')
  await a.write(new Uint8Array(4096).fill(1), 0)
  await cache.flush()
  await a.write(new Uint8Array(4096).fill(2), 0)
  await owner.terminate()
  await a.acquire(0, 'read').then(
    () => assert.unreachable('there is no owner'),
    (error: unknown) => assert.ok(isOrphaned(error)),
  )
  await cache.flush().then(
    () => assert.unreachable('no thread writes'),
    (error: unknown) => assert.ok(isOrphaned(error)),
  )
  assert.throws(() => attachCache(handle), isOrphaned)
})

onlyNormal(test, 'a call that waits for the flush worker notices that it does not answer', async () => {
  using folder = tempFolder()
  const { owner, handle } = await startOwner(join(folder.path, 'a'))
  const waiter = new Worker(new URL('./orphan-waiter.js', import.meta.url), { workerData: { handle } })
  await once(waiter, 'message')
  const exit = once(waiter, 'exit')
  await owner.terminate()
  waiter.postMessage('go on')
  const [code] = (await once(waiter, 'message')) as [string]
  assert.is(code, 'ERR_DCACHE_ORPHANED')
  await exit
})

test.run()
