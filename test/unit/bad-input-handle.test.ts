// Bad handles, threads that attach when no slot is left, and closing or detaching while guards are held: each is refused
// with an error of its own, and the cache stays usable.

import { inspect } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { attachCache, type CacheHandle, openCache } from 'dcache'
import {
  assertSound,
  blockBytes,
  copyOf,
  Gates,
  inThread,
  memoryFor,
  refusal,
  refusalNow,
  startThread,
  until,
  withCache,
  writeBlocks,
} from '../support/open.js'
import { tempFolder } from '../support/temp.js'
import { Header } from '#dist/shared/words.js'

const handles = suite('handles')

for (const thing of [undefined, null, 5, 'handle', {}, [], { buffer: new SharedArrayBuffer(4096) }]) {
  handles(`a value that is no handle is refused: ${inspect(thing)}`, async () => {
    refusalNow('ERR_DCACHE_BAD_HANDLE', () => attachCache(thing as CacheHandle))
  })
}

handles('a handle of another version is refused', () =>
  withCache({}, ({ cache, arena }) => {
    const { handle } = cache
    refusalNow('ERR_DCACHE_VERSION', () => attachCache({ ...handle, dcache: 99 }), 99)
    const version = arena.words[Header.version]!
    arena.words[Header.version] = 77
    refusalNow('ERR_DCACHE_VERSION', () => attachCache(handle), 77)
    arena.words[Header.version] = version
    assert.is(attachCache(handle), cache)
  }),
)

handles('a handle with a foreign buffer is refused', () =>
  withCache({}, ({ cache, arena }) => {
    const { handle } = cache
    for (const size of [0, 16, 4096, handle.buffer.byteLength]) {
      const buffer = new SharedArrayBuffer(size)
      refusalNow('ERR_DCACHE_BAD_HANDLE', () => attachCache({ ...handle, buffer }))
    }
    const buffer = new ArrayBuffer(handle.buffer.byteLength) as unknown as SharedArrayBuffer
    refusalNow('ERR_DCACHE_BAD_HANDLE', () => attachCache({ ...handle, buffer }))
    const short = new SharedArrayBuffer(65536)
    new Int32Array(short).set(arena.words.subarray(0, 16384))
    refusalNow('ERR_DCACHE_BAD_HANDLE', () => attachCache({ ...handle, buffer: short }), 65536)
  }),
)

handles('a handle with a foreign memory is refused', () =>
  withCache({}, ({ cache: { handle } }) =>
    withCache({}, ({ cache: other }) => {
      const sized = { initial: 1, maximum: 1, shared: true } as const
      const { memory } = other.handle
      const plain = { buffer: handle.buffer }
      for (const foreign of [memory, new WebAssembly.Memory(sized), plain, {}, 'memory', null])
        refusalNow('ERR_DCACHE_BAD_HANDLE', () =>
          attachCache({ ...handle, memory: foreign as typeof memory }),
        )
    }),
  ),
)

handles('a handle with the id of another cache is refused', () =>
  withCache({}, ({ cache }) =>
    withCache({ partitions: { a: {}, b: {} } }, ({ cache: other }) => {
      refusalNow('ERR_DCACHE_BAD_HANDLE', () => attachCache({ ...cache.handle, id: other.handle.id }))
      refusalNow('ERR_DCACHE_BAD_HANDLE', () => attachCache({ ...cache.handle, id: 'zz' }))
    }),
  ),
)

handles('the handle of a closed cache is refused, in the owner’s thread and in others', async () => {
  using folder = tempFolder()
  const path = `${folder.path}/data`
  writeBlocks(path, 4)
  const options = { memory: memoryFor(4), partitions: { data: { path, blockSize: 512 } } }
  const cache = await openCache(options)
  const { handle } = cache
  const partition = cache.partition('data')
  ;(await partition.acquire(0, 'read')).release()
  await cache.close()
  refusalNow('ERR_DCACHE_CLOSED', () => attachCache(handle))
  await refusal('ERR_DCACHE_CLOSED', () => inThread(handle, 0, () => undefined))
  // The partitions are as before.
  await refusal('ERR_DCACHE_CLOSED', () => partition.acquire(0, 'read'))
  await refusal('ERR_DCACHE_CLOSED', () => partition.acquire(1, 'read'))
  await refusal('ERR_DCACHE_CLOSED', () => partition.read(new Uint8Array(4), 0))
  await refusal('ERR_DCACHE_CLOSED', () => partition.write(new Uint8Array(4), 0))
  refusalNow('ERR_DCACHE_CLOSED', () => partition.tryAcquire(0, 'read'))
  refusalNow('ERR_DCACHE_CLOSED', () => partition.tryAcquire(1, 'read'))
  refusalNow('ERR_DCACHE_CLOSED', () => partition.acquireSync(0, 'modify'))
  refusalNow('ERR_DCACHE_CLOSED', () => partition.forget(0, 1))
  await refusal('ERR_DCACHE_CLOSED', () => cache.flush())
  await refusal('ERR_DCACHE_CLOSED', () => cache.retry('data'))
  refusalNow('ERR_DCACHE_CLOSED', () => cache.kick())
  refusalNow('ERR_DCACHE_CLOSED', () => cache.check())
  refusalNow('ERR_DCACHE_CLOSED', () => cache.evictClean())
  await cache.close()
  await using again = await openCache(options)
  assert.equal(again.check(), [])
})

handles('a thread that finds no slot is refused until another one detaches', () =>
  withCache({ threads: 2 }, async ({ cache }) => {
    const gates = new Gates()
    const threads = [1, 2].map((gate) =>
      startThread(
        cache.handle,
        gate,
        ({ args, open, pass }) => {
          open(args)
          pass(10 + args)
        },
        { gates },
      ),
    )
    await Promise.all([gates.opened(1), gates.opened(2)])
    await refusal('ERR_DCACHE_THREADS', () => inThread(cache.handle, 0, () => undefined), 2)
    gates.open(11)
    await threads[0]!.result
    await inThread(cache.handle, 0, ({ client }) => client.partition('data').acquireSync(1, 'read').release())
    gates.open(12)
    await threads[1]!.result
  }),
)

handles.run()

const leaving = suite('close and detach while guards are held')

leaving('close is refused while the owner or another thread holds a guard', () =>
  withCache({}, async ({ cache, data }) => {
    for (const mode of ['read', 'modify'] as const) {
      const guard = await data.acquire(3, mode)
      await refusal('ERR_DCACHE_GUARDS_HELD', () => cache.close(), 1)
      guard.release()
      const gates = new Gates()
      const thread = startThread(
        cache.handle,
        mode,
        ({ client, args, open, pass }) => {
          const held = client.partition('data').acquireSync(3, args)
          open(0)
          pass(1)
          const answer = held.data[3]
          held.release()
          return answer
        },
        { gates },
      )
      await gates.opened(0)
      await refusal('ERR_DCACHE_GUARDS_HELD', () => cache.close(), thread.worker.threadId)
      // The cache stays usable for the owner and for the thread.
      {
        using other = await data.acquire(4, 'read')
        assert.equal(copyOf(other.data), blockBytes(4))
      }
      gates.open(1)
      assert.is(await thread.result, 3)
      assertSound(cache)
    }
  }),
)

leaving('detach is refused while guards are held', () =>
  withCache({}, async ({ cache }) => {
    const code = await inThread(cache.handle, 0, ({ client }) => {
      const guard = client.partition('data').acquireSync(3, 'modify')
      try {
        client.detach()
        return 'nothing was refused'
      } catch (error) {
        guard.release()
        client.partition('data').acquireSync(3, 'modify').release()
        return (error as { code: string }).code
      }
    })
    assert.is(code, 'ERR_DCACHE_GUARDS_HELD')
    await until('the slot', () => cache.stats().threads === 2)
  }),
)

leaving('every call of a detached client is refused', () =>
  withCache({}, async ({ cache }) => {
    const codes = await inThread(cache.handle, 0, async ({ client }) => {
      const partition = client.partition('data')
      partition.acquireSync(1, 'read').release()
      client.detach()
      client.detach()
      const uses: (() => unknown)[] = [
        () => partition.acquireSync(1, 'read'),
        () => partition.acquireSync(2, 'modify'),
        () => partition.tryAcquire(1, 'read'),
        () => partition.acquire(1, 'read'),
        () => partition.forget(1, 1),
        () => client.flush(),
        () => client.flushSync(),
        () => client.kick(),
        () => client.check(),
      ]
      const found: string[] = []
      for (const use of uses) {
        try {
          await use()
          found.push(`nothing was refused: ${use.toString()}`)
        } catch (error) {
          found.push((error as { code: string }).code)
        }
      }
      return found
    })
    assert.equal([...new Set(codes)], ['ERR_DCACHE_CLOSED'], codes.join(', '))
  }),
)

leaving.run()
