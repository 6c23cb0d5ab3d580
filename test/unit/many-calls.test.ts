// More concurrent asynchronous calls than a thread has journal entries: they take turns in order, and none is refused as long
// as an entry can still be returned. A caller whose guards hold all entries gets an error.

import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type BlockGuard, CacheError, type Mode, openCache, type Partition } from 'dcache'
import { inThread, refusal, refusalNow, withCache, writeBlocks } from '../support/open.js'
import { tempFolder } from '../support/temp.js'
import { sample } from '../support/size.js'

const GUARDS = 256
const MANY = 300
const SOON = new Uint8Array(100).fill(7)

const turn = () => new Promise((resolve) => setImmediate(resolve))
const many = <T>(count: number, call: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => call(i)))

/** The outcomes of promises, in the order in which they settled. */
function endings<T>(promises: readonly Promise<T>[]): {
  order: number[]
  all: Promise<PromiseSettledResult<T>[]>
} {
  const order: number[] = []
  const all = Promise.allSettled(promises.map((one, i) => one.finally(() => order.push(i))))
  return { order, all }
}

/** A typical task: acquires a block, changes it, releases it. */
async function increment(data: Partition, block: number, pause?: () => Promise<unknown>): Promise<void> {
  const guard = await data.acquire(block, 'modify')
  await pause?.()
  guard.data[8]!++
  guard.markDirty()
  guard.release()
}

async function hold(data: Partition, count: number, mode: Mode = 'read'): Promise<BlockGuard[]> {
  return many(count, (i) => data.acquire(mode === 'read' ? i % 8 : i, mode))
}

const codes = (results: readonly PromiseSettledResult<unknown>[]): string[] =>
  results.map((one) =>
    one.status === 'fulfilled'
      ? 'ok'
      : one.reason instanceof CacheError
        ? one.reason.code
        : String(one.reason),
  )

const count = (list: readonly string[], what: string): number => list.filter((one) => one === what).length

const LARGE = { cached: 2000, dirtyLimit: 1, partitions: { data: { blocks: 2000 } } }

const calls = suite('more calls than entries')

for (const cached of sample([700, 24, 2000], 1)) {
  const options = { ...LARGE, cached }

  calls(`all succeed: writes to absent blocks, then reads, with ${cached} blocks in memory`, () =>
    withCache(options, async ({ data }) => {
      await many(MANY, (i) => data.write(SOON, ((i * 3 + 7) % 2000) * 512 + 5))
      await many(MANY, (i) => data.read(new Uint8Array(100), ((i * 7 + 1000) % 2000) * 512))
      for (let i = 0; i < MANY; i++) {
        const bytes = new Uint8Array(100)
        await data.read(bytes, ((i * 3 + 7) % 2000) * 512 + 5)
        assert.equal(bytes, SOON)
      }
    }),
  )

  calls(`all succeed: tasks that change a block each, with ${cached} blocks in memory`, () =>
    withCache(options, async ({ data }) => {
      const before = new Uint8Array(512)
      await data.read(before, 0)
      for (const pause of [undefined, turn, () => new Promise((resolve) => setTimeout(resolve, 5))])
        await many(1000, (i) => increment(data, i % 500, pause))
      const after = new Uint8Array(512)
      await data.read(after, 0)
      assert.is(after[8], (before[8]! + 6) % 256)
    }),
  )
}

calls('all succeed: tasks whose blocks are cached', () =>
  withCache(LARGE, async ({ data }) => {
    await data.read(new Uint8Array(2000 * 512), 0)
    await many(1000, (i) => increment(data, i))
    await many(1000, async (i) => (await data.acquire(i, 'read')).release())
  }),
)

for (const mode of ['read', 'modify'] as const) {
  calls(`waiting to ${mode} one block do not keep its holder from other blocks`, () =>
    withCache(LARGE, async ({ data, cache }) => {
      const held = await data.acquire(0, 'modify')
      const waiting = many(MANY, async (i) => {
        if (mode === 'read' && i % 2 === 0) return data.read(new Uint8Array(10), 100)
        ;(await data.acquire(0, mode)).release()
      })
      await turn()
      // An absent block, a cached one, and a change: each needs an entry.
      ;(await data.acquire(5, 'read')).release()
      ;(await data.acquire(5, 'modify')).release()
      data.tryAcquire(5, 'read')!.release()
      await data.write(SOON, 6 * 512)
      assert.is(cache.holders().filter(({ what }) => what === 'holds').length, 1)
      held.release()
      await waiting
    }),
  )
}

calls('all succeed: tasks that acquire a second block while they hold the first', () =>
  withCache(LARGE, async ({ data }) => {
    await many(MANY, async (i) => {
      const first = await data.acquire(0, 'modify')
      const second = await data.acquire(1 + i, 'modify')
      second.release()
      first.release()
    })
  }),
)

calls('all succeed: tasks while the caller keeps other guards', () =>
  withCache(LARGE, async ({ data }) => {
    const held = await hold(data, 200)
    await many(1000, (i) => increment(data, 10 + (i % 300), turn))
    for (const guard of held) guard.release()
  }),
)

calls('that wait for entries get them in order, and no hit passes them', () =>
  withCache(LARGE, async ({ data }) => {
    const held = await hold(data, GUARDS)
    const waiting = Array.from({ length: 20 }, async (_, i) => data.acquire(i % 8, 'read'))
    const { order, all } = endings(waiting)
    await turn()
    for (let i = 0; i < 20; i++) {
      held.pop()!.release()
      refusalNow('ERR_DCACHE_GUARDS', () => data.acquireSync(1, 'read'))
      assert.is(data.tryAcquire(1, 'read'), undefined, 'the entry belongs to the first call')
      await turn()
      assert.equal(
        order,
        Array.from({ length: i + 1 }, (_, k) => k),
      )
    }
    for (const one of await all) if (one.status === 'fulfilled') one.value.release()
    for (const guard of held) guard.release()
  }),
)

calls('that are aborted pass their entries on', () =>
  withCache(LARGE, async ({ data }) => {
    const held = await hold(data, GUARDS)
    const controller = new AbortController()
    const { signal } = controller
    const aborted = Array.from({ length: 5 }, () => data.acquire(1, 'read', { signal }))
    const late = data.acquire(1, 'read', { timeoutMs: 1 })
    const last = data.acquire(1, 'read')
    const all = endings([...aborted, late, last]).all
    await new Promise((resolve) => setTimeout(resolve, 20))
    // All in one turn: the first three calls have their entries and are aborted before they resume.
    for (let i = 0; i < 3; i++) held.pop()!.release()
    controller.abort()
    const results = await all
    assert.equal(codes(results), [...Array<string>(5).fill('ERR_DCACHE_ABORTED'), 'ERR_DCACHE_GUARDS', 'ok'])
    ;(await last).release()
    for (const guard of held) guard.release()
    const again = await hold(data, GUARDS)
    for (const guard of again) guard.release()
  }),
)

const limit = suite('the limit of held guards')

limit('refuses a call that only the caller itself could serve', () =>
  withCache(LARGE, async ({ data }) => {
    const held = await hold(data, GUARDS)
    const results = await Promise.allSettled([
      data.acquire(0, 'read'),
      data.acquire(900, 'read'),
      data.acquire(1, 'overwrite'),
      data.write(SOON, 0),
      data.acquire(0, 'read', { timeoutMs: 0 }),
    ])
    assert.equal(codes(results), Array<string>(5).fill('ERR_DCACHE_GUARDS'))
    refusalNow('ERR_DCACHE_GUARDS', () => data.tryAcquire(0, 'read'), GUARDS)
    refusalNow('ERR_DCACHE_GUARDS', () => data.tryAcquire(0, 'modify'), GUARDS)
    for (const guard of held) guard.release()
  }),
)

limit('applies to calls that waited: as many as fit get guards, the others an error', () =>
  withCache(LARGE, async ({ data }) => {
    const held = await hold(data, 200)
    const results = await Promise.allSettled(
      Array.from({ length: MANY }, (_, i) => data.acquire(100 + i, 'modify')),
    )
    assert.is(count(codes(results), 'ok'), GUARDS - 200)
    assert.is(count(codes(results), 'ERR_DCACHE_GUARDS'), MANY - (GUARDS - 200))
    for (const one of results) if (one.status === 'fulfilled') one.value.release()
    for (const guard of held) guard.release()
  }),
)

limit('refuses a Sync call, which does not wait for tasks of its own thread', () =>
  withCache(LARGE, async ({ cache }) => {
    await inThread(cache.handle, 0, async ({ client }) => {
      const data = client.partition('data')
      const loads = Array.from({ length: 300 }, (_, i) =>
        data.acquire(i, 'read').then((one) => one.release()),
      )
      let code = ''
      try {
        data.acquireSync(1999, 'read').release()
      } catch (error) {
        code = (error as { code: string }).code
      }
      if (code !== 'ERR_DCACHE_GUARDS') throw new Error(`acquireSync: ${code}`)
      if (data.tryAcquire(1999, 'read') !== undefined) throw new Error('tryAcquire')
      await Promise.all(loads)
      data.acquireSync(1999, 'read').release()
    })
  }),
)

const ends = suite('the end of calls that wait')

ends('abandon() ends them', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'data')
  writeBlocks(path, 64)
  const cache = await openCache({ memory: '1MiB', partitions: { data: { path, blockSize: 512 } } })
  const data = cache.partition('data')
  const held = await hold(data, GUARDS)
  const all = Promise.allSettled(Array.from({ length: 20 }, (_, i) => data.acquire(i, 'read')))
  await turn()
  await cache.abandon()
  assert.equal(codes(await all), Array<string>(20).fill('ERR_DCACHE_CLOSED'))
  for (const guard of held) guard.release()
})

ends('detach() and close() are refused while a thread has calls under way, and those calls succeed', () =>
  withCache(LARGE, async ({ cache, data }) => {
    const held = await data.acquire(0, 'modify')
    const thread = inThread(cache.handle, 0, async ({ client }) => {
      const part = client.partition('data')
      const tasks = Array.from({ length: 600 }, async (_, i) => {
        const guard = await part.acquire(i, 'modify')
        guard.data[9]!++
        guard.markDirty()
        guard.release()
      })
      let code = ''
      try {
        client.detach()
      } catch (error) {
        code = (error as { code: string }).code
      }
      if (code !== 'ERR_DCACHE_GUARDS_HELD') throw new Error(`detach: ${code}`)
      await Promise.all(tasks)
      client.detach()
    })
    await refusal('ERR_DCACHE_GUARDS_HELD', () => cache.close())
    held.release()
    await thread
  }),
)

calls.run()
limit.run()
ends.run()
