// Other realms (vm contexts, as in Jest) and other copies of the package in one thread: their objects are judged by what they
// are, not by the class that made them.

import { cpSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MessageChannel, moveMessagePortToContext } from 'node:worker_threads'
import { createContext, runInContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type * as dcache from 'dcache'
import { attachCache, CacheError, type CacheHandle } from 'dcache'
import { projectRoot } from '../support/project.js'
import { inThread, refusal, refusalNow, withCache } from '../support/open.js'
import { tempFolder } from '../support/temp.js'

type Package = typeof dcache

/** A second copy of the package, as in another node_modules. */
async function withCopy(body: (copy: Package, url: string) => Promise<void>): Promise<void> {
  using folder = tempFolder()
  for (const name of ['dist', 'package.json'])
    cpSync(join(projectRoot, name), join(folder.path, name), { recursive: true })
  symlinkSync(join(projectRoot, 'node_modules'), join(folder.path, 'node_modules'))
  const url = pathToFileURL(join(folder.path, 'dist/index.js')).href
  await body((await import(url)) as Package, url)
}

/** The value that arrives in another realm when one is posted to it. */
async function inOtherRealm<T>(value: T): Promise<T> {
  const { port1, port2 } = new MessageChannel()
  const moved = moveMessagePortToContext(port1, createContext()) as unknown as {
    onmessage: (event: { data: T }) => void
    start: () => void
    close: () => void
  }
  const arrived = new Promise<T>((resolve) => {
    moved.onmessage = ({ data }) => {
      resolve(data)
    }
  })
  moved.start()
  port2.postMessage(value)
  try {
    return await arrived
  } finally {
    moved.close()
  }
}

test('a handle that arrives in another realm is a handle', () =>
  withCache({}, async ({ cache }) => {
    const handle = await inOtherRealm(cache.handle)
    assert.not(handle.buffer instanceof SharedArrayBuffer)
    assert.is(attachCache(handle), cache)
    const broken = await inOtherRealm<CacheHandle>({
      ...cache.handle,
      buffer: new SharedArrayBuffer(64),
    })
    refusalNow('ERR_DCACHE_BAD_HANDLE', () => attachCache(broken))
  }))

test('bytes of another realm are accepted as bytes, other objects of it are refused', () =>
  withCache({}, async ({ data }) => {
    const realm = createContext()
    const bytes = runInContext('new Uint8Array(700).fill(5)', realm) as Uint8Array
    assert.not(bytes instanceof Uint8Array)
    await data.write(bytes, 100)
    const target = runInContext('new Uint8Array(700)', realm) as Uint8Array
    await data.read(target, 100)
    assert.ok(target.every((byte) => byte === 5))
    for (const other of [
      'new Uint16Array(4)',
      'new DataView(new ArrayBuffer(4))',
      '[1, 2]',
      '({ length: 4 })',
    ]) {
      const thing = runInContext(other, realm) as Uint8Array
      await refusal('ERR_DCACHE_BAD_OPTION', () => data.write(thing, 0))
      await refusal('ERR_DCACHE_BAD_OPTION', () => data.read(thing, 0))
    }
  }))

test('errors of other realms and other copies are CacheErrors', () =>
  withCopy(async (copy) => {
    const mine = new CacheError('ERR_DCACHE_TIMEOUT', 'mine')
    const theirs = new copy.CacheError('ERR_DCACHE_TIMEOUT', 'theirs')
    assert.is.not(copy.CacheError, CacheError)
    assert.ok(theirs instanceof CacheError)
    assert.ok(mine instanceof copy.CacheError)
    assert.is(CacheError.from(theirs), theirs)
    for (const other of [new Error('x'), null, undefined, 'x', { code: 'ERR_DCACHE_TIMEOUT' }])
      assert.not((other as unknown) instanceof CacheError)
    class Special extends CacheError {}
    assert.not(mine instanceof Special)
    assert.ok(new Special('ERR_DCACHE_TIMEOUT', '') instanceof CacheError)
    const cause = runInContext(
      'Object.assign(new Error("EIO"), { code: "EIO", errno: -5 })',
      createContext(),
    ) as Error
    const json = new CacheError('ERR_DCACHE_READ_FAILED', 'm', { cause }).toJSON()
    assert.equal(json.cause, { message: 'EIO', code: 'EIO', errno: -5 })
    const aborted = new CacheError('ERR_DCACHE_ABORTED', 'm', { cause: AbortSignal.abort().reason }).toJSON()
    assert.match(aborted.cause?.message ?? '', /abort/)
    // Values that a message may bring and that are no CacheError.
    for (const odd of [null, 5, 'x']) {
      const from = CacheError.from({ code: 'ERR_DCACHE_TIMEOUT', message: odd, cause: odd }) as CacheError
      assert.is(from.code, 'ERR_DCACHE_TIMEOUT')
      assert.is(typeof from.message, 'string')
    }
  }))

test('a second copy never blocks the owner’s thread', () =>
  withCopy((copy) =>
    withCache({}, async ({ cache, data }) => {
      const client = copy.attachCache(cache.handle)
      assert.is.not(client, cache)
      const other = client.partition('data')
      const held = await data.acquire(3, 'modify')
      // The owner's thread holds the block, so a call that blocked here would last until its deadline.
      refusalNow('ERR_DCACHE_WOULD_BLOCK', () => other.acquireSync(3, 'read', { timeoutMs: 100 }))
      refusalNow('ERR_DCACHE_WOULD_BLOCK', () => other.acquireSync(9, 'read'))
      held.release()
      ;(await other.acquire(3, 'read')).release()
      other.acquireSync(3, 'read').release()
      client.detach()
      ;(await data.acquire(3, 'read')).release()
    }),
  ))

test('a second copy does not block a thread that attached as one that may not block', () =>
  withCopy((_, url) =>
    withCache({}, async ({ cache }) => {
      for (const mayBlock of [true, false]) {
        const seen = await inThread(
          cache.handle,
          { url, handle: cache.handle },
          async ({ args }) => {
            const second = ((await import(args.url)) as Package).attachCache(args.handle)
            try {
              second.partition('data').acquireSync(20, 'read').release()
              return 'read'
            } catch (error) {
              return (error as CacheError).code
            } finally {
              second.detach()
            }
          },
          { mayBlock },
        )
        assert.is(seen, mayBlock ? 'read' : 'ERR_DCACHE_WOULD_BLOCK')
        cache.evictClean()
      }
    }),
  ))

test.run()
