// Guards: what `overwrite` shows, which changes `release` and `discard` keep or drop, declared ranges, and `using`. Also
// `forget`, which drops changes, and that `prefetch` only is a hint.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertSound, blockBytes, copyOf, until, settled, withCache } from '../support/open.js'

const ZEROS = new Uint8Array(512)
const full = (byte: number) => new Uint8Array(512).fill(byte)

const overwriting = suite('overwrite')

for (const end of ['release', 'discard'] as const) {
  overwriting(`an absent block ended by ${end} without a mark is dropped, never kept as zeros`, () =>
    withCache({}, async ({ cache, data, onDisk }) => {
      const guard = await data.acquire(3, 'overwrite')
      guard.data.fill(9)
      guard[end]()
      assert.is(data.tryAcquire(3, 'read'), undefined)
      assertSound(cache)
      await cache.flush()
      assert.is(cache.stats().diskWrites, 0)
      using again = await data.acquire(3, 'read')
      assert.equal(copyOf(again.data), blockBytes(3))
      assert.equal(onDisk(3), blockBytes(3))
    }),
  )
}

overwriting('part of an absent block leaves zeros in the rest', () =>
  withCache({}, async ({ cache, data, onDisk }) => {
    {
      using guard = await data.acquire(3, 'overwrite')
      guard.data.fill(9, 100, 200)
      guard.markDirty()
    }
    await cache.flush()
    const expected = new Uint8Array(512).fill(9, 100, 200)
    assert.equal(onDisk(3), expected)
    assert.is(cache.stats().diskReads, 0)
  }),
)

overwriting('a dirty block shows its contents', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await data.write(full(5), 3 * 512)
    {
      using guard = await data.acquire(3, 'overwrite')
      assert.equal(copyOf(guard.data), full(5))
      guard.data[0] = 6
      guard.markDirty()
    }
    await cache.flush()
    assert.is(onDisk(3)[0], 6)
    assert.is(onDisk(3)[1], 5)
  }),
)

overwriting.run()

const discarding = suite('discard')

discarding('a change of a clean block restores what the disk has', () =>
  withCache({}, async ({ cache, data }) => {
    for (const mode of ['modify', 'overwrite'] as const) {
      ;(await data.acquire(3, 'read')).release()
      const guard = await data.acquire(3, mode)
      guard.data.fill(9)
      guard.markDirty()
      guard.discard()
      assert.is(cache.stats().dirty, 0)
      using again = await data.acquire(3, 'read')
      assert.equal(copyOf(again.data), blockBytes(3))
    }
  }),
)

discarding('a change of a dirty block restores its contents at the last release', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await data.write(full(5), 3 * 512, 'directory')
    for (const mode of ['modify', 'overwrite'] as const) {
      const guard = await data.acquire(3, mode)
      guard.data.fill(9)
      guard.markDirty('trailer')
      guard.discard()
      await until('the release to be processed', () => cache.stats().dirty === 1)
      using again = await data.acquire(3, 'read')
      assert.equal(copyOf(again.data), full(5))
    }
    await cache.flush()
    assert.equal(onDisk(3), full(5))
  }),
)

discarding('a change of a dirty block that a flush wrote in the meantime restores what was written', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await data.write(full(5), 3 * 512)
    const guard = await data.acquire(3, 'modify')
    guard.data.fill(9)
    await cache.flush()
    assert.equal(
      onDisk(3),
      full(5),
      'a held guard does not delay a flush, and what it changes is not written',
    )
    guard.discard()
    using again = await data.acquire(3, 'read')
    assert.equal(copyOf(again.data), full(5))
  }),
)

discarding('a read guard releases it', () =>
  withCache({}, async ({ data }) => {
    ;(await data.acquire(3, 'read')).discard()
    using again = await data.acquire(3, 'modify')
    assert.equal(copyOf(again.data), blockBytes(3))
  }),
)

discarding('nothing: modify without a mark keeps the block as it is', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data }) => {
    ;(await data.acquire(3, 'modify')).release()
    assert.is(cache.stats().dirty, 0)
    await data.write(full(5), 3 * 512)
    ;(await data.acquire(3, 'modify')).release()
    await until('the release to be processed', () => cache.stats().dirty === 1)
    await cache.flush()
  }),
)

discarding.run()

const ranges = suite('declared ranges')

ranges('discard restores only these bytes', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await data.write(full(5), 3 * 512)
    for (const [start, length] of [
      [0, 512],
      [10, 20],
      [500, 12],
      [0, 1],
      [511, 1],
      [512, 0],
      [100, undefined],
    ] as const) {
      const guard = await data.acquire(3, 'modify', length === undefined ? { start } : { start, length })
      guard.data.fill(9, start, start + (length ?? 512))
      guard.discard()
      using again = await data.acquire(3, 'read')
      assert.equal(copyOf(again.data), full(5), `${start}, ${length ?? 'to the end'}`)
    }
    await cache.flush()
    assert.equal(onDisk(3), full(5))
  }),
)

ranges('a round writes the whole block as it was before the change', () =>
  withCache({ flushDelayMs: 1e9, writeOrder: ['a', 'b'] }, async ({ cache, data, onDisk }) => {
    await data.write(full(5), 3 * 512, 'a')
    const guard = await data.acquire(3, 'modify', { start: 8, length: 8 })
    guard.data.fill(9, 8, 16)
    await cache.flush()
    assert.equal(onDisk(3), full(5))
    guard.markDirty('b')
    guard.release()
    await cache.flush()
    assert.equal(onDisk(3), new Uint8Array(512).fill(5).fill(9, 8, 16))
  }),
)

ranges('the image saved for a round when the class changes is whole', () =>
  withCache({ flushDelayMs: 1e9, writeOrder: ['a', 'b'] }, async ({ cache, data, onDisk, arena }) => {
    const { geometry } = arena
    await data.write(full(5), 3 * 512, 'b')
    const guard = await data.acquire(3, 'modify', { start: 8, length: 8 })
    guard.data.fill(9, 8, 16)
    guard.markDirty('a')
    guard.release()
    await settled(cache)
    const images = Array.from({ length: geometry.spares }, (_, spare) =>
      copyOf(arena.view(geometry.blocks + spare, 512)),
    )
    assert.ok(
      images.some((image) => Buffer.compare(image, full(5)) === 0),
      'a whole image',
    )
    await cache.flush()
    assert.equal(onDisk(3), new Uint8Array(512).fill(5).fill(9, 8, 16))
    assert.is(cache.stats().diskWrites, 2)
  }),
)

ranges.run()

const using_ = suite('using')

using_('a block is released at the end of its scope, after an error too', () =>
  withCache({}, async ({ cache, data, onDisk }) => {
    try {
      using guard = await data.acquire(3, 'modify')
      guard.data.fill(8)
      guard.markDirty()
      throw new Error('on the way')
    } catch (error) {
      assert.is((error as Error).message, 'on the way')
    }
    assertSound(cache)
    await cache.flush()
    assert.equal(onDisk(3), full(8))
  }),
)

using_('a release before the end of the scope is enough', () =>
  withCache({}, async ({ cache, data }) => {
    for (const end of ['release', 'discard'] as const) {
      using guard = await data.acquire(3, 'modify')
      guard[end]()
      assert.is(guard.block, 3)
    }
    assertSound(cache)
  }),
)

using_.run()

const forgetting = suite('forget')

forgetting('drops dirty and clean blocks and leaves held ones', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await data.write(full(5), 0)
    await data.write(full(6), 512)
    await data.write(full(7), 1024)
    await settled(cache)
    const held = await data.acquire(1, 'read')
    data.forget(0, 2)
    await until('the release to be processed', () => cache.stats().dirty === 2)
    held.release()
    await cache.flush()
    assert.equal(onDisk(0), blockBytes(0))
    assert.equal(onDisk(1), full(6))
    assert.equal(onDisk(2), full(7))
    using guard = await data.acquire(0, 'read')
    assert.equal(copyOf(guard.data), blockBytes(0))
  }),
)

forgetting('a forgotten block can be written again', () =>
  withCache({ cached: 4, dirtyLimit: 1, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    for (let i = 1; i < 60; i++) {
      await data.write(full(i), (i % 4) * 512)
      if (i % 3 === 0) data.forget(0, 64)
    }
    await data.write(full(200), 0)
    await cache.flush()
    assert.equal(onDisk(0), full(200))
    const guards = await Promise.all([10, 11, 12, 13].map((block) => data.acquire(block, 'read')))
    for (const guard of guards) guard.release()
    const { free, total } = cache.stats().spares
    assert.is(free, total)
  }),
)

forgetting('is not needed after prefetch, which is a hint and changes no contents', () =>
  withCache({ cached: 8 }, async ({ cache, data }) => {
    data.prefetch(0, 64)
    data.prefetch(63, 1)
    data.prefetch(5, 0)
    // No block is held before the reader begins, so the count of hints is checked too.
    await until('the reads', () => {
      const { prefetch, blocks } = cache.stats()
      return prefetch.loaded + prefetch.dropped === 65 && blocks.held === 0
    })
    using guard = await data.acquire(40, 'read')
    assert.equal(copyOf(guard.data), blockBytes(40))
    assert.equal(copyOf(guard.data).length, ZEROS.length)
  }),
)

forgetting.run()
