// Bad arguments and misused guards: each call is refused with a code of its own and the value in the message, changes
// nothing, leaves nothing held, and the next call works.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { BlockGuard, Mode, Partition } from 'dcache'
import {
  assertSound,
  type Bench,
  inThread,
  type OpenOptions,
  refusal,
  refusalNow,
  withCache,
} from '../support/open.js'
import { sample } from '../support/size.js'

/** Runs a test on a file of 8 blocks; afterwards the cache must work and the file be unchanged. */
async function unchanged(
  body: (bench: Bench) => Promise<void> | void,
  options: OpenOptions = {},
): Promise<void> {
  await withCache({ partitions: { data: { blocks: 8 } }, ...options }, async (bench) => {
    const before = Array.from({ length: 8 }, (_, block) => bench.onDisk(block))
    await body(bench)
    assertSound(bench.cache)
    assert.is(bench.cache.stats().dirty, 0)
    await bench.cache.flush()
    before.forEach((bytes, block) => assert.equal(bench.onDisk(block), bytes))
    ;(await bench.data.acquire(7, 'modify')).release()
  })
}

const addresses = suite('addresses')

for (const block of sample([8, -1, 0.5, NaN, Infinity, 2 ** 53, '1', undefined, null, 1n] as number[], 4)) {
  addresses(`block ${typeof block} ${String(block)}`, () =>
    unchanged(async ({ cache, data }) => {
      for (const mode of ['read', 'modify', 'overwrite'] as const) {
        await refusal('ERR_DCACHE_OUT_OF_RANGE', () => data.acquire(block, mode), String(block), "'data'", 7)
        refusalNow('ERR_DCACHE_OUT_OF_RANGE', () => data.acquireSync(block, mode))
        refusalNow('ERR_DCACHE_OUT_OF_RANGE', () => data.tryAcquire(block, mode))
      }
      refusalNow('ERR_DCACHE_OUT_OF_RANGE', () => data.prefetch(block, 1))
      refusalNow('ERR_DCACHE_OUT_OF_RANGE', () => data.forget(block, 1))
      if (typeof block !== 'number') return
      await refusal('ERR_DCACHE_OUT_OF_RANGE', () => cache.flush({ partition: 'data', block }))
    }),
  )
}

const COUNTS = [
  [0, 9],
  [7, 2],
  [0, -1],
  [0, 0.5],
  [0, NaN],
  [0, Infinity],
  [0, '1'],
] as [number, number][]

for (const [block, count] of sample(COUNTS, 3)) {
  addresses(`${String(count)} blocks from ${block}`, () =>
    unchanged(async ({ cache, data }) => {
      refusalNow('ERR_DCACHE_OUT_OF_RANGE', () => data.prefetch(block, count), String(count))
      refusalNow('ERR_DCACHE_OUT_OF_RANGE', () => data.forget(block, count), String(count))
      await refusal('ERR_DCACHE_OUT_OF_RANGE', () => cache.flush({ partition: 'data', block, count }))
      await refusal('ERR_DCACHE_OUT_OF_RANGE', () => cache.flush({ partition: 'data', count: 9 }))
    }),
  )
}

for (const [length, position] of [
  [1, 4096],
  [2, 4095],
  [1, -1],
  [1, 0.5],
  [1, NaN],
  [1, 2 ** 53],
  [4097, 0],
  [0, 4097],
] as const) {
  addresses(`${length} bytes at ${position}`, () =>
    unchanged(async ({ data }) => {
      const bytes = new Uint8Array(length).fill(99)
      await refusal(
        'ERR_DCACHE_OUT_OF_RANGE',
        () => data.read(bytes, position),
        String(position),
        "'data'",
        4096,
      )
      await refusal('ERR_DCACHE_OUT_OF_RANGE', () => data.write(bytes, position), String(position))
      refusalNow('ERR_DCACHE_OUT_OF_RANGE', () => data.readSync(bytes, position))
      refusalNow('ERR_DCACHE_OUT_OF_RANGE', () => data.writeSync(bytes, position))
      assert.equal(bytes, new Uint8Array(length).fill(99))
    }),
  )
}

const NO_BYTES: unknown[] = ['text', [1, 2, 3], new ArrayBuffer(4), new Uint16Array(4), undefined, null, 5]
for (const bytes of sample(NO_BYTES as Uint8Array[], 2)) {
  addresses(`a value that is no bytes: ${Object.prototype.toString.call(bytes)}`, () =>
    unchanged(async ({ data }) => {
      ;(await data.acquire(0, 'read')).release()
      await refusal('ERR_DCACHE_BAD_OPTION', () => data.read(bytes, 0))
      await refusal('ERR_DCACHE_BAD_OPTION', () => data.write(bytes, 0))
      refusalNow('ERR_DCACHE_BAD_OPTION', () => data.readSync(bytes, 0))
      refusalNow('ERR_DCACHE_BAD_OPTION', () => data.writeSync(bytes, 0))
    }),
  )
}

for (const range of [
  { start: -1 },
  { start: 513 },
  { start: 0, length: 513 },
  { start: 512, length: 1 },
  { start: 0.5, length: 1 },
  { start: 0, length: -1 },
  { start: NaN },
]) {
  addresses(`a declared range of ${JSON.stringify(range)}`, () =>
    unchanged(async ({ data }) => {
      await refusal('ERR_DCACHE_OUT_OF_RANGE', () => data.acquire(0, 'modify', range), 512)
      ;(await data.acquire(0, 'read')).release()
      await refusal('ERR_DCACHE_OUT_OF_RANGE', () => data.acquire(0, 'modify', range), 512)
    }),
  )
}

addresses.run()

const names = suite('names')

names('the error for an unknown partition lists those that exist', () =>
  unchanged(
    async ({ cache }) => {
      for (const name of ['', 'other', 'toString', '__proto__']) {
        refusalNow('ERR_DCACHE_UNKNOWN_PARTITION', () => cache.partition(name), name, "'data', 'more'")
        await refusal('ERR_DCACHE_UNKNOWN_PARTITION', () => cache.retry(name))
        await refusal('ERR_DCACHE_UNKNOWN_PARTITION', () => cache.flush({ partition: name }))
      }
      await refusal('ERR_DCACHE_BAD_OPTION', () => cache.flush({ block: 1 }))
    },
    { partitions: { data: { blocks: 8 }, more: {} } },
  ),
)

names('the error for an unknown class lists those that exist', () =>
  unchanged(async ({ data }) => {
    for (const name of ['', 'other', null, 0, '__proto__'] as string[]) {
      await refusal(
        'ERR_DCACHE_UNKNOWN_CLASS',
        () => data.write(new Uint8Array(4), 0, name),
        'data, directory, trailer',
      )
      refusalNow('ERR_DCACHE_UNKNOWN_CLASS', () => data.writeSync(new Uint8Array(4), 0, name))
      using guard = await data.acquire(0, 'modify')
      refusalNow('ERR_DCACHE_UNKNOWN_CLASS', () => guard.markDirty(name))
    }
  }),
)

names('an unknown mode is refused', () =>
  unchanged(async ({ data }) => {
    const wrong: unknown[] = ['', 'write', undefined, 'READ', 0]
    for (const mode of wrong as Mode[]) {
      await refusal('ERR_DCACHE_BAD_OPTION', () => data.acquire(0, mode), 'mode', 'modify')
      refusalNow('ERR_DCACHE_BAD_OPTION', () => data.tryAcquire(0, mode))
    }
  }),
)

names('a change of a read-only partition is refused', () =>
  withCache({ partitions: { data: { blocks: 8, readOnly: true } } }, async ({ data, cache, onDisk }) => {
    const before = onDisk(0)
    assert.is(data.readOnly, true)
    for (let pass = 0; pass < 2; pass++) {
      await refusal('ERR_DCACHE_READ_ONLY', () => data.acquire(0, 'modify'), "'data'")
      await refusal('ERR_DCACHE_READ_ONLY', () => data.acquire(0, 'overwrite'))
      refusalNow('ERR_DCACHE_READ_ONLY', () => data.tryAcquire(0, 'modify'))
      await refusal('ERR_DCACHE_READ_ONLY', () => data.write(new Uint8Array(4), 0))
      refusalNow('ERR_DCACHE_READ_ONLY', () => data.forget(0, 1))
      ;(await data.acquire(0, 'read')).release()
    }
    await cache.flush()
    assert.equal(onDisk(0), before)
  }),
)

for (const timeoutMs of sample([-1, NaN, -Infinity, 'soon', null, '5'] as number[], 2)) {
  names(`a timeout of ${typeof timeoutMs} ${String(timeoutMs)} is refused even if no wait is needed`, () =>
    unchanged(async ({ data }) => {
      for (let pass = 0; pass < 2; pass++) {
        await refusal(
          'ERR_DCACHE_BAD_OPTION',
          () => data.acquire(0, 'read', { timeoutMs }),
          'timeoutMs',
          String(timeoutMs),
        )
        await refusal('ERR_DCACHE_BAD_OPTION', () => data.read(new Uint8Array(4), 0, { timeoutMs }))
        await refusal('ERR_DCACHE_BAD_OPTION', () => data.write(new Uint8Array(4), 0, 'data', { timeoutMs }))
        ;(await data.acquire(0, 'read')).release()
      }
    }),
  )
}

names.run()

const guards = suite('guards')

/** Every operation on a guard except release. */
const USES: Record<string, (guard: BlockGuard) => unknown> = {
  data: (guard) => guard.data,
  bytes: (guard) => guard.bytes,
  offset: (guard) => guard.offset,
  markDirty: (guard) => guard.markDirty(),
  discard: (guard) => guard.discard(),
  release: (guard) => guard.release(),
}

for (const [name, use] of sample(Object.entries(USES), 4)) {
  guards(`${name} fails after release or discard`, () =>
    unchanged(async ({ data }) => {
      for (const mode of ['read', 'modify', 'overwrite'] as const) {
        const released = await data.acquire(3, mode)
        released.release()
        refusalNow('ERR_DCACHE_GUARD_RELEASED', () => use(released), 3, "'data'")
        const discarded = await data.acquire(3, mode)
        discarded.discard()
        refusalNow('ERR_DCACHE_GUARD_RELEASED', () => use(discarded), 3, "'data'")
      }
    }),
  )
}

guards('a second release does not affect the next holder of the block', () =>
  unchanged(async ({ data }) => {
    for (const mode of ['read', 'modify'] as const) {
      const first = await data.acquire(3, mode)
      first.release()
      const next = await data.acquire(3, 'modify')
      refusalNow('ERR_DCACHE_GUARD_RELEASED', () => first.release())
      assert.is(data.tryAcquire(3, 'read'), undefined)
      next.release()
    }
  }),
)

guards('marking a read guard is refused', () =>
  unchanged(async ({ data }) => {
    using guard = await data.acquire(3, 'read')
    refusalNow('ERR_DCACHE_GUARD_MODE', () => guard.markDirty(), 3, "'data'")
  }),
)

async function many(data: Partition, count: number): Promise<BlockGuard[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => data.acquire(i % 8, 'read')))
}

guards('a thread may hold a limited number of guards', () =>
  unchanged(async ({ data }) => {
    const held = await many(data, 256)
    await refusal('ERR_DCACHE_GUARDS', () => data.acquire(0, 'read'), 256)
    refusalNow('ERR_DCACHE_GUARDS', () => data.acquireSync(0, 'read'))
    refusalNow('ERR_DCACHE_GUARDS', () => data.tryAcquire(0, 'read'))
    await refusal('ERR_DCACHE_GUARDS', () => data.write(new Uint8Array(4), 0))
    await data.read(new Uint8Array(4), 0) // a read of a cached block takes no guard
    held.pop()!.release()
    ;(await data.acquire(0, 'read')).release()
    for (const guard of held) guard.release()
  }),
)

guards('each thread has a limit of its own', () =>
  unchanged(async ({ cache, data }) => {
    const held = await many(data, 256)
    await inThread(cache.handle, 0, ({ client }) => {
      for (let i = 0; i < 300; i++)
        client
          .partition('data')
          .acquireSync(i % 8, 'read')
          .release()
    })
    for (const guard of held) guard.release()
  }),
)

guards.run()
