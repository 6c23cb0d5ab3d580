// The objects of the interface in a log: each is one short line or a small JSON, at any time of its life.

import { inspect } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attachCache, CacheError } from 'dcache'
import { inThread, withCache } from '../support/open.js'

const LONG = 200

/** The object must print as one line and a small JSON with these texts, alone and at any depth in other objects. */
function assertShort(thing: unknown, ...texts: string[]): void {
  for (const text of [
    inspect(thing),
    inspect(thing, { depth: 0 }),
    inspect(thing, { depth: Infinity, showHidden: true }),
    inspect(thing, { colors: true, compact: false }),
  ]) {
    assert.ok(text.length < LONG && !text.includes('\n'), text)
    for (const part of texts) assert.ok(text.includes(part), `${text}: ${part}`)
  }
  for (const nested of [
    [thing],
    { a: { b: { c: { d: thing } } } },
    new Map([['x', thing]]),
    [[thing], [thing]],
  ])
    assert.ok(inspect(nested, { depth: Infinity }).length < 3 * LONG)
  const json = JSON.stringify({ deep: [thing] })
  assert.ok(json.length > 20 && json.length < LONG, json)
}

test('caches, partitions, handles and guards print as one line', () =>
  withCache({}, async ({ cache, data }) => {
    assertShort(cache, 'Cache', 'open', "'data'")
    assertShort(cache.handle, 'CacheHandle', cache.handle.id)
    assertShort(data, 'Partition', "'data'", '64 blocks')
    for (const mode of ['read', 'modify', 'overwrite'] as const) {
      const guard = await data.acquire(7, mode)
      assertShort(guard, 'block 7', mode)
      assert.equal(JSON.parse(JSON.stringify(guard)), {
        partition: 'data',
        block: 7,
        mode,
        isReleased: false,
      })
      if (mode !== 'read') guard.markDirty()
      assertShort(guard, 'block 7', mode)
      guard.release()
      assertShort(guard, 'block 7', 'released')
    }
  }))

test('objects of a closed cache and of a detached thread print as one line', async () => {
  const kept: [unknown, string][] = []
  await withCache({}, async ({ cache, data }) => {
    const guard = await data.acquire(1, 'read')
    guard.release()
    kept.push([cache, 'closed'], [data, 'data'], [guard, 'released'], [cache.handle, cache.handle.id])
    const texts = await inThread(cache.handle, 0, ({ client }) => {
      const partition = client.partition('data')
      client.detach()
      return [JSON.stringify([client, partition])]
    })
    assert.ok(texts[0]!.includes('detached') && texts[0]!.length < 300, texts[0])
  })
  for (const [thing, text] of kept) assertShort(thing, text)
})

test('the line stays short with many partitions and long names', () => {
  const partitions = Object.fromEntries(
    Array.from({ length: 12 }, (_, i) => [`partition ${i}`, { blocks: 8, readOnly: true }]),
  )
  return withCache({ partitions, memory: '1MiB' }, ({ cache, data }) => {
    assert.ok(inspect(cache).length < 300 && inspect(cache).includes('and 7 more'), inspect(cache))
    assertShort(data, 'read-only')
  })
})

test('a handle can still be sent to another thread', () =>
  withCache({}, async ({ cache }) => {
    const clone = structuredClone(cache.handle)
    assert.equal(Object.keys(clone), Object.keys(cache.handle))
    assert.is(attachCache(clone), cache)
    assert.is(attachCache({ ...cache.handle }), cache)
    assert.ok(JSON.stringify(clone).length < 1000)
  }))

test('an error shows its code and its cause', () => {
  const cause = Object.assign(new Error('EIO'), { code: 'EIO' })
  const error = new CacheError('ERR_DCACHE_READ_FAILED', 'block 1', { cause })
  const text = inspect(error)
  assert.ok(text.includes('ERR_DCACHE_READ_FAILED') && text.includes('block 1') && text.includes('EIO'))
  assert.equal(JSON.parse(JSON.stringify(error)), {
    name: 'CacheError',
    code: 'ERR_DCACHE_READ_FAILED',
    message: 'block 1',
    cause: { message: 'EIO', code: 'EIO' },
  })
})

test.run()
