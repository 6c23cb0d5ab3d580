// Threads and their slots: attaching, detaching, and the release of a slot when its thread ends.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { attachCache, type CacheEvents, type ThreadInfo } from 'dcache'
import { Gates, inThread, startThread, until, withCache } from '../support/open.js'

const slots = suite('slots')

slots('a thread that attaches twice gets the same client', () =>
  withCache({}, async ({ cache }) => {
    assert.is(attachCache(cache.handle), cache)
    assert.is(attachCache(structuredClone(cache.handle)), cache, 'the owner’s too')
    const args = { handle: cache.handle, url: import.meta.resolve('dcache') }
    const found = await inThread(cache.handle, args, async ({ client, args }) => {
      const dcache = (await import(args.url)) as { attachCache: (handle: unknown) => unknown }
      const isSame = dcache.attachCache(args.handle) === client
      client.detach()
      const later = dcache.attachCache(args.handle) as typeof client
      const isOther = later !== client
      const { threads } = later.stats()
      later.detach()
      return { isSame, isOther, threads }
    })
    assert.equal(found, { isSame: true, isOther: true, threads: 3 })
  }),
)

slots('each thread is listed as long as it is attached', () =>
  withCache({ threads: 2 }, async ({ cache }) => {
    const names = (threads: readonly ThreadInfo[]) => threads.map(({ name }) => name)
    const before = names(cache.threads())
    assert.is(before.length, cache.stats().threads)
    const seen = await inThread(cache.handle, 0, ({ client }) => client.threads())
    assert.equal(names(seen).sort(), [...before, ''].sort())
    assert.ok(seen.every(({ alive }) => alive))
    assert.is(new Set(seen.map(({ slot }) => slot)).size, seen.length)
    assert.equal(names(cache.threads()), before)
  }),
)

slots('detach releases the slot', () =>
  withCache({ threads: 1 }, async ({ cache }) => {
    for (let i = 0; i < 3; i++) {
      const threads = await inThread(cache.handle, 0, ({ client }) => client.stats().threads)
      assert.is(threads, 3, 'the owner, the flush worker, and the thread')
      assert.is(cache.stats().threads, 2)
    }
  }),
)

for (const [how, exit] of [
  ['ends without detaching', 'end'],
  ['exits', 'exit'],
  ['is terminated', 'terminate'],
  ['throws', 'throw'],
] as const) {
  slots(`the slot of a thread that ${how} is released, and the owner is told`, () =>
    withCache({ threads: 1 }, async ({ cache }) => {
      for (let i = 0; i < 3; i++) {
        const died = new Promise<CacheEvents['workerDied']>((resolve) => {
          const listener = (info: CacheEvents['workerDied']) => {
            cache.off('workerDied', listener)
            resolve(info)
          }
          cache.on('workerDied', listener)
        })
        const gates = new Gates()
        const { worker } = startThread(
          cache.handle,
          exit,
          ({ client, args, open, pass }) => {
            client.partition('data').acquireSync(1, 'read').release()
            open(0)
            if (args === 'terminate') pass(1)
            if (args === 'throw') setImmediate(() => { throw new Error('on purpose') }) // prettier-ignore
            if (args !== 'end') setTimeout(() => process.exit(3), 20)
            // The thread does not detach: the test's thread does that only after this function returns.
            return new Promise(args === 'end' ? () => undefined : () => setInterval(() => undefined, 1000))
          },
          { gates },
        )
        const { threadId } = worker
        await gates.opened(0)
        if (exit === 'terminate') await worker.terminate()
        const info = await died
        assert.is(info.threadId, threadId)
        await until('the slot', () => cache.stats().threads === 2)
        await until('the count', () => cache.stats().deaths === i + 1)
      }
      await inThread(cache.handle, 0, ({ client }) =>
        client.partition('data').acquireSync(2, 'read').release(),
      )
    }),
  )
}

slots('a thread that detached is not reported', () =>
  withCache({}, async ({ cache }) => {
    const heard: unknown[] = []
    cache.on('workerDied', (info) => heard.push(info))
    await inThread(cache.handle, 0, () => undefined)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(heard, [])
  }),
)

slots.run()
